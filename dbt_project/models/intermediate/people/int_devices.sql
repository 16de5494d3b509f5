with events as (

    select * from {{ ref("stg_web__events") }}

),

devices as (

    select
        anonymous_id,
        min(occurred_at) as first_seen_at,
        max(occurred_at) as last_seen_at,
        count(*) as events
    from events
    where anonymous_id is not null
    group by anonymous_id

)

select * from devices
