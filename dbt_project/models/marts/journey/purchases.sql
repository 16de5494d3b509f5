with events as (

    select *
    from {{ ref("int_identified_events") }}
    where counts_as = 'purchase'

),

now as (

    select as_of from {{ source("ops", "run_context") }}

),

purchases as (

    select
        events.event_id as purchase_id,
        events.profile_id,
        events.occurred_at,
        events.amount,
        events.currency,
        events.source,
        events.channel,
        case
            when events.profile_id is not null
                then row_number() over (partition by events.profile_id order by events.occurred_at, events.event_id)
        end as purchase_number
    from events
    cross join now
    where events.occurred_at <= now.as_of

)

select * from purchases
order by occurred_at, purchase_id
