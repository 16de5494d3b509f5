with deals as (

    select * from {{ ref("stg_sales__deals") }}

),

contacts as (

    select * from {{ ref("int_deal_contacts") }}

),

created as (

    select
        deal_id,
        'deal_created' as event_name,
        created_at as occurred_at,
        cast(null as double) as amount
    from deals

),

closed as (

    select
        deal_id,
        case deal_stage when 'closedwon' then 'deal_won' else 'deal_lost' end as event_name,
        coalesce(closed_at, created_at) as occurred_at,
        case deal_stage when 'closedwon' then amount end as amount
    from deals
    where deal_stage in ('closedwon', 'closedlost')

),

milestones as (

    select * from created
    union all
    select * from closed

),

-- the first contact of a deal is the buyer; the others took part. A deal without contacts keeps its milestones.
attributed as (

    select
        milestones.deal_id,
        contacts.contact_id,
        milestones.event_name as milestone,
        case
            when coalesce(contacts.contact_number, 1) = 1 then milestones.event_name
            else 'deal_participant'
        end as event_name,
        milestones.occurred_at,
        case when coalesce(contacts.contact_number, 1) = 1 then milestones.amount end as amount,
        deals.currency,
        deals.batch_seq
    from milestones
    inner join deals on milestones.deal_id = deals.deal_id
    left join contacts on milestones.deal_id = contacts.deal_id

)

select * from attributed
