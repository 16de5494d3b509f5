"""Comparable units for each probe: who was exposed, who was not, what followed, and what else differed.

SQL only. Every query returns one row per unit (a ticket, a visit, a newcomer): profile_id, exposed, defected, the
orders that followed within the horizon (null where it has not passed yet), and the context at that moment (`x_*`,
categories) that the adjusted effect holds equal. Context looks only backwards from the moment of the unit.
"""

from __future__ import annotations

from dataclasses import dataclass

TICKET_UNITS = """tickets as (
    select t.*, {exposed} as exposed, {moment} as moment, {speed} as speed
    from marts.tickets as t
    inner join people using (profile_id)
    where {eligible}
),
units as (
    select
        row_number() over (order by t.ticket_id) as unit,
        t.profile_id,
        t.moment,
        t.exposed,
        coalesce(t.channel, 'unknown') as x_channel,
        'none' as x_device,
        t.speed as x_speed,
        'any' as x_length
    from tickets as t
    where t.moment >= $since and t.moment < $until - to_days($days)
)"""


@dataclass(frozen=True)
class TicketExposure:
    """What makes a ticket exposed, which tickets are asked, from when the outcome counts, what came before it."""

    exposed: str
    eligible: str
    moment: str
    speed: str


# A rating is given after the solution, and how long that took may be behind both the rating and what follows.
TICKET_EXPOSURES = {
    "slow": TicketExposure("t.is_slow", "t.is_slow is not null", "t.created_at", "'none'"),
    "bad_rating": TicketExposure(
        "t.satisfaction = 'bad'",
        "t.satisfaction is not null",
        "coalesce(t.solved_at, t.created_at)",
        "case when t.is_slow then 'slow' else 'in time' end",
    ),
}

# A visit is a run of touchpoints of one person on one source with no gap above 30 minutes. One search asks many
# questions of visits, so it numbers them once and keeps that while it runs; what a trace shows stands for itself.
NUMBERED = """web as (
    select t.profile_id, t.occurred_at, t.event_name, t.device, t.channel
    from marts.touchpoints as t
    inner join people using (profile_id)
    where t.source = 'web' and t.occurred_at >= $since and t.occurred_at <= $until
),
gaps as (
    select *, coalesce(occurred_at - lag(occurred_at) over seen > interval 30 minute, true) as opens
    from web
    window seen as (partition by profile_id order by occurred_at)
),
numbered as (
    -- By range: events of one moment are in one visit, whichever of them opens it.
    select *, sum(opens::integer) over (partition by profile_id order by occurred_at range unbounded preceding) as visit
    from gaps
)"""
KEPT_VISITS = "temp.main.numbered_visits"

# Events that come after the visit's order cannot have prevented it and do not count, unless an event can come at any
# time: then the visit that an order ended had less time for it, so it counts in the whole visit and visits of the same
# length are compared.
VISITS = """visits as (
    select
        profile_id,
        visit,
        min(occurred_at) filter (list_contains($among, event_name)) as moment,
        min(occurred_at) filter (event_name = 'Order Completed') as ordered_at,
        min(occurred_at) filter (list_contains($exposed, event_name)) as exposed_at,
        count(*) filter (not list_contains($exposed, event_name)) as events,
        coalesce(min(device), 'unknown') as device,
        coalesce(min(channel), 'unknown') as channel
    from numbered
    group by profile_id, visit
    having moment is not null and moment < $until - to_days($days)
)"""

VISIT_UNITS = (
    VISITS
    + """,
units as (
    select
        row_number() over (order by profile_id, visit) as unit,
        profile_id,
        moment,
        exposed_at is not null and ($anytime or ordered_at is null or exposed_at < ordered_at) as exposed,
        channel as x_channel,
        device as x_device,
        'none' as x_speed,
        case
            when not $anytime then 'any'
            when events <= 3 then '1-3'
            when events <= 6 then '4-6'
            when events <= 12 then '7-12'
            else '13+'
        end as x_length
    from visits
)"""
)

