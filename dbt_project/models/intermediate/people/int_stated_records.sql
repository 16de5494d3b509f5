{{ config(materialized="view") }}

with contacts as (

    select * from {{ ref("stg_sales__contacts") }}

),

requesters as (

    select * from {{ ref("stg_support__users") }}

),

users as (

    select * from {{ ref("int_web_users") }}

),

members as (

    select * from {{ ref("stg_pos__customers") }}

),

records as (

    select
        'sales' as source,
        contact_id as source_record_id,
        first_name,
        cast(null as varchar) as middle_name,
        last_name,
        cast(null as varchar) as full_name,
        email,
        phone,
        birth_date,
        street,
        city,
        region,
        postcode,
        country,
        marketing_consent,
        created_at,
        updated_at,
        first_loaded_at
    from contacts

    union all

    select
        'support' as source,
        requester_id as source_record_id,
        cast(null as varchar) as first_name,
        cast(null as varchar) as middle_name,
        cast(null as varchar) as last_name,
        full_name,
        email,
        phone,
        cast(null as varchar) as birth_date,
        cast(null as varchar) as street,
        cast(null as varchar) as city,
        cast(null as varchar) as region,
        cast(null as varchar) as postcode,
        cast(null as varchar) as country,
        cast(null as boolean) as marketing_consent,
        created_at,
        updated_at,
        first_loaded_at
    from requesters

    union all

    select
        'web' as source,
        user_id as source_record_id,
        first_name,
        cast(null as varchar) as middle_name,
        last_name,
        full_name,
        email,
        phone,
        birth_date,
        street,
        city,
        region,
        postcode,
        country,
        cast(null as boolean) as marketing_consent,
        created_at,
        updated_at,
        created_at as first_loaded_at
    from users

    union all

    select
        'pos' as source,
        loyalty_id as source_record_id,
        first_name,
        cast(null as varchar) as middle_name,
        last_name,
        cast(null as varchar) as full_name,
        email,
        phone,
        birth_date,
        street,
        city,
        region,
        postcode,
        country,
        email_subscribed as marketing_consent,
        cast(null as timestamp) as created_at,
        cast(null as timestamp) as updated_at,
        first_loaded_at
    from members

)

select * from records
