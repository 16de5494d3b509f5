"""The SQL behind the touchpoint table.

Journeys with and without a touchpoint are compared at the same time in the same stage (`RISK`): stays that had their
first such touchpoint shortly before a mark, against stays that were still in the stage at the mark without one. Both
have the same window to go forward from then on, so a stay is not "without" merely because it ended early.
"""

from __future__ import annotations

# Seconds into a stay at which it is compared; the first is the moment it began. Stays touched later are not compared.
MARKS = (0, 10, 60, 300, 1_800, 7_200, 86_400, 3 * 86_400, 7 * 86_400, 14 * 86_400, 30 * 86_400, 60 * 86_400,
         90 * 86_400, 180 * 86_400)  # fmt: skip

_STAYS = """
with {stays},
path_stays as (
    select
        *,
        next_move is not distinct from 'forward' as forward,
        date_diff('millisecond', entered_at, left_at) / 1000.0 as seconds,
        row_number() over (partition by profile_id order by entered_at) > 1 as returned
    from stays
    where is_path
),
had as (
    select
        s.episode_id,
        t.touchpoint_type,
        count(*) as touches,
        min(t.occurred_at) as first_at,
        min(date_diff('millisecond', s.entered_at, t.occurred_at)) / 1000.0 as since_entry
    from path_stays as s
    inner join marts.touchpoints as t
        on s.profile_id = t.profile_id and t.occurred_at >= s.entered_at
        and t.occurred_at < coalesce(s.left_at, $until + interval 1 microsecond)
    where s.entered_at >= $since
    group by s.episode_id, t.touchpoint_type
)"""

CELLS = (
    _STAYS
    + """
select
    h.touchpoint_type,
    s.stage,
    count(*) as stays,
    count(distinct s.profile_id) as people,
    count(*) filter (h.first_at <= $until - to_days($days)) as followed,
    count(*) filter (
        h.first_at <= $until - to_days($days) and s.forward and s.left_at <= h.first_at + to_days($days)
    ) as converted,
    avg(h.touches) as touches,
    median(h.since_entry / 86400.0) as days_in
from had as h
inner join path_stays as s on h.episode_id = s.episode_id
group by h.touchpoint_type, s.stage, s.position
order by h.touchpoint_type, s.position
"""
)

RISK = (
    _STAYS
    + """,
marks as (select unnest($marks) as mark, unnest($before) as previous),
at_risk as (
    select
        s.episode_id,
        s.stage,
        s.returned,
        m.mark,
        s.forward and s.seconds <= m.mark + $days * 86400.0 as converted
    from path_stays as s
    inner join marks as m on s.seconds is null or s.seconds > m.mark
    where s.entered_at >= $since and s.entered_at + to_seconds(m.mark::double) <= $until - to_days($days)
),
totals as (
    select stage, returned, mark, count(*) as stays, count(*) filter (converted) as converted
    from at_risk
    group by stage, returned, mark
),
touched as (
    select
        h.touchpoint_type,
        r.stage,
        r.returned,
        r.mark,
        count(*) as stays,
        count(*) filter (r.converted) as converted
    from had as h
    inner join at_risk as r on h.episode_id = r.episode_id and h.since_entry <= r.mark
    group by h.touchpoint_type, r.stage, r.returned, r.mark
),
exposed as (
    select
        h.touchpoint_type,
        s.stage,
        s.returned,
        m.mark,
        count(*) as stays,
        count(*) filter (s.forward and s.left_at <= h.first_at + to_days($days)) as converted
    from had as h
    inner join path_stays as s on h.episode_id = s.episode_id
    inner join marks as m on h.since_entry > m.previous and h.since_entry <= m.mark
    where h.first_at <= $until - to_days($days)
    group by h.touchpoint_type, s.stage, s.returned, m.mark
)
select
    e.touchpoint_type,
    e.stage,
    e.stays as exposed,
    e.converted as exposed_converted,
    a.stays - coalesce(t.stays, 0) as compared,
    a.converted - coalesce(t.converted, 0) as compared_converted
from exposed as e
inner join totals as a on e.stage = a.stage and e.returned = a.returned and e.mark = a.mark
left join touched as t
    on
        e.touchpoint_type = t.touchpoint_type
        and e.stage = t.stage
        and e.returned = t.returned
        and e.mark = t.mark
where a.stays > coalesce(t.stays, 0)
order by e.touchpoint_type, e.stage, e.returned, e.mark
"""
)

# A journey runs from its start, or a restart after a lapse, to the next lapse.
REACH = """
with {people},
episodes as (
    select
        e.profile_id,
        e.entered_at,
        sum((e.move in ('start', 'restart'))::integer) over walked as journey
    from marts.stage_episodes as e
    inner join people using (profile_id)
    where e.entered_at <= $until
    window walked as (partition by e.profile_id order by e.episode_number)
),
placed as (
    select
        t.profile_id,
        t.touchpoint_type,
        e.journey,
        row_number() over (partition by t.profile_id, e.journey order by t.occurred_at, t.touchpoint_id) as place,
        count(*) over (partition by t.profile_id, e.journey) as length
    from marts.touchpoints as t
    inner join people using (profile_id)
    asof left join episodes as e on t.profile_id = e.profile_id and t.occurred_at >= e.entered_at
    where t.occurred_at >= $since and t.occurred_at <= $until
),
per_journey as (
    select
        touchpoint_type,
        profile_id,
        journey,
        count(*) as touches,
        min(place) as first_place,
        max(place) as last_place,
        any_value(length) as length
    from placed
    group by touchpoint_type, profile_id, journey
)
select
    touchpoint_type,
    count(distinct profile_id) as people,
    (select count(*) from people) as everybody,
    count(*) as journeys,
    (select count(*) from (select distinct profile_id, journey from placed)) as all_journeys,
    sum(touches)::bigint as touchpoints,
    median(first_place) as position,
    count(*) filter (first_place = 1) as opens,
    count(*) filter (last_place = length) as closes
from per_journey
group by touchpoint_type
order by people desc, touchpoint_type
"""
