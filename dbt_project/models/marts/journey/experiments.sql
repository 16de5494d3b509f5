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

-- shares are compared each by itself; whoever was drawn with another share before lives with what came of that
trigger_draws as (

    select
        *,
        row_number() over (partition by trigger_key, profile_id order by decided_at, firing_id) as draw
    from firings
    where holdout > 0

),

held_out as (

    select
        'trigger:' || trigger_key || ':' || cast(holdout as varchar) as experiment,
        profile_id,
        case when state = 'held_out' then 'control' else 'treatment' end as arm,
        decided_at as assigned_at,
        'trigger:' || firing_id as assignment_id
    from trigger_draws
    where draw = 1

),

all_draws as (

    select * from drawn

    union all

    select * from held_out

),

-- a person drawn twice, under two addresses, keeps the first arm
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
