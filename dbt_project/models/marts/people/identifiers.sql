with identifiers as (

    select * from {{ source("identity", "identifiers") }}

),

values_seen as (

    select distinct
        profile_id,
        type,
        value,
        source
    from identifiers

)

select * from values_seen
