with sightings as (

    select
        anonymous_id,
        user_id,
        occurred_at,
        event_id
    from {{ ref("stg_web__events") }}
    where anonymous_id is not null and user_id is not null

),

compared as (

    select
        *,
        lag(user_id) over (partition by anonymous_id order by occurred_at, event_id) as former_user_id
    from sightings

),

numbered as (

    select
        *,
        sum(case when former_user_id = user_id then 0 else 1 end)
            over (partition by anonymous_id order by occurred_at, event_id) as run_number
    from compared

),

runs as (

    select
        anonymous_id,
        run_number,
        user_id,
        min(occurred_at) as identified_at,
        max(occurred_at) as last_seen_at
    from numbered
    group by anonymous_id, run_number, user_id

)

select * from runs
