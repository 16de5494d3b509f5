with episodes as (

    select * from {{ ref("stage_episodes") }}

),

transitions as (

    select
        entered.episode_id as transition_id,
        entered.profile_id,
        left_behind.stage as from_stage,
        entered.stage as to_stage,
        entered.entered_at as occurred_at,
        entered.move,
        {{ seconds_between("left_behind.entered_at", "left_behind.left_at") }} / 86400.0 as days_in_from
    from episodes as entered
    inner join episodes as left_behind
        on
            entered.profile_id = left_behind.profile_id
            and entered.episode_number = left_behind.episode_number + 1

)

select * from transitions
