{% set traits = [
    "first_name", "last_name", "full_name", "email", "phone", "birth_date",
    "street", "city", "region", "postcode", "country",
] %}

with sightings as (

    select *
    from {{ ref("stg_web__events") }}
    where user_id is not null

),

latest_traits as (

    -- an empty trait says nothing, so an older value stays
    select
        user_id,
        {% for trait in traits %}
        {{ latest_value(trait, "occurred_at", "event_id") }} as {{ trait }},
        {% endfor %}
        min(occurred_at) as created_at,
        max(case when event_kind = 'identify' then occurred_at end) as updated_at
    from sightings
    group by user_id

)

select * from latest_traits
