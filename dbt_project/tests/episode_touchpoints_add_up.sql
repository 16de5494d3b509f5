-- Each touchpoint falls in exactly one episode.
with totals as (

    select
        (select sum(touchpoints) from {{ ref("stage_episodes") }}) as in_episodes,
        (select count(*) from {{ ref("touchpoints") }}) as in_all

)

select *
from totals
where coalesce(in_episodes, 0) <> in_all
