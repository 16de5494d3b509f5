{{ config(alias="journey_stages") }}

with stages as (

    select * from {{ ref("journey_stages") }}

),

typed as (

    select
        stage,
        position,
        label,
        description,
        is_path,
        lapse_after_days,
        hold_days
    from stages

)

select * from typed
order by position
