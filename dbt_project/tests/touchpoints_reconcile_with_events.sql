-- What the accounts say became touchpoints is exactly what is in the table: nothing lost, nothing doubled.
with counted as (

    select
        source,
        count(*) as touchpoints
    from {{ ref("touchpoints") }}
    group by source

),

accounted as (

    select
        source,
        sum(touchpoints) as touchpoints
    from {{ ref("event_accounts") }}
    group by source

)

select accounted.source
from accounted
full outer join counted on accounted.source = counted.source
where coalesce(accounted.touchpoints, 0) <> coalesce(counted.touchpoints, 0)
