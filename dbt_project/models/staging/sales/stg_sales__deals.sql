with documents as (

    {{ latest_documents(source("raw", "sales_deals")) }}

),

extracted as (

    select
        {{ json_columns("document", {
            "deal_id": "Record ID",
            "deal_name": "Deal Name",
            "deal_stage": "Deal Stage",
            "amount": "Amount",
            "currency": "Currency",
            "created_at": "Create Date",
            "closed_at": "Close Date",
            "contact_ids": "Associated Contact IDs",
        }) }},
        batch_seq
    from documents

),

typed as (

    select
        deal_id,
        {{ filled("contact_ids") }} as contact_ids,

        {{ filled("deal_name") }} as deal_name,
        -- "Closed Won", "closed_won" and "closedwon" are one stage
        replace(replace(lower(trim(deal_stage)), ' ', ''), '_', '') as deal_stage,
        {{ number("amount") }} as amount,
        coalesce({{ filled("currency") }}, '{{ var("default_currency") }}') as currency,

        {{ utc_timestamp("created_at") }} as created_at,
        {{ utc_timestamp("closed_at") }} as closed_at,
        batch_seq
    from extracted

)

select * from typed
