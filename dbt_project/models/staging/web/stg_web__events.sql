{{ config(materialized="incremental", incremental_strategy="append", on_schema_change="fail") }}

with documents as (

    {{ new_documents(source("raw", "web_events"), this) }}

),

extracted as (

    select
        {{ json_columns("document", {
            "event_id": "messageId",
            "anonymous_id": "anonymousId",
            "user_id": "userId",
            "event_kind": "type",
            "track_name": "event",
            "page_name": "name",
            "sent_at": "timestamp",
            "received_at": "receivedAt",
            "order_id": "properties.order_id",
            "revenue": "properties.revenue",
            "total": "properties.total",
            "currency": "properties.currency",
            "user_agent": "context.userAgent",
            "acquisition_channel": "context.channel",
            "campaign_name": "context.campaign.name",
            "campaign_source": "context.campaign.source",
            "trait_first_name": "traits.firstName",
            "trait_last_name": "traits.lastName",
            "trait_full_name": "traits.name",
            "trait_email": "traits.email",
            "trait_phone": "traits.phone",
            "trait_birth_date": "traits.birthday",
            "trait_street": "traits.address.street",
            "trait_city": "traits.address.city",
            "trait_region": "traits.address.state",
            "trait_postcode": "traits.address.postalCode",
            "trait_country": "traits.address.country",
        }) }},
        batch_seq
    from documents

),

typed as (

    select
        -- ids
        event_id,
        {{ filled("anonymous_id") }} as anonymous_id,
        {{ filled("user_id") }} as user_id,

        -- what happened
        event_kind,
        coalesce({{ filled("track_name") }}, {{ filled("page_name") }}, event_kind) as event_name,
        {{ filled("order_id") }} as order_id,
        coalesce({{ number("revenue") }}, {{ number("total") }}) as revenue,
        {{ filled("currency") }} as currency,

        -- where it came from
        {{ device_kind("user_agent") }} as device,
        {{ filled("acquisition_channel") }} as acquisition_channel,
        coalesce({{ filled("campaign_name") }}, {{ filled("campaign_source") }}) as campaign,

        -- traits of an identify event, as the source has them
        {{ filled("trait_first_name") }} as first_name,
        {{ filled("trait_last_name") }} as last_name,
        {{ filled("trait_full_name") }} as full_name,
        {{ filled("trait_email") }} as email,
        {{ filled("trait_phone") }} as phone,
        {{ filled("trait_birth_date") }} as birth_date,
        {{ filled("trait_street") }} as street,
        {{ filled("trait_city") }} as city,
        {{ filled("trait_region") }} as region,
        {{ filled("trait_postcode") }} as postcode,
        {{ filled("trait_country") }} as country,

        -- times; an event without a time of its own happened when it was received
        coalesce({{ utc_timestamp("sent_at") }}, {{ utc_timestamp("received_at") }}) as occurred_at,
        {{ utc_timestamp("received_at") }} as received_at,
        batch_seq
    from extracted

)

select * from typed
