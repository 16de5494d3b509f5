with rules as (

    select * from {{ ref("int_touchpoint_rules") }}

),

types as (

    select
        touchpoint_type,
        min(label) as label,
        min(channel) as channel,
        min(lane) as lane,
        bool_or(is_activity) as is_activity
    from rules
    where touchpoint_type is not null
    group by touchpoint_type

)

select * from types
