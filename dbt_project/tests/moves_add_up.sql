-- A profile has one start and one transition per further episode; the shares of a stage's exits sum to 1.
with episodes as (

    select
        count(*) as all_episodes,
        count(distinct profile_id) as people,
        sum(case when move = 'start' then 1 else 0 end) as starts
    from {{ ref("stage_episodes") }}

),

transitions as (

    select count(*) as all_transitions from {{ ref("stage_transitions") }}

),

shares as (

    select sum(value) as total
    from {{ ref("map_cells") }}
    where measure = 'moves'
    group by stage

)

select 'episodes' as what
from episodes
cross join transitions
where
    episodes.starts <> episodes.people
    or transitions.all_transitions <> episodes.all_episodes - episodes.people

union all

select 'shares' as what
from shares
where abs(total - 1) > 0.000001
