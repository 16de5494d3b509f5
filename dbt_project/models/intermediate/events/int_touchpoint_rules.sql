with rules as (

    select * from {{ ref("touchpoint_rules") }}

),

-- what an event is does not depend on how often it happened; only its stage evidence does
kinds as (

    select
        source,
        entity,
        event_match,
        min(touchpoint_type) as touchpoint_type,
        min(label) as label,
        min(channel) as channel,
        min(lane) as lane,
        coalesce(min(counts_as), min(touchpoint_type)) as counts_as,
        coalesce(bool_and(is_activity), false) as is_activity,
        max(nth_from) > 1 as needs_count
    from rules
    group by source, entity, event_match

)

select * from kinds
