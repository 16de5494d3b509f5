with identity_map as (

    select * from {{ source("identity", "identity_map") }}

),

records as (

    select * from {{ ref("int_source_records") }}

),

addresses as (

    select * from {{ ref("int_marketing_addresses") }}

),

mapped as (

    select
        identity_map.source,
        identity_map.source_record_id,
        identity_map.profile_id,
        identity_map.confidence,
        identity_map.provisional,
        coalesce(records.created_at, addresses.first_seen_at) as created_at
    from identity_map
    left join records
        on identity_map.source = records.source and identity_map.source_record_id = records.source_record_id
    left join addresses
        on identity_map.source = 'marketing' and identity_map.source_record_id = addresses.email

)

select * from mapped
