with events as (

    select * from {{ ref("int_identified_events") }}

),

now as (

    select as_of from {{ source("ops", "run_context") }}

),

spells as (

    select * from {{ ref("int_stage_spells") }}

),

touchpoints as (

    select
        -- ids
        events.event_id as touchpoint_id,
        events.profile_id,
        spells.episode_id,

        -- what happened
        events.occurred_at,
        events.source,
        events.channel,
        events.touchpoint_type,
        events.event_name,
        events.lane,
        events.is_activity,

        -- what it says about the journey, and where the person stood
        events.stage,
        spells.stage as episode_stage,

        -- details
        events.amount,
        events.currency,
        events.device,
        events.campaign,
        events.acquisition_channel,
        events.source_record_key
    from events
    cross join now
    inner join spells
        on
            events.profile_id = spells.profile_id
            and events.occurred_at >= spells.entered_at
            and events.occurred_at < coalesce(spells.left_at, {{ end_of_time() }})
    where events.occurred_at <= now.as_of

)

select * from touchpoints
order by profile_id, occurred_at, touchpoint_id
