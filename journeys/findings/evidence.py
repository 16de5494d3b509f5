"""Comparable units for each probe: who was exposed, who was not, what followed, and what else differed.

SQL only. Every query returns one row per unit (a ticket, a visit): profile_id, exposed, defected, the orders that
followed within the horizon (null where it has not passed yet), and the context at that moment (`x_*`, categories) that
the adjusted effect holds equal. Context looks only backwards from the moment of the unit.
"""

from __future__ import annotations

TICKET_UNITS = """tickets as (
    select t.*, {exposed} as exposed
    from marts.tickets as t
    inner join people using (profile_id)
    where t.created_at >= $since and t.created_at < $until - to_days($days) and {eligible}
),
units as (
    select
        row_number() over () as unit,
        t.profile_id,
        t.created_at as moment,
        t.exposed,
        coalesce(t.channel, 'unknown') as x_channel,
        'none' as x_device
    from tickets as t
)"""

TICKET_EXPOSURES = {
    "slow": ("t.is_slow", "t.is_slow is not null"),
    "bad_rating": ("t.satisfaction = 'bad'", "t.satisfaction is not null"),
}

# A visit is a run of touchpoints of one person on one source with no gap above 30 minutes. Failures that come after
# the visit's order cannot have prevented it and do not count.
VISITS = """web as (
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
    select *, sum(opens::integer) over (partition by profile_id order by occurred_at rows unbounded preceding) as visit
    from gaps
),
visits as (
    select
        profile_id,
        visit,
        min(occurred_at) filter (list_contains($among, event_name)) as moment,
        min(occurred_at) filter (event_name = 'Order Completed') as ordered_at,
        min(occurred_at) filter (list_contains($exposed, event_name)) as exposed_at,
        coalesce(any_value(device), 'unknown') as device,
        coalesce(any_value(channel), 'unknown') as channel
    from numbered
    group by profile_id, visit
    having moment is not null and moment < $until - to_days($days)
)"""

VISIT_UNITS = (
    VISITS
    + """,
units as (
    select
        row_number() over () as unit,
        profile_id,
        moment,
        coalesce(exposed_at < coalesce(ordered_at, timestamp '9999-01-01'), false) as exposed,
        channel as x_channel,
        device as x_device
    from visits
)"""
)

# Context: stage, purchases so far, time since the last one, how long known, quarter of the year. Buckets, so that
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

EXPERIMENTS = """
with {people},
arms as (
    select x.experiment, x.profile_id, x.arm, x.assigned_at
    from marts.experiments as x
    inner join people using (profile_id)
    where x.assigned_at >= $since and x.assigned_at <= $until
    -- A person assigned twice, to different arms, tells nothing about either.
    qualify count(distinct x.arm) over (partition by x.experiment, x.profile_id) = 1
        and row_number() over (partition by x.experiment, x.profile_id order by x.assigned_at) = 1
),
later as (
    select
        a.experiment,
        a.profile_id,
        a.arm,
        a.assigned_at <= $until - to_days($horizon) as followed,
        count(p.purchase_id) as purchases,
        count(p.purchase_id) filter (
            p.occurred_at > a.assigned_at and p.occurred_at <= a.assigned_at + to_days($horizon)
        ) as orders
    from arms as a
    inner join marts.purchases as p on a.profile_id = p.profile_id and p.occurred_at <= $until
    group by a.experiment, a.profile_id, a.arm, a.assigned_at
)
select
    experiment,
    arm,
    count(*) as people,
    count(*) filter (purchases >= 2) as repeated,
    count(*) filter (followed) as followed,
    avg(orders) filter (followed) as orders,
    var_samp(orders) filter (followed) as orders_variance
from later
group by experiment, arm
order by experiment, arm
"""


def ticket_sql(exposure: str) -> str:
    """Units of tickets: `exposure` is a key of TICKET_EXPOSURES. Parameters: since, until, days, horizon."""
    exposed, eligible = TICKET_EXPOSURES[exposure]
    return _query(TICKET_UNITS.replace("{exposed}", exposed).replace("{eligible}", eligible))


def visit_sql() -> str:
    """Units of visits. Parameters: since, until, days, horizon, among, exposed."""
    return _query(VISIT_UNITS)


def _query(units: str) -> str:
    return "with {people},\n" + units + ",\n" + BOUGHT + CONTEXT
