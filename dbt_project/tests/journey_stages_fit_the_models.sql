-- Path stages have positions 1 to n, as many as the models are told of, and one stage is off the path.
with counted as (

    select
        sum(case when is_path then 1 else 0 end) as path_stages,
        max(case when is_path then position end) as last_position,
        min(case when is_path then position end) as first_position,
        sum(case when is_path then 0 else 1 end) as off_path
    from {{ ref("journey_stages") }}

)

select *
from counted
where
    path_stages <> {{ path_stages() }}
    or last_position <> path_stages
    or first_position <> 1
    or off_path <> 1
