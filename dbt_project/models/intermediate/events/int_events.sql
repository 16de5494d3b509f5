{{ config(materialized="view") }}

with web as (

    select * from {{ ref("stg_web__events") }}

),

mails as (

    select * from {{ ref("stg_marketing__email_events") }}

),

contacts as (

    select * from {{ ref("stg_sales__contacts") }}

),

deal_events as (

    select * from {{ ref("int_deal_events") }}

),

tickets as (

    select * from {{ ref("stg_support__tickets") }}

),

sales as (

    select * from {{ ref("stg_pos__transactions") }}

),

rules as (

    select * from {{ ref("int_touchpoint_rules") }}

),

events as (

    select
        'web:events:' || event_id as event_id,
        'web' as source,
        'events' as source_entity,
        event_id as source_record_key,
        case when user_id is not null then 'web' end as person_source,
        user_id as person_record_id,
        anonymous_id,
        cast(null as varchar) as email,
        occurred_at,
        event_kind,
        event_name,
        revenue as amount,
        currency,
        device,
        campaign,
        acquisition_channel,
        batch_seq
    from web

    union all

    select
        'marketing:email_events:' || event_id as event_id,
        'marketing' as source,
        'email_events' as source_entity,
        event_id as source_record_key,
        cast(null as varchar) as person_source,
        cast(null as varchar) as person_record_id,
        cast(null as varchar) as anonymous_id,
        email,
        occurred_at,
        'mail' as event_kind,
        event_name,
        cast(null as double) as amount,
        cast(null as varchar) as currency,
        cast(null as varchar) as device,
        campaign,
        cast(null as varchar) as acquisition_channel,
        batch_seq
    from mails

    union all

    select
        'sales:contacts:' || contact_id as event_id,
        'sales' as source,
        'contacts' as source_entity,
        contact_id as source_record_key,
        'sales' as person_source,
        contact_id as person_record_id,
        cast(null as varchar) as anonymous_id,
        cast(null as varchar) as email,
        created_at as occurred_at,
        'record' as event_kind,
        'contact_created' as event_name,
        cast(null as double) as amount,
        cast(null as varchar) as currency,
        cast(null as varchar) as device,
        cast(null as varchar) as campaign,
        cast(null as varchar) as acquisition_channel,
        batch_seq
    from contacts

    union all

    select
        'sales:deals:' || deal_id || ':' || milestone || coalesce(':' || contact_id, '') as event_id,
        'sales' as source,
        'deals' as source_entity,
        deal_id as source_record_key,
        'sales' as person_source,
        contact_id as person_record_id,
        cast(null as varchar) as anonymous_id,
        cast(null as varchar) as email,
        occurred_at,
        'deal' as event_kind,
        event_name,
        amount,
        case when amount is not null then currency end as currency,
        cast(null as varchar) as device,
        cast(null as varchar) as campaign,
        cast(null as varchar) as acquisition_channel,
        batch_seq
    from deal_events

    union all

    select
        'support:tickets:' || ticket_id as event_id,
        'support' as source,
        'tickets' as source_entity,
        ticket_id as source_record_key,
        'support' as person_source,
        requester_id as person_record_id,
        cast(null as varchar) as anonymous_id,
        cast(null as varchar) as email,
        created_at as occurred_at,
        'ticket' as event_kind,
        'ticket_created' as event_name,
        cast(null as double) as amount,
        cast(null as varchar) as currency,
        cast(null as varchar) as device,
        cast(null as varchar) as campaign,
        cast(null as varchar) as acquisition_channel,
        batch_seq
    from tickets

    union all

    select
        'pos:transactions:' || transaction_id as event_id,
        'pos' as source,
        'transactions' as source_entity,
        transaction_id as source_record_key,
        'pos' as person_source,
        loyalty_id as person_record_id,
        cast(null as varchar) as anonymous_id,
        cast(null as varchar) as email,
        occurred_at,
        'sale' as event_kind,
        case when gross_sales < 0 then 'return' else 'sale' end as event_name,
        case when gross_sales < 0 then gross_sales else gross_sales - discounts end as amount,
        currency,
        cast(null as varchar) as device,
        cast(null as varchar) as campaign,
        cast(null as varchar) as acquisition_channel,
        batch_seq
    from sales

),

-- the most specific rule wins: the event's name, then its kind, then any event of the entity
matched as (

    select
        events.*,
        coalesce(by_name.event_match, by_kind.event_match, by_entity.event_match) as event_match
    from events
    left join rules as by_name
        on
            events.source = by_name.source
            and events.source_entity = by_name.entity
            and events.event_name = by_name.event_match
    left join rules as by_kind
        on
            events.source = by_kind.source
            and events.source_entity = by_kind.entity
            and events.event_kind || ':*' = by_kind.event_match
    left join rules as by_entity
        on
            events.source = by_entity.source
            and events.source_entity = by_entity.entity
            and by_entity.event_match = '*'

),

ruled as (

    select
        matched.event_id,
        matched.source,
        matched.source_entity,
        matched.source_record_key,
        matched.person_source,
        matched.person_record_id,
        matched.anonymous_id,
        matched.email,
        matched.occurred_at,
        matched.event_kind,
        matched.event_name,
        matched.event_match,
        rules.touchpoint_type,
        rules.channel,
        rules.lane,
        rules.counts_as,
        rules.is_activity,
        rules.needs_count,
        matched.amount,
        matched.currency,
        matched.device,
        matched.campaign,
        matched.acquisition_channel,
        matched.batch_seq
    from matched
    left join rules
        on
            matched.source = rules.source
            and matched.source_entity = rules.entity
            and matched.event_match = rules.event_match

)

select * from ruled
