with records as (

    select
        source,
        source_record_id,
        marketing_consent as consents,
        coalesce(updated_at, created_at) as stated_at
    from {{ ref("int_source_records") }}
    where marketing_consent is not null

),

unsubscribes as (

    select
        'marketing' as source,
        email as source_record_id,
        false as consents,
        max(occurred_at) as stated_at
    from {{ ref("stg_marketing__email_events") }}
    where event_name = 'unsubscribe' and email is not null
    group by email

),

statements as (

    select * from records
    union all
    select * from unsubscribes

)

select * from statements
