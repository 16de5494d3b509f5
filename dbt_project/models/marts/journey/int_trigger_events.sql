{{ config(schema="intermediate") }}

with firings as (

    select *
    from {{ source("ops", "trigger_firings") }}
    where state = 'fired'

),

rules as (

    select * from {{ ref("int_touchpoint_rules") }}

),

events as (

    select
        'triggers:firings:' || firings.firing_id as event_id,
        'triggers' as source,
        'firings' as source_entity,
        cast(firings.firing_id as varchar) as source_record_key,
        firings.profile_id,
        firings.decided_at as occurred_at,
        'firing' as event_kind,
        'Trigger Fired' as event_name,
        rules.event_match,
        rules.touchpoint_type,
        rules.channel,
        rules.lane,
        rules.counts_as,
        rules.is_activity,
        rules.needs_count,
        firings.trigger_key as campaign
    from firings
    left join rules on rules.source = 'triggers' and rules.entity = 'firings' and rules.event_match = '*'

)

select * from events
