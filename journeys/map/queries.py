"""The SQL behind the map, one query per row of the page.

Queries start from `{stays}` (see `journeys.scope`): stage episodes of the people in scope, cut to the period. Each
returns a handful of rows.
"""

from __future__ import annotations

STAGES = "select stage, position, label, description, is_path from marts.journey_stages order by position"

TOTALS = """
with {stays},
seen as (select distinct profile_id from stays),
by_source as (
    select t.source, count(*) as touchpoints, min(t.occurred_at) as first_at
    from marts.touchpoints as t
    inner join people using (profile_id)
    where t.occurred_at >= $since and t.occurred_at <= $until
    group by t.source
)
select
    (select count(*) from seen) as people,
    (select count(*) from seen inner join marts.profiles as p using (profile_id) where p.is_anonymous) as anonymous,
    (select coalesce(sum(touchpoints), 0)::bigint from by_source) as touchpoints,
    (select min(first_at) from by_source) as first_at,
    (select string_agg(source, ', ' order by source) from by_source) as sources
"""

PEOPLE = """
with {stays}
select
    stage,
    count(distinct profile_id) as reached,
    count(distinct profile_id) filter (is_open) as now,
    count(*) as stays,
    -- A first stay cut off by the period's beginning did not begin in it.
    count(*) filter (entered_at >= $since) as entries
from stays
group by stage
"""

# Every move from stage to stage. Those straight forward to the next stage are the bands between the columns.
STEPS = """
with {stays}
select stage, next_stage, next_move as move, count(distinct profile_id) as people, count(*) as moves
from stays
where next_stage is not null
group by stage, next_stage, next_move
order by moves desc, stage, next_stage
"""

# What happens first after entering a stage: a contact with service, else the next stage. Stays in which neither has
# happened yet are still open and not counted, so the shares of a stage sum to one.
MOVES = """
with {stays},
served as (
    select distinct s.episode_id
    from stays as s
    inner join marts.touchpoints as t
        on s.profile_id = t.profile_id
        and t.lane = 'service'
        and t.occurred_at >= s.entered_at
        and t.occurred_at <= $until
        and (s.left_at is null or t.occurred_at < s.left_at)
),
firsts as (
    select
        s.stage,
        s.profile_id,
        case when v.episode_id is not null then 'service' else s.next_move end as move
    from stays as s
    left join served as v on s.episode_id = v.episode_id
)
select stage, move, count(*) as moves, count(distinct profile_id) as people
from firsts
where move is not null
group by stage, move
"""

