{{ config(schema="intermediate") }}

with profiles as (

    select profile_id from {{ source("identity", "golden") }}

),

now as (

    select as_of from {{ source("ops", "run_context") }}

),

identity_map as (

    select * from {{ source("identity", "identity_map") }}

),

records as (

    select * from {{ ref("int_source_records") }}

),

addresses as (

    select * from {{ ref("int_marketing_addresses") }}

),

device_map as (

    select * from {{ source("identity", "device_map") }}

),

devices as (

    select * from {{ ref("int_devices") }}

),

events as (

    select * from {{ ref("int_identified_events") }}

),

touched as (

    select
        events.profile_id,
        min(events.occurred_at) as first_seen_at,
        max(case when events.is_activity then events.occurred_at end) as last_seen_at,
        count(*) as touchpoints
    from events
    cross join now
    where events.profile_id is not null and events.occurred_at <= now.as_of
    group by events.profile_id

),

seen as (

    select
        identity_map.profile_id,
        records.created_at as first_seen_at,
        records.first_loaded_at
    from identity_map
    inner join records
        on identity_map.source = records.source and identity_map.source_record_id = records.source_record_id

    union all

    select
        identity_map.profile_id,
        addresses.first_seen_at,
        cast(null as timestamp) as first_loaded_at
    from identity_map
    inner join addresses
        on identity_map.source = 'marketing' and identity_map.source_record_id = addresses.email

    union all

    select
        device_map.profile_id,
        greatest(devices.first_seen_at, device_map.valid_from) as first_seen_at,
        cast(null as timestamp) as first_loaded_at
    from device_map
    inner join devices on device_map.anonymous_id = devices.anonymous_id
    where devices.last_seen_at >= device_map.valid_from and devices.first_seen_at < device_map.valid_to

),

first_seen as (

    select
        profile_id,
        min(first_seen_at) as first_seen_at,
        min(first_loaded_at) as first_loaded_at
    from seen
    group by profile_id

),

-- a date from the record or event where there is one, else the first delivery; never later than now
sightings as (

    select
        profiles.profile_id,
        least(
            coalesce(
                least(touched.first_seen_at, first_seen.first_seen_at),
                touched.first_seen_at,
                first_seen.first_seen_at,
                first_seen.first_loaded_at,
                now.as_of
            ),
            now.as_of
        ) as first_seen_at,
        touched.last_seen_at,
        coalesce(touched.touchpoints, 0) as touchpoints
    from profiles
    cross join now
    left join touched on profiles.profile_id = touched.profile_id
    left join first_seen on profiles.profile_id = first_seen.profile_id

)

select * from sightings
