with statements as (

    select * from {{ ref("int_consent_statements") }}

),

identity_map as (

    select * from {{ source("identity", "identity_map") }}

),

consent_statements as (

    select
        identity_map.profile_id,
        statements.source,
        statements.source_record_id,
        statements.consents,
        -- who unsubscribes objects; a record that does not consent may only never have been asked
        statements.source = 'marketing' as is_objection,
        statements.stated_at
    from statements
    inner join identity_map
        on statements.source = identity_map.source and statements.source_record_id = identity_map.source_record_id

)

select * from consent_statements
