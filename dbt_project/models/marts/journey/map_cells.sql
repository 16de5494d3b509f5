with stages as (

    select * from {{ ref("mart_journey_stages") }}

),

episodes as (

    select * from {{ ref("stage_episodes") }}

),

transitions as (

    select * from {{ ref("stage_transitions") }}

),

touchpoints as (

    select * from {{ ref("touchpoints") }}

),

touchpoint_types as (

    select * from {{ ref("touchpoint_types") }}

),

tickets as (

    select * from {{ ref("tickets") }}

),

everyone as (

    select count(distinct profile_id) as people from episodes

),

reached as (

    select
        stages.stage,
        count(distinct episodes.profile_id) as people,
        count(distinct case when episodes.is_open then episodes.profile_id end) as people_now
    from stages
    left join episodes on stages.stage = episodes.stage
    group by stages.stage

),

people as (

    select
        reached.stage,
        'people' as measure,
        'in' as key,
        'now' as label,
        reached.people_now as value,
        everyone.people as n
    from reached
    cross join everyone

    union all

    select
        reached.stage,
        'people' as measure,
        'reached' as key,
        'ever' as label,
        reached.people as value,
        everyone.people as n
    from reached
    cross join everyone

),

served as (

    select distinct episode_id
    from touchpoints
    where lane = 'service'

),

-- the first way out of a stay: to service when it was needed before the stage was left, else the move that ended it
exits as (

    select
        transitions.from_stage as stage,
        case when served.episode_id is not null then 'service' else transitions.move end as key
    from transitions
    inner join episodes
        on
            transitions.profile_id = episodes.profile_id
            and transitions.occurred_at = episodes.left_at
            and transitions.from_stage = episodes.stage
    left join served on episodes.episode_id = served.episode_id

),

exit_totals as (

    select
        stage,
        count(*) as n
    from exits
    group by stage

),

moves as (

    select
        exits.stage,
        'moves' as measure,
        exits.key,
        exits.key as label,
        count(*) / cast(max(exit_totals.n) as double) as value,
        max(exit_totals.n) as n
    from exits
    inner join exit_totals on exits.stage = exit_totals.stage
    group by exits.stage, exits.key

),

-- a lapse ends a stay by rule and not by a person, so it says nothing about how long people take
time_in_stage as (

    {% for key, share in [("p25", 0.25), ("p50", 0.5), ("p75", 0.75)] %}
    select
        from_stage as stage,
        'time_in_stage' as measure,
        '{{ key }}' as key,
        'days' as label,
        {{ quantile("days_in_from", share) }} as value,
        count(*) as n
    from transitions
    where move <> 'lapse'
    group by from_stage

    {{ "union all" if not loop.last }}
    {% endfor %}

),

touched as (

    select
        touchpoints.episode_stage as stage,
        'touchpoint' as measure,
        touchpoints.touchpoint_type as key,
        max(touchpoint_types.label) as label,
        count(distinct touchpoints.profile_id) as value,
        max(reached.people) as n
    from touchpoints
    inner join touchpoint_types on touchpoints.touchpoint_type = touchpoint_types.touchpoint_type
    inner join reached on touchpoints.episode_stage = reached.stage
    group by touchpoints.episode_stage, touchpoints.touchpoint_type

),

rated as (

    select
        touchpoints.episode_stage as stage,
        sum(case when tickets.satisfaction = 'good' then 1 else 0 end) as good,
        count(*) as n
    from tickets
    inner join touchpoints
        on touchpoints.source = 'support' and tickets.ticket_id = touchpoints.source_record_key
    where tickets.satisfaction is not null
    group by touchpoints.episode_stage

),

satisfaction as (

    select
        stage,
        'satisfaction' as measure,
        'good' as key,
        'rated good' as label,
        good / cast(n as double) as value,
        n
    from rated

    union all

    select
        stage,
        'satisfaction' as measure,
        'bad' as key,
        'rated bad' as label,
        (n - good) / cast(n as double) as value,
        n
    from rated

),

cells as (

    select * from people
    union all
    select * from moves
    union all
    select * from time_in_stage
    union all
    select * from touched
    union all
    select * from satisfaction

),

typed as (

    select
        stage,
        measure,
        key,
        label,
        cast(value as double) as value,
        cast(n as bigint) as n
    from cells

)

select * from typed
order by stage, measure, key
