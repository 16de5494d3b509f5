with corrections as (

    select * from {{ ref("int_corrections") }}

),

identity_map as (

    select * from {{ source("identity", "identity_map") }}

),

of_profiles as (

    select
        corrections.correction_id,
        corrections.source,
        corrections.source_record_id,
        corrections.field,
        corrections.standing,
        identity_map.profile_id
    from corrections
    left join identity_map
        on
            corrections.source = identity_map.source
            and corrections.source_record_id = identity_map.source_record_id

)

select * from of_profiles
