with spells as (

    select * from {{ ref("int_stage_spells") }}

),

touchpoints as (

    select * from {{ ref("touchpoints") }}

),

touched as (

    select
        episode_id,
        count(*) as touchpoints
    from touchpoints
    group by episode_id

),

episodes as (

    select
        spells.episode_id,
        spells.profile_id,
        spells.episode_number,
        spells.stage,
        spells.entered_at,
        spells.left_at,
        spells.is_open,
        spells.move,
        coalesce(touched.touchpoints, 0) as touchpoints
    from spells
    left join touched on spells.episode_id = touched.episode_id

)

select * from episodes
order by profile_id, episode_number
