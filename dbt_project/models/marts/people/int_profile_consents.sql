{{ config(schema="intermediate") }}

with statements as (

    select * from {{ ref("int_consent_statements") }}

),

identity_map as (

    select * from {{ source("identity", "identity_map") }}

),

-- the newest statement wins, one without a date is oldest, and of two equally old ones the refusal wins
ranked as (

    select
        identity_map.profile_id,
        statements.consents,
        row_number() over (
            partition by identity_map.profile_id
            order by statements.stated_at desc nulls last, statements.consents asc
        ) as recency
    from statements
    inner join identity_map
        on statements.source = identity_map.source and statements.source_record_id = identity_map.source_record_id

),

newest as (

    select
        profile_id,
        consents as marketing_consent
    from ranked
    where recency = 1

)

select * from newest
