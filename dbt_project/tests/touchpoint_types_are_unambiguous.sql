-- A touchpoint type has one label and one lane wherever it occurs, and an event is of one type whatever its count.
select touchpoint_type as what
from {{ ref("touchpoint_rules") }}
where touchpoint_type is not null
group by touchpoint_type
having count(distinct label) > 1 or count(distinct lane) > 1 or count(distinct channel) > 1

union all

select event_match as what
from {{ ref("touchpoint_rules") }}
group by source, entity, event_match
having
    count(distinct coalesce(touchpoint_type, '')) > 1
    or count(distinct coalesce(counts_as, '')) > 1
    or count(distinct is_activity) > 1
    or min(nth_from) <> 1
