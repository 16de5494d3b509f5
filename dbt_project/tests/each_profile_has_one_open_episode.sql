-- Every living profile stands in exactly one stage now, and nobody else does.
with open_episodes as (

    select
        profile_id,
        count(*) as episodes
    from {{ ref("stage_episodes") }}
    where is_open
    group by profile_id

)

select 1 as failing_profile
from {{ ref("profiles") }} as profiles
full outer join open_episodes on profiles.profile_id = open_episodes.profile_id
where coalesce(open_episodes.episodes, 0) <> 1 or profiles.profile_id is null
