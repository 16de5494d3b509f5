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

-- a person drawn twice under two addresses keeps the first arm
attributed as (

    select
        assignments.experiment,
        addresses.profile_id,
        assignments.arm,
        assignments.assigned_at,
        row_number() over (
            partition by assignments.experiment, addresses.profile_id
            order by assignments.assigned_at, assignments.assignment_id
        ) as draw
    from assignments
    cross join now
    inner join addresses on assignments.email = addresses.source_record_id
    where assignments.assigned_at <= now.as_of

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
