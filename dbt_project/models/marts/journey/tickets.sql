with tickets as (

    select * from {{ ref("stg_support__tickets") }}

),

requesters as (

    select *
    from {{ source("identity", "identity_map") }}
    where source = 'support'

),

now as (

    select as_of from {{ source("ops", "run_context") }}

),

timed as (

    select
        tickets.ticket_id,
        requesters.profile_id,
        tickets.created_at,
        -- what is solved later than now is still open now
        case when tickets.solved_at <= now.as_of then tickets.solved_at end as solved_at,
        {{ seconds_between("tickets.created_at", "least(coalesce(tickets.solved_at, now.as_of), now.as_of)") }} / 3600.0
            as hours_open,
        tickets.channel,
        tickets.subject,
        tickets.description,
        tickets.satisfaction,
        tickets.tags
    from tickets
    cross join now
    left join requesters on tickets.requester_id = requesters.source_record_id
    where tickets.created_at <= now.as_of

),

judged as (

    select
        ticket_id,
        profile_id,
        created_at,
        solved_at,
        case when solved_at is not null then hours_open end as hours_to_solution,
        hours_open > {{ var("slow_ticket_hours") }} as is_slow,
        channel,
        subject,
        description,
        satisfaction,
        tags
    from timed

)

select * from judged
