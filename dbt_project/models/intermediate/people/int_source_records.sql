{% set identifying = [
    "first_name", "middle_name", "last_name", "full_name", "email", "phone", "birth_date",
    "street", "city", "region", "postcode", "country",
] %}
{% set correctable = identifying | reject("equalto", "middle_name") | list %}

with stated as (

    select * from {{ ref("int_stated_records") }}

),

corrections as (

    select * from {{ ref("int_corrections") }}
    where applies

),

corrected_fields as (

    select
        source,
        source_record_id,
        {% for field in correctable %}
        max(case when field = '{{ field }}' then value end) as {{ field }},
        {% endfor %}
        concat(
            {%- for field in correctable %}
            max(case when field = '{{ field }}' then ' {{ field }}' else '' end){{ "," if not loop.last }}
            {%- endfor %}
        ) as fields
    from corrections
    group by source, source_record_id

),

records as (

    select
        stated.source,
        stated.source_record_id,
        {% for field in identifying %}
        {% if field in correctable %}
        case
            when corrected_fields.fields like '% {{ field }}%' then corrected_fields.{{ field }}
            else stated.{{ field }}
        end as {{ field }},
        {% else %}
        stated.{{ field }},
        {% endif %}
        {% endfor %}
        stated.marketing_consent,
        stated.created_at,
        stated.updated_at,
        stated.first_loaded_at,
        corrected_fields.fields as corrected
    from stated
    left join corrected_fields
        on stated.source = corrected_fields.source and stated.source_record_id = corrected_fields.source_record_id

),

hashed as (

    select
        *,
        {{ fingerprint(identifying) }} as stated_hash
    from records

),

fingerprinted as (

    select
        source,
        source_record_id,
        {% for field in identifying %}
        {{ field }},
        {% endfor %}
        marketing_consent,
        created_at,
        updated_at,
        first_loaded_at,
        -- a value that was put right outranks others, so it is new also where the source says the same
        case when corrected is null then stated_hash else md5(concat(stated_hash, corrected)) end as content_hash,
        corrected
    from hashed

)

select * from fingerprinted
