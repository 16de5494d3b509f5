{{ config(schema="intermediate") }}

with touchpoints as (

    select * from {{ ref("touchpoints") }}

),

purchases as (

    select * from {{ ref("purchases") }}

),

tickets as (

    select * from {{ ref("tickets") }}

),

touched as (

    select
        profile_id,
        {{ distinct_list("channel", "is_activity") }} as channels,
        sum(case when touchpoint_type = 'mail_click' then 1 else 0 end) as emails_clicked,
        max(case when touchpoint_type = 'unsubscribe' then 1 else 0 end) = 1 as unsubscribed
    from touchpoints
    group by profile_id

),

bought as (

    select
        profile_id,
        count(*) as purchases,
        -- sums of fractions differ in their last digits with the order of rows; money has none beyond these
        round(sum(amount), 4) as revenue,
        min(occurred_at) as first_purchase_at,
        max(occurred_at) as last_purchase_at
    from purchases
    where profile_id is not null
    group by profile_id

),

asked as (

    select
        profile_id,
        count(*) as tickets,
        sum(case when is_slow then 1 else 0 end) as slow_tickets,
        sum(case when satisfaction = 'good' then 1 else 0 end) as satisfaction_good,
        sum(case when satisfaction = 'bad' then 1 else 0 end) as satisfaction_bad
    from tickets
    where profile_id is not null
    group by profile_id

),

activity as (

    select
        touched.profile_id,
        touched.channels,
        cast(touched.emails_clicked as bigint) as emails_clicked,
        touched.unsubscribed,
        coalesce(bought.purchases, 0) as purchases,
        coalesce(bought.revenue, 0) as revenue,
        bought.first_purchase_at,
        bought.last_purchase_at,
        coalesce(asked.tickets, 0) as tickets,
        cast(coalesce(asked.slow_tickets, 0) as bigint) as slow_tickets,
        cast(coalesce(asked.satisfaction_good, 0) as bigint) as satisfaction_good,
        cast(coalesce(asked.satisfaction_bad, 0) as bigint) as satisfaction_bad
    from touched
    left join bought on touched.profile_id = bought.profile_id
    left join asked on touched.profile_id = asked.profile_id

)

select * from activity
