-- At any moment a device belongs to exactly one profile.
with compared as (

    select
        valid_from,
        valid_to,
        lead(valid_from) over (partition by anonymous_id order by valid_from) as next_from
    from {{ source("identity", "device_map") }}

)

select *
from compared
where valid_to <= valid_from or (next_from is not null and valid_to <> next_from)
