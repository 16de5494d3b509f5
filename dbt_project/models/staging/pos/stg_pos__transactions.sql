with documents as (

    {{ latest_documents(source("raw", "pos_transactions")) }}

),

extracted as (

    select
        {{ json_columns("document", {
            "transaction_id": "Transaction ID",
            "loyalty_id": "Customer Reference ID",
            "local_day": "Date",
            "local_time": "Time",
            "time_zone": "Time Zone",
            "location": "Location",
            "gross_sales": "Gross Sales",
            "discounts": "Discounts",
            "currency": "Currency",
            "card_brand": "Card Brand",
        }) }},
        batch_seq
    from documents

),

typed as (

    select
        transaction_id,
        {{ filled("loyalty_id") }} as loyalty_id,

        {{ filled("location") }} as location,
        {{ filled("card_brand") }} as card_brand,
        {{ number("gross_sales") }} as gross_sales,
        -- discounts are exported as positive or as negative amounts; either way they reduce the sale
        abs(coalesce({{ number("discounts") }}, 0)) as discounts,
        coalesce({{ filled("currency") }}, '{{ var("default_currency") }}') as currency,

        {{ filled("time_zone") }} as time_zone,
        {{ utc_from_local("local_day", "local_time", "time_zone") }} as occurred_at,
        batch_seq
    from extracted

)

select * from typed
