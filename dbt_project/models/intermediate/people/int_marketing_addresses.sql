with mails as (

    select
        email,
        occurred_at as seen_at
    from {{ ref("stg_marketing__email_events") }}

),

assignments as (

    select
        email,
        assigned_at as seen_at
    from {{ ref("stg_marketing__experiments") }}

),

sightings as (

    select * from mails
    union all
    select * from assignments

),

addresses as (

    select
        email,
        min(seen_at) as first_seen_at,
        max(seen_at) as last_seen_at
    from sightings
    where email is not null
    group by email

)

select * from addresses
