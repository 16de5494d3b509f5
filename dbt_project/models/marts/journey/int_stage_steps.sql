{% set positions = range(1, path_stages() | int + 1) %}
{{ config(schema="intermediate") }}

with touchpoints as (

    select
        events.profile_id,
        events.occurred_at,
        events.stage,
        events.is_activity
    from {{ ref("int_identified_events") }} as events
    cross join {{ source("ops", "run_context") }} as now
    where events.profile_id is not null and events.occurred_at <= now.as_of

),

stages as (

    select * from {{ ref("mart_journey_stages") }}

),

-- one step per person and moment: of several touchpoints at one moment the farthest stage counts
steps as (

    select
        touchpoints.profile_id,
        touchpoints.occurred_at,
        max(stages.position) as position,
        bool_or(touchpoints.is_activity) as is_activity
    from touchpoints
    left join stages on touchpoints.stage = stages.stage
    group by touchpoints.profile_id, touchpoints.occurred_at

),

-- a journey begins with the first touchpoint, whatever it is
begun as (

    select
        *,
        case
            when row_number() over (partition by profile_id order by occurred_at) = 1 then coalesce(position, 1)
            else position
        end as evidence
    from steps

),

limits as (

    select
        {% for position in positions %}
        max(case when position = {{ position }} then hold_days end) as hold_{{ position }},
        {% endfor %}
        count(*) as stages
    from stages

),

remembered as (

    select
        profile_id,
        occurred_at,
        evidence,
        {% for position in positions %}
        max(case when evidence = {{ position }} then occurred_at end) over journey as last_{{ position }},
        {% endfor %}
        count(evidence) over journey as evidence_number
    from begun
    where evidence is not null or is_activity
    window journey as (partition by profile_id order by occurred_at rows unbounded preceding)

),

-- the farthest stage whose evidence is still held; own evidence always counts
placed as (

    select
        remembered.profile_id,
        remembered.occurred_at,
        remembered.evidence_number,
        remembered.evidence is not null as is_evidence,
        case
            {% for position in positions | reverse %}
            {% set held_since = days_later("remembered.occurred_at", "-limits.hold_" ~ position) %}
            when remembered.evidence = {{ position }} or remembered.last_{{ position }} >= {{ held_since }}
                then {{ position }}
            {% endfor %}
        end as position
    from remembered
    cross join limits

)

select * from placed