# Context: stage, purchases so far, time since the last one, quarter of the year. Buckets, so that
# the adjustment assumes no straight lines.
CONTEXT = """
select
    u.profile_id,
    u.exposed,
    not coalesce(n.next_at <= u.moment + to_days($days), false) as defected,
    case
        when u.moment <= $until - to_days($horizon) then coalesce(h.purchase_number, 0) - coalesce(p.purchase_number, 0)
    end as orders,
    u.x_channel,
    u.x_device,
    u.x_speed,
    u.x_length,
    coalesce(e.stage, 'none') as x_stage,
    case
        when coalesce(p.purchase_number, 0) <= 2 then coalesce(p.purchase_number, 0)::varchar
        when p.purchase_number <= 5 then '3-5'
        else '6+'
    end as x_purchases,
    case
        when p.occurred_at is null then 'never'
        when u.moment - p.occurred_at <= interval 7 day then 'week'
        when u.moment - p.occurred_at <= interval 30 day then 'month'
        when u.moment - p.occurred_at <= interval 90 day then 'quarter'
        else 'older'
    end as x_recency,
    date_trunc('quarter', u.moment)::varchar as x_quarter
from units as u
asof left join bought as p on u.profile_id = p.profile_id and u.moment >= p.occurred_at
asof left join bought as h on u.profile_id = h.profile_id and u.moment + to_days($horizon) >= h.occurred_at
asof left join upcoming as n on u.profile_id = n.profile_id and u.moment < n.next_at
asof left join marts.stage_episodes as e on u.profile_id = e.profile_id and u.moment > e.entered_at
order by u.unit
"""

BOUGHT = """bought as (
    select
        profile_id,
        occurred_at,
        row_number() over (partition by profile_id order by occurred_at, purchase_id) as purchase_number
    from marts.purchases
    where profile_id is not null and occurred_at <= $until
),
upcoming as (
    select profile_id, occurred_at as next_at from bought
)"""

# Newcomers whose first touchpoint was a visit to the web shop: one source, so that channels differ in nothing but what
# brought the visit. Without an acquisition channel in the data there is nobody to compare.
NEWCOMERS = """
with {stays},
firsts as (
    select t.profile_id, t.occurred_at as moment, {channel} as channel, t.source, t.touchpoint_type, t.device
    from marts.touchpoints as t
    inner join people using (profile_id)
    where t.occurred_at <= $until
    qualify row_number() over (partition by t.profile_id order by t.occurred_at, t.touchpoint_id) = 1
),
newcomers as (
    select * from firsts
    where source = 'web' and channel is not null and moment >= $since and moment < $until - to_days($days)
),
fate as (
    select n.profile_id, max(s.position) filter (s.is_path and s.entered_at <= n.moment + to_days($days)) as furthest
    from newcomers as n
    inner join stays as s using (profile_id)
    group by n.profile_id
),
{bought}
select
    n.profile_id,
    n.channel,
    f.furthest <= (select min(position) from marts.journey_stages where is_path) as defected,
    case when n.moment <= $until - to_days($horizon) then coalesce(h.purchase_number, 0) end as orders,
    coalesce(n.device, 'unknown') as x_device,
    coalesce(n.touchpoint_type, 'unknown') as x_first_touchpoint,
    date_trunc('quarter', n.moment)::varchar as x_quarter
from newcomers as n
inner join fate as f using (profile_id)
asof left join bought as h on n.profile_id = h.profile_id and n.moment + to_days($horizon) >= h.occurred_at
order by n.profile_id
"""


def ticket_sql(exposure: str) -> str:
    """Units of tickets: `exposure` is a key of TICKET_EXPOSURES. Parameters: since, until, days, horizon."""
    chosen = TICKET_EXPOSURES[exposure]
    parts = {"{exposed}": chosen.exposed, "{moment}": chosen.moment, "{speed}": chosen.speed}
    sql = TICKET_UNITS.replace("{eligible}", chosen.eligible)
    for name, text in parts.items():
        sql = sql.replace(name, text)
    return _query(sql)


def visit_sql(*, kept: bool = False) -> str:
    """Units of visits, read from KEPT_VISITS when `kept`.

    Parameters: since (not when `kept`), until, days, horizon, among, exposed, anytime.
    """
    numbered = f"numbered as (\n    select * from {KEPT_VISITS}\n)" if kept else NUMBERED
    return _query(f"{numbered},\n{VISIT_UNITS}")


def keep_visits_sql() -> str:
    """Makes KEPT_VISITS, a temporary table of this connection. Parameters: since, until."""
    return f"create or replace temp table {KEPT_VISITS} as\nwith {{people}},\n{NUMBERED}\nselect * from numbered"


def newcomer_sql(has_channel: bool) -> str:
    """Newcomers of the web by what brought them. Parameters: since, until, days, horizon."""
    channel = "t.acquisition_channel" if has_channel else "null::varchar"
    return NEWCOMERS.replace("{channel}", channel).replace("{bought}", BOUGHT)


def _query(units: str) -> str:
    return "with {people},\n" + units + ",\n" + BOUGHT + CONTEXT
