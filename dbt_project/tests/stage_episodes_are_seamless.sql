-- Episodes of a profile neither overlap nor leave gaps, take time, and their numbers are consecutive.
with compared as (

    select
        episode_number,
        stage,
        entered_at,
        left_at,
        lead(entered_at) over (partition by profile_id order by episode_number) as next_entered_at,
        lead(stage) over (partition by profile_id order by episode_number) as next_stage,
        lag(episode_number, 1, 0) over (partition by profile_id order by episode_number) as former_number
    from {{ ref("stage_episodes") }}

)

select *
from compared
where
    left_at is distinct from next_entered_at
    or left_at <= entered_at
    or stage = next_stage
    or episode_number <> former_number + 1
