with all_events as (

    select
        source,
        source_entity,
        touchpoint_type
    from {{ ref("int_events") }}

    union all

    select
        source,
        source_entity,
        touchpoint_type
    from {{ ref("int_trigger_events") }}

),

identified as (

    select * from {{ ref("int_identified_events") }}

),

now as (

    select as_of from {{ source("ops", "run_context") }}

),

received as (

    select
        source,
        source_entity,
        count(*) as events,
        sum(case when touchpoint_type is null then 1 else 0 end) as not_touchpoints
    from all_events
    group by source, source_entity

),

attributed as (

    select
        identified.source,
        identified.source_entity,
        sum(case when identified.profile_id is null then 1 else 0 end) as without_profile,
        sum(case
            when identified.profile_id is not null and not coalesce(identified.occurred_at <= now.as_of, false) then 1
            else 0
        end) as after_now,
        sum(case when identified.profile_id is not null and identified.occurred_at <= now.as_of then 1 else 0 end)
            as touchpoints
    from identified
    cross join now
    group by identified.source, identified.source_entity

),

accounts as (

    select
        received.source,
        received.source_entity,
        cast(received.events as bigint) as events,
        cast(received.not_touchpoints as bigint) as not_touchpoints,
        cast(coalesce(attributed.without_profile, 0) as bigint) as without_profile,
        cast(coalesce(attributed.after_now, 0) as bigint) as after_now,
        cast(coalesce(attributed.touchpoints, 0) as bigint) as touchpoints
    from received
    left join attributed
        on received.source = attributed.source and received.source_entity = attributed.source_entity

)

select * from accounts
