{% set correctable = [
    "first_name", "last_name", "full_name", "email", "phone", "birth_date", "street", "city", "region", "postcode", "country",
] %}

with corrections as (

    select * from {{ source("ops", "corrections") }}

),

records as (

    select * from {{ ref("int_stated_records") }}

),

compared as (

    select
        corrections.correction_id,
        corrections.source,
        corrections.source_record_id,
        corrections.field,
        corrections.value,
        corrections.replaced,
        corrections.lasts,
        records.source is not null as is_there,
        case corrections.field
            {% for field in correctable %}
            when '{{ field }}' then records.{{ field }}
            {% endfor %}
        end as stated
    from corrections
    left join records
        on corrections.source = records.source and corrections.source_record_id = records.source_record_id

),

judged as (

    select
        correction_id,
        source,
        source_record_id,
        field,
        value,
        is_there,
        lasts,
        coalesce(lower(trim(stated)), '') = coalesce(lower(value), '') as is_right,
        replaced is not null and replaced <> {{ fingerprint(["stated"]) }} as has_changed
    from compared

),

-- what a correction says of a record ends as a whole
with_record as (

    select
        *,
        max(case when has_changed then 1 else 0 end)
            over (partition by correction_id, source, source_record_id) as changes
    from judged

),

final as (

    select
        correction_id,
        source,
        source_record_id,
        field,
        value,
        is_there and (lasts = 'for_good' or changes = 0) as applies,
        case
            when not is_there then 'record_gone'
            when lasts = 'until_changed' and changes = 1 then 'ended'
            when is_right then 'source_agrees'
            when has_changed then 'source_differs'
            else 'applied'
        end as standing
    from with_record

)

select * from final
