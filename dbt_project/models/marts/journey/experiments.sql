with assignments as (

    select * from {{ ref("stg_marketing__experiments") }}

),

addresses as (

    select *
    from {{ source("identity", "identity_map") }}
    where source = 'marketing'

),

now as (

    select as_of from {{ source("ops", "run_context") }}

),

firings as (

    select * from {{ source("ops", "trigger_firings") }}

),

drawn as (

    select
        assignments.experiment,
        addresses.profile_id,
        assignments.arm,
        assignments.assigned_at,
        assignments.assignment_id
    from assignments
    inner join addresses on assignments.email = addresses.source_record_id

),

-- a trigger tells of its effect while it holds people out: what fired before or after has nobody to be compared with
holdouts as (

    select
        trigger_key,
        min(decided_at) as begun_at,
        max(decided_at) as ended_at
    from firings
    where state = 'held_out'
    group by trigger_key

),

held_out as (

    select
        'trigger:' || firings.trigger_key as experiment,
        firings.profile_id,
        case when firings.state = 'held_out' then 'control' else 'treatment' end as arm,
        firings.decided_at as assigned_at,
        'trigger:' || firings.firing_id as assignment_id
    from firings
    inner join holdouts on firings.trigger_key = holdouts.trigger_key
    where firings.decided_at between holdouts.begun_at and holdouts.ended_at

),

all_draws as (

    select * from drawn

    union all

    select * from held_out

),

-- a person drawn twice, under two addresses or by a trigger that fires again, keeps the first arm
attributed as (

    select
        all_draws.experiment,
        all_draws.profile_id,
        all_draws.arm,
        all_draws.assigned_at,
        row_number() over (
            partition by all_draws.experiment, all_draws.profile_id
            order by all_draws.assigned_at, all_draws.assignment_id
        ) as draw
    from all_draws
    cross join now
    where all_draws.assigned_at <= now.as_of

),

first_draws as (

    select
        experiment,
        profile_id,
        arm,
        assigned_at
    from attributed
    where draw = 1

)

select * from first_draws
