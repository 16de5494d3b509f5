{{ config(materialized="incremental", incremental_strategy="append", on_schema_change="fail") }}

with documents as (

    {{ new_documents(source("raw", "marketing_email_events"), this) }}

),

extracted as (

    select
        {{ json_columns("document", {
            "event_id": "event_id",
            "event_name": "event",
            "campaign": "campaign",
            "email": "email",
            "occurred_at": "timestamp",
        }) }},
        batch_seq
    from documents

),

typed as (

    select
        event_id,
        -- addresses join mails to people, so their spelling is evened out
        lower(trim({{ filled("email") }})) as email,

        lower(trim(event_name)) as event_name,
        {{ filled("campaign") }} as campaign,

        {{ utc_timestamp("occurred_at") }} as occurred_at,
        batch_seq
    from extracted

)

select * from typed
