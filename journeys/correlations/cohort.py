"""Customers of long enough standing: what they met around their first purchase, and what followed later.

What is compared comes before what follows: factors are looked at up to EXPOSURE_DAYS after the first purchase, outcomes
during the FOLLOW_DAYS after that, and only customers whose follow-up is over are counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from journeys.feeling import tables
from journeys.measures import Query
from journeys.scope import Scope, has_column, traced

if TYPE_CHECKING:
    import pandas as pd

EXPOSURE_DAYS = 90
FOLLOW_DAYS = 180

CUSTOMERS = """
with {people},
firsts as (
    select b.profile_id, min(b.occurred_at) as bought_at
    from marts.purchases as b
    inner join people using (profile_id)
    where b.occurred_at <= $until
    group by b.profile_id
),
cohort as (
    select
        profile_id, bought_at,
        bought_at + to_days($exposure) as seen_until,
        bought_at + to_days($exposure + $follow) as followed_until
    from firsts
    where bought_at >= $since and bought_at <= $until - to_days($exposure + $follow)
),
later as (
    select
        c.profile_id,
        count(b.purchase_id) filter (b.occurred_at > c.seen_until and b.occurred_at <= c.followed_until) as purchases,
        coalesce(sum(b.amount) filter (b.occurred_at > c.seen_until and b.occurred_at <= c.followed_until), 0)
            as revenue,
        coalesce(sum(b.amount), 0) as revenue_so_far
    from cohort as c
    inner join marts.purchases as b on c.profile_id = b.profile_id and b.occurred_at <= $until
    group by c.profile_id
),
standing as (
    select
        c.profile_id,
        bool_or(e.entered_at <= c.seen_until and coalesce(e.left_at, $until) > c.seen_until and s.is_path) as on_path,
        bool_or(not s.is_path and e.entered_at > c.seen_until and e.entered_at <= c.followed_until) as lapsed
    from cohort as c
    inner join marts.stage_episodes as e on c.profile_id = e.profile_id
    inner join marts.journey_stages as s on e.stage = s.stage
    group by c.profile_id
),
touched as (
    select
        c.profile_id,
        arg_min(t.channel, (t.occurred_at, t.touchpoint_id)) as first_channel,
        arg_min(t.acquisition_channel, (t.occurred_at, t.touchpoint_id)) filter (t.acquisition_channel is not null)
            as acquisition,
        min(t.occurred_at) < any_value(c.bought_at) - to_days(1) as came_before,
        mode(hour(t.occurred_at) // 6 order by hour(t.occurred_at) // 6) filter (t.channel in ('web', 'chat', 'store'))
            as quarter_of_day
    from cohort as c
    inner join marts.touchpoints as t
        on c.profile_id = t.profile_id and t.is_activity and t.occurred_at <= c.seen_until
    group by c.profile_id
),
asked as (
    select c.profile_id, bool_or(coalesce(k.is_slow, false)) as was_slow
    from cohort as c
    inner join marts.tickets as k on c.profile_id = k.profile_id and k.created_at <= c.seen_until
    group by c.profile_id
)
select
    c.profile_id,
    (l.purchases > 0)::double as retention,
    case when s.on_path then s.lapsed::double end as lapse,
    l.revenue::double as value,
    {lifetime} as lifetime_value,
    coalesce(t.first_channel, 'unknown') as first_channel,
    coalesce(t.acquisition, 'unknown') as acquisition,
    case when t.came_before is null then 'unknown' when t.came_before then 'returning' else 'new' end
        as new_or_returning,
    case t.quarter_of_day when 0 then 'night' when 1 then 'morning' when 2 then 'afternoon' when 3 then 'evening'
        else 'unknown' end as time_of_day,
    case when a.profile_id is null then 'no ticket' when a.was_slow then 'slow' else 'in time' end as support
from cohort as c
inner join later as l using (profile_id)
left join standing as s using (profile_id)
left join touched as t using (profile_id)
left join asked as a using (profile_id)
{predicted}
order by c.profile_id
"""

TICKETS = """
with {people},
firsts as (
    select b.profile_id, min(b.occurred_at) as bought_at
    from marts.purchases as b
    inner join people using (profile_id)
    where b.occurred_at <= $until
    group by b.profile_id
)
select
    k.profile_id,
    avg(case k.satisfaction when 'good' then 1.0 when 'bad' then -1.0 else v.score end) as score
from marts.tickets as k
inner join firsts as f on k.profile_id = f.profile_id and k.created_at <= f.bought_at + to_days($exposure)
left join {verdicts} as v on k.ticket_id = v.ticket_id
where f.bought_at >= $since and f.bought_at <= $until - to_days($exposure + $follow)
group by k.profile_id
order by k.profile_id
"""


@dataclass(frozen=True)
class Cohort:
    """One row per customer: factors as text, outcomes as numbers (null where they do not apply)."""

    customers: pd.DataFrame
    queries: dict[str, Query]


def read(connection: duckdb.DuckDBPyConnection, scope: Scope) -> Cohort:
    """The customers in scope whose follow-up is over."""
    predicted = has_column(connection, "predictions", "lifetime_value")
    sql = CUSTOMERS.replace(
        "{lifetime}", "(l.revenue_so_far + d.lifetime_value)::double" if predicted else "null::double"
    )
    sql = sql.replace("{predicted}", "left join marts.predictions as d using (profile_id)" if predicted else "")
    customers, first = _frame(connection, scope, sql)
    feelings, second = _frame(connection, scope, TICKETS.replace("{verdicts}", tables.verdicts(connection)))
    named = {who: _named(score) for who, score in zip(feelings["profile_id"], feelings["score"], strict=True)}
    customers["feeling"] = customers["profile_id"].map(named).fillna("no ticket")
    return Cohort(customers, {"customers": first, "feeling": second})


def _frame(connection: duckdb.DuckDBPyConnection, scope: Scope, sql: str) -> tuple[pd.DataFrame, Query]:
    text = scope.render(sql)
    values: dict[str, Any] = {**scope.parameters, "exposure": EXPOSURE_DAYS, "follow": FOLLOW_DAYS}
    return connection.execute(text, values).df(), traced(text, values, scope.relation)


def _named(score: float) -> str:
    """Per person with a ticket: good, bad or mixed, by ratings and by what the text says where there is none."""
    if math.isnan(score):
        return "no verdict"
    return "good" if score > 0 else "bad" if score < 0 else "mixed"
