{{ config(schema="intermediate") }}

with steps as (

    select * from {{ ref("int_stage_steps") }}

),

stages as (

    select * from {{ ref("mart_journey_stages") }}

),

sightings as (

    select * from {{ ref("int_profile_sightings") }}

),

now as (

    select as_of from {{ source("ops", "run_context") }}

),

-- from one piece of evidence to the next the stage stays; activity in between keeps the person from lapsing
staged as (

    select
        profile_id,
        occurred_at,
        evidence_number,
        is_evidence,
        max(case when is_evidence then position end)
            over (partition by profile_id, evidence_number) as position,
        lead(occurred_at) over (partition by profile_id order by occurred_at) as next_at
    from steps

),

silences as (

    select
        staged.profile_id,
        staged.evidence_number,
        min({{ days_later("staged.occurred_at", "stages.lapse_after_days") }}) as lapsed_at
    from staged
    inner join stages on staged.position = stages.position
    cross join now
    where {{ days_later("staged.occurred_at", "stages.lapse_after_days") }} < coalesce(staged.next_at, now.as_of)
    group by staged.profile_id, staged.evidence_number

),

marks as (

    select
        profile_id,
        occurred_at as marked_at,
        position
    from staged
    where is_evidence

    union all

    select
        silences.profile_id,
        silences.lapsed_at as marked_at,
        stages.position
    from silences
    inner join stages on not stages.is_path

    union all

    -- who was never touched still stands at the beginning
    select
        sightings.profile_id,
        sightings.first_seen_at as marked_at,
        1 as position
    from sightings
    where sightings.touchpoints = 0

),

compared as (

    select
        *,
        lag(position) over (partition by profile_id order by marked_at) as former_position
    from marks

),

starts as (

    select
        profile_id,
        position,
        former_position,
        marked_at as entered_at,
        lead(marked_at) over (partition by profile_id order by marked_at) as left_at,
        row_number() over (partition by profile_id order by marked_at) as episode_number
    from compared
    where former_position is null or position <> former_position

),

spells as (

    select
        starts.profile_id || ':' || starts.episode_number as episode_id,
        starts.profile_id,
        starts.episode_number,
        stages.stage,
        starts.entered_at,
        starts.left_at,
        starts.left_at is null as is_open,
        case
            when starts.former_position is null then 'start'
            when not stages.is_path then 'lapse'
            when not former.is_path then 'restart'
            when starts.position > starts.former_position then 'forward'
            else 'back'
        end as move
    from starts
    inner join stages on starts.position = stages.position
    left join stages as former on starts.former_position = former.position

)

select * from spells
