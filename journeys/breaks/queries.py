"""The SQL behind drop-off, flows, acquisition and loops; each starts from the scope's people and stays.

A person counts only when there was time to go on: who came in yesterday has not stopped. The time allowed is the
silence after which the stage's people lapse (`lapse_after_days`), so that everybody is watched equally long.
"""

from __future__ import annotations

# Of the people who reached a stage early enough: who got beyond it within the time the stage allows.
DROP_OFF = """
with {stays},
firsts as (
    select profile_id, stage, position, min(entered_at) as entered_at from stays where is_path
    group by profile_id, stage, position
),
timed as (
    select f.*, j.lapse_after_days as days, f.entered_at + to_days(j.lapse_after_days) as judged_at
    from firsts as f
    inner join marts.journey_stages as j using (stage)
),
later as (
    select t.stage, t.position, t.days, t.profile_id, t.entered_at, t.judged_at, min(s.entered_at) as beyond_at
    from timed as t
    left join stays as s
        on t.profile_id = s.profile_id and s.is_path and s.position > t.position and s.entered_at > t.entered_at
    group by all
)
select
    stage,
    any_value(days)::integer as days,
    count(*) as reached,
    count(*) filter (judged_at <= $until) as followed,
    count(*) filter (judged_at <= $until and beyond_at <= judged_at) as went_on,
    median(date_diff('second', entered_at, beyond_at) / 86400.0) filter (judged_at <= $until and beyond_at <= judged_at)
        as days_to_next
from later
group by stage, position
order by position
"""

# A step is a kind of touchpoint within a stay. A stay stops at the last step before it ends otherwise than forward, or
# is silent for longer than the stage allows. Steps of the service lane are left out: they are no way on.
STEPS = """
with {stays},
judged as (
    select s.*, s.next_move is not distinct from 'forward' as went_on
    from stays as s
    inner join marts.journey_stages as j using (stage)
    where s.is_path and s.entered_at >= $since and s.entered_at <= $until - to_days(j.lapse_after_days)
),
touches as (
    select
        j.stage,
        j.position,
        j.episode_id,
        j.profile_id,
        j.went_on,
        t.touchpoint_type,
        row_number() over (partition by j.episode_id order by t.occurred_at desc, t.touchpoint_id desc) = 1 as is_last
    from judged as j
    inner join marts.touchpoints as t
        on j.profile_id = t.profile_id and t.occurred_at >= j.entered_at and t.occurred_at < coalesce(j.left_at, $until)
    where t.lane = 'path' and t.is_activity
),
steps as (
    select stage, position, episode_id, touchpoint_type, any_value(profile_id) as profile_id,
        any_value(went_on) as went_on, bool_or(is_last) as is_last
    from touches
    group by stage, position, episode_id, touchpoint_type
)
select
    stage,
    touchpoint_type,
    count(*) as stays,
    count(distinct profile_id) as people,
    count(*) filter (is_last and not went_on) as stopped,
    count(*) filter (went_on) as went_on
from steps
group by stage, position, touchpoint_type
order by position, stopped desc, touchpoint_type
"""

FLOWS = """
with {stays},
months as (
    select stage, position, date_trunc('month', entered_at) as month, 1 as inflow, 0 as onward, 0 as away
    from stays where entered_at >= $since
    union all
    select
        stage, position, date_trunc('month', left_at), 0,
        (next_move = 'forward')::integer,
        (next_move is distinct from 'forward')::integer
    from stays where left_at >= $since
)
select stage, month, sum(inflow)::bigint as inflow, sum(onward)::bigint as onward, sum(away)::bigint as away
from months
group by stage, position, month
order by position, month
"""

# What became of stays that began early enough to have ended: forward, otherwise, or still in the stage.
FATES = """
with {stays}
select
    s.stage,
    count(*) as stays,
    count(distinct s.profile_id) as people,
    count(*) filter (s.next_move = 'forward') as onward,
    count(*) filter (s.left_at is not null and s.next_move is distinct from 'forward') as away
from stays as s
inner join marts.journey_stages as j using (stage)
where s.is_path and s.entered_at >= $since and s.entered_at <= $until - to_days(j.lapse_after_days)
group by s.stage, s.position
order by s.position
"""

ACQUISITION = """
with {stays},
firsts as (
    select t.profile_id, t.source, coalesce({channel}, 'unknown') as channel, t.occurred_at
    from marts.touchpoints as t
    inner join people using (profile_id)
    where t.occurred_at <= $until
    qualify row_number() over (partition by t.profile_id order by t.occurred_at, t.touchpoint_id) = 1
),
fate as (
    select
        f.source,
        f.channel,
        f.profile_id,
        coalesce(max(s.position) filter (s.is_path and s.entered_at <= f.occurred_at + to_days($days)), 0) as furthest
    from firsts as f
    left join stays as s on f.profile_id = s.profile_id
    where f.occurred_at >= $since and f.occurred_at <= $until - to_days($days)
    group by f.source, f.channel, f.profile_id
)
select
    source,
    channel,
    count(*) as people,
    count(*) filter (furthest <= (select min(position) from marts.journey_stages where is_path)) as stuck
from fate
group by source, channel
order by people desc, source, channel
"""

LOOPS = """
with {stays},
turns as (
    select profile_id, stage as upper_stage, next_stage as lower_stage, position, left_at
    from stays
    where next_move = 'back'
),
counted as (
    select
        upper_stage, lower_stage, profile_id,
        any_value(position) as position, count(*) as times, min(left_at) as at_first
    from turns
    group by upper_stage, lower_stage, profile_id
),
fate as (
    select c.*, j.lapse_after_days, exists(
        select 1 from stays as s
        where s.profile_id = c.profile_id and s.is_path and s.position > c.position
            and s.entered_at > c.at_first and s.entered_at <= c.at_first + to_days(j.lapse_after_days)
    ) as went_on
    from counted as c
    inner join marts.journey_stages as j on c.upper_stage = j.stage
)
select
    upper_stage,
    lower_stage,
    any_value(lapse_after_days)::integer as days,
    count(*) as people,
    sum(times)::bigint as times,
    max(times)::bigint as most,
    count(*) filter (times >= 2) as again,
    count(*) filter (at_first <= $until - to_days(lapse_after_days)) as followed,
    count(*) filter (at_first <= $until - to_days(lapse_after_days) and went_on) as went_on
from fate
group by upper_stage, lower_stage
order by times desc, upper_stage, lower_stage
"""