# Kaplan-Meier: stays still open count for as long as they have lasted, so slow stages do not look fast. Intervals of
# the quartiles invert the log-log interval of the curve (Greenwood's variance; Brookmeyer & Crowley 1982). A curve that
# meets a quartile exactly has reached it, whatever the order in which its logarithms were summed.
TIME = """
with {stays},
lengths as (
    select
        stage,
        date_diff('second', entered_at, coalesce(left_at, $until)) / 86400.0 as days,
        left_at is not null as ended
    from stays
),
grouped as (
    select stage, days, count(*) filter (ended) as ended, count(*) as stays from lengths group by stage, days
),
at_risk as (
    select
        *,
        sum(stays) over (partition by stage order by days desc rows unbounded preceding) as risk
    from grouped
),
curve as (
    select
        stage,
        days,
        case
            when min(risk - ended) over sofar = 0 then 0.0
            else exp(sum(ln(greatest(1 - ended / risk, 1e-300))) over sofar)
        end as surviving,
        sum(case when ended < risk then ended / (risk * (risk - ended)::double) end) over sofar as variance
    from at_risk
    window sofar as (partition by stage order by days rows unbounded preceding)
),
bounded as (
    select
        *,
        -- Where the curve is still at one or already at zero, it is its own bound.
        case when surviving > 0 and surviving < 1 then 1.959964 * sqrt(variance) / ln(surviving) else 0 end as width
    from curve
),
ends as (
    select
        stage,
        days,
        surviving,
        pow(surviving, exp(-width)) as lower_end,
        pow(surviving, exp(width)) as upper_end
    from bounded
)
select
    l.stage,
    any_value(c.p25) as p25,
    any_value(c.p50) as p50,
    any_value(c.p75) as p75,
    any_value(c.p25_low) as p25_low,
    any_value(c.p50_low) as p50_low,
    any_value(c.p75_low) as p75_low,
    any_value(c.p25_high) as p25_high,
    any_value(c.p50_high) as p50_high,
    any_value(c.p75_high) as p75_high,
    count(*) as stays,
    count(*) filter (l.ended) as ended
from lengths as l
left join (
    select
        stage,
        min(days) filter (surviving <= 0.75 + 1e-9) as p25,
        min(days) filter (surviving <= 0.5 + 1e-9) as p50,
        min(days) filter (surviving <= 0.25 + 1e-9) as p75,
        min(days) filter (least(lower_end, upper_end) <= 0.75 + 1e-9) as p25_low,
        min(days) filter (least(lower_end, upper_end) <= 0.5 + 1e-9) as p50_low,
        min(days) filter (least(lower_end, upper_end) <= 0.25 + 1e-9) as p75_low,
        min(days) filter (greatest(lower_end, upper_end) <= 0.75 + 1e-9) as p25_high,
        min(days) filter (greatest(lower_end, upper_end) <= 0.5 + 1e-9) as p50_high,
        min(days) filter (greatest(lower_end, upper_end) <= 0.25 + 1e-9) as p75_high
    from ends
    group by stage
) as c on l.stage = c.stage
group by l.stage
"""

TOUCHPOINTS = """
with {stays},
touched as (
    select s.stage, t.touchpoint_type, t.lane, t.profile_id
    from marts.touchpoints as t
    inner join stays as s
        on t.profile_id = s.profile_id
        and t.occurred_at >= s.entered_at
        and (s.left_at is null or t.occurred_at < s.left_at)
    where t.occurred_at >= $since and t.occurred_at <= $until
)
select stage, touchpoint_type, lane, count(distinct profile_id) as people, count(*) as touchpoints
from touched
group by stage, touchpoint_type, lane
order by people desc, touchpoint_type
"""

SERVICE = """
with {stays},
contacts as (
    select s.stage, t.profile_id
    from marts.touchpoints as t
    inner join stays as s
        on t.profile_id = s.profile_id
        and t.occurred_at >= s.entered_at
        and (s.left_at is null or t.occurred_at < s.left_at)
    where t.lane = 'service' and t.occurred_at >= $since and t.occurred_at <= $until
),
answered as (
    select
        s.stage,
        count(*) as tickets,
        median(k.hours_to_solution) as hours,
        list_sort(list(k.hours_to_solution) filter (k.hours_to_solution is not null)) as sorted,
        count(*) filter (k.is_slow) as slow
    from marts.tickets as k
    inner join stays as s
        on k.profile_id = s.profile_id
        and k.created_at >= s.entered_at
        and (s.left_at is null or k.created_at < s.left_at)
    where k.created_at >= $since and k.created_at <= $until
    group by s.stage
),
counted as (
    select stage, count(distinct profile_id) as people, count(*) as contacts from contacts group by stage
)
select
    c.stage,
    c.people,
    c.contacts,
    coalesce(a.tickets, 0) as tickets,
    a.hours,
    -- The median lies between these two with 95 % confidence, whatever the distribution (binomial ranks).
    a.sorted[greatest(floor(len(a.sorted) / 2 - 0.98 * sqrt(len(a.sorted)))::integer, 1)] as hours_low,
    a.sorted[least(ceil(len(a.sorted) / 2 + 1 + 0.98 * sqrt(len(a.sorted)))::integer, len(a.sorted))] as hours_high,
    coalesce(len(a.sorted), 0) as solved,
    coalesce(a.slow, 0) as slow
from counted as c
left join answered as a on c.stage = a.stage
"""

LABELS = """
select touchpoint_type, any_value(label) as label
from marts.touchpoint_types
where label is not null
group by touchpoint_type
"""
