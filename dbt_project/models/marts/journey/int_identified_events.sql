{{ config(schema="intermediate") }}

with events as (

    select *
    from {{ ref("int_events") }}
    where touchpoint_type is not null

),

evidence as (

    -- each rule holds from its own count up to where the next one takes over
    select
        source,
        entity,
        event_match,
        stage,
        nth_from,
        lead(nth_from) over (partition by source, entity, event_match order by nth_from) as next_from
    from {{ ref("touchpoint_rules") }}

),

records as (

    select * from {{ source("identity", "identity_map") }}

),

devices as (

    select * from {{ source("identity", "device_map") }}

),

-- who says it themselves (a user, a member, a contact) goes before the device, and the device before the address
identified as (

    select
        events.*,
        coalesce(records.profile_id, devices.profile_id, addresses.profile_id) as profile_id
    from events
    left join records
        on events.person_source = records.source and events.person_record_id = records.source_record_id
    left join devices
        on
            events.anonymous_id = devices.anonymous_id
            and events.occurred_at >= devices.valid_from
            and events.occurred_at < devices.valid_to
    left join records as addresses
        on addresses.source = 'marketing' and events.email = addresses.source_record_id

),

-- what triggers did names the person already
named as (

    select * from identified

    union all

    select
        event_id,
        source,
        source_entity,
        source_record_key,
        cast(null as varchar) as person_source,
        cast(null as varchar) as person_record_id,
        cast(null as varchar) as anonymous_id,
        cast(null as varchar) as email,
        occurred_at,
        event_kind,
        event_name,
        event_match,
        touchpoint_type,
        channel,
        lane,
        counts_as,
        is_activity,
        needs_count,
        cast(null as double) as amount,
        cast(null as varchar) as currency,
        cast(null as varchar) as device,
        campaign,
        cast(null as varchar) as acquisition_channel,
        cast(null as bigint) as batch_seq,
        profile_id
    from {{ ref("int_trigger_events") }}
    where touchpoint_type is not null

),

-- counting is only needed where a later occurrence means more than the first
counted as (

    select
        *,
        1 as nth
    from named
    where not needs_count or profile_id is null

    union all

    select
        *,
        row_number() over (partition by profile_id, counts_as order by occurred_at, event_id) as nth
    from named
    where needs_count and profile_id is not null

),

evidenced as (

    select
        counted.*,
        evidence.stage
    from counted
    left join evidence
        on
            counted.source = evidence.source
            and counted.source_entity = evidence.entity
            and counted.event_match = evidence.event_match
            and counted.nth >= evidence.nth_from
            and (counted.nth < evidence.next_from or evidence.next_from is null)

)

select * from evidenced
