with origins as (

    select * from {{ source("identity", "golden_origins") }}

),

of_living as (

    select
        origins.profile_id,
        origins.trait,
        origins.source,
        origins.source_record_id,
        origins.observed_at,
        origins.rule
    from origins
    inner join {{ ref("profiles") }} as profiles
        on origins.profile_id = profiles.profile_id

)

select * from of_living
