"""Where the path loses people: drop-off per stage, bottlenecks, acquisition that leads nowhere, loops.

Description with intervals, no hypothesis tests: what is compared and corrected for many tests lives in `findings`.
"""

from __future__ import annotations

from typing import Any

import duckdb

from journeys import statistics
from journeys.measures import Effect, Frozen, Measure, Query
from journeys.scope import Scope, has_column

# Days a newcomer has to get somewhere before acquisition is judged.
ACQUISITION_DAYS = 90

DROP_OFF = """
with {stays},
firsts as (
    select profile_id, stage, position, min(entered_at) as entered_at from stays where is_path
    group by profile_id, stage, position
),
later as (
    select f.stage, f.position, f.profile_id, f.entered_at, min(s.entered_at) as beyond_at
    from firsts as f
    left join stays as s
        on f.profile_id = s.profile_id and s.is_path and s.position > f.position and s.entered_at > f.entered_at
    group by f.stage, f.position, f.profile_id, f.entered_at
)
select
    stage,
    count(*) as reached,
    count(beyond_at) as went_on,
    median(date_diff('second', entered_at, beyond_at) / 86400.0) as days
from later
group by stage, position
order by position
"""

FLOWS = """
with {stays},
months as (
    select stage, position, date_trunc('month', entered_at) as month, count(*) as inflow, 0 as onward, 0 as away
    from stays where entered_at >= $since group by stage, position, month
    union all
    select
        stage, position, date_trunc('month', left_at), 0,
        count(*) filter (next_move = 'forward'),
        count(*) filter (next_move is distinct from 'forward')
    from stays where left_at >= $since group by stage, position, date_trunc('month', left_at)
)
select stage, month, sum(inflow)::bigint as inflow, sum(onward)::bigint as onward, sum(away)::bigint as away
from months
group by stage, position, month
order by position, month
"""

ACQUISITION = """
with {stays},
firsts as (
    select t.profile_id, coalesce({channel}, 'unknown') as channel, t.occurred_at
    from marts.touchpoints as t
    inner join people using (profile_id)
    qualify row_number() over (partition by t.profile_id order by t.occurred_at, t.touchpoint_id) = 1
),
fate as (
    select
        f.channel,
        f.profile_id,
        coalesce(max(s.position) filter (s.is_path and s.entered_at <= f.occurred_at + to_days($days)), 0) as furthest
    from firsts as f
    left join stays as s on f.profile_id = s.profile_id
    where f.occurred_at >= $since and f.occurred_at <= $until - to_days($days)
    group by f.channel, f.profile_id
)
select
    channel,
    count(*) as people,
    count(*) filter (furthest <= (select min(position) from marts.journey_stages where is_path)) as stuck
from fate
group by channel
order by people desc, channel
"""

LOOPS = """
with {stays},
turns as (
    select
        profile_id,
        stage as upper_stage,
        next_stage as lower_stage,
        position,
        left_at
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
    select c.*, exists(
        select 1 from stays as s
        where s.profile_id = c.profile_id and s.is_path and s.position > c.position and s.entered_at > c.at_first
    ) as went_on
    from counted as c
)
select
    upper_stage,
    lower_stage,
    count(*) as people,
    sum(times)::bigint as times,
    max(times)::bigint as most,
    count(*) filter (went_on) as went_on
from fate
group by upper_stage, lower_stage
order by times desc, upper_stage, lower_stage
"""


class DropOff(Frozen):
    """Of the people who reached a stage, the share that never got beyond it (in the period), and the median way on."""

    stage: str
    reached: Measure
    stopped: Measure
    days_to_next: Measure


class Bottleneck(Frozen):
    """A stage's balance per month: who came in, who went forward, who left otherwise. `gap` is inflow minus onward."""

    stage: str
    months: tuple[dict[str, Any], ...]
    inflow: Measure
    onward: Measure
    gap: Measure
    is_bottleneck: bool


class Acquisition(Frozen):
    """First channel: the share of newcomers who got no further than the first stage, compared with all others."""

    channel: str
    people: Measure
    stuck: Measure
    against_others: Effect | None


class Loop(Frozen):
    """People who went from one stage back to another: how many, how often, and how many got beyond it afterwards."""

    from_stage: str
    to_stage: str
    people: Measure
    times: Measure
    went_on: Measure


class Breaks(Frozen):
    """Everything about where journeys break that needs no test."""

    drop_off: tuple[DropOff, ...]
    bottlenecks: tuple[Bottleneck, ...]
    acquisition: tuple[Acquisition, ...]
    loops: tuple[Loop, ...]
    queries: dict[str, Query]


def find(connection: duckdb.DuckDBPyConnection, scope: Scope) -> Breaks:
    """Drop-off, bottlenecks, acquisition and loops of the people in scope."""
    dropped, drop_query = scope.fetch(connection, DROP_OFF)
    flows, flow_query = scope.fetch(connection, FLOWS)
    known = has_column(connection, "touchpoints", "acquisition_channel")
    channel = "coalesce(t.acquisition_channel, t.channel)" if known else "t.channel"
    acquired, acquisition_query = scope.fetch(
        connection, ACQUISITION.replace("{channel}", channel), days=ACQUISITION_DAYS
    )
    loops, loop_query = scope.fetch(connection, LOOPS)
    return Breaks(
        drop_off=tuple(_drop_off(row) for row in dropped),
        bottlenecks=_bottlenecks(flows, [row["stage"] for row in dropped]),
        acquisition=_acquisition(acquired),
        loops=tuple(_loop(row) for row in loops),
        queries={
            "drop_off": drop_query, "flows": flow_query, "acquisition": acquisition_query, "loops": loop_query,
        },
    )  # fmt: skip


def share(hits: int, n: int, unit: str, query: str) -> Measure:
    """A share with its Wilson interval; null of nothing."""
    if n == 0:
        return Measure(value=None, n=0, unit=unit, query=query)
    low, high = statistics.wilson(hits, n)
    return Measure(value=hits / n, n=n, low=low, high=high, unit=unit, query=query)


def _drop_off(row: dict[str, Any]) -> DropOff:
    reached, went_on = int(row["reached"]), int(row["went_on"])
    return DropOff(
        stage=row["stage"],
        reached=Measure(value=reached, n=reached, query="drop_off"),
        stopped=share(reached - went_on, reached, "share of people", "drop_off"),
        days_to_next=Measure(value=row["days"], n=went_on, unit="days", query="drop_off"),
    )


def _bottlenecks(rows: list[dict[str, Any]], path: list[str]) -> tuple[Bottleneck, ...]:
    """Stages of the path but the last; the bottleneck is the one that keeps or loses most of what flows in."""
    months: dict[str, list[dict[str, Any]]] = {stage: [] for stage in path[:-1]}
    for row in rows:
        if row["stage"] in months:
            flow = {key: int(row[key]) for key in ("inflow", "onward", "away")}
            months[row["stage"]].append({"month": f"{row['month']:%Y-%m}", **flow})
    sums = {
        stage: {key: sum(each[key] for each in flows) for key in ("inflow", "onward")}
        for stage, flows in months.items()
    }
    gaps = {stage: total["inflow"] - total["onward"] for stage, total in sums.items()}
    worst = max(gaps, key=lambda stage: gaps[stage], default=None)
    return tuple(
        Bottleneck(
            stage=stage,
            months=tuple(months[stage]),
            inflow=Measure(value=total["inflow"], n=total["inflow"], unit="stays", query="flows"),
            onward=share(min(total["onward"], total["inflow"]), total["inflow"], "share of inflow", "flows"),
            gap=Measure(value=gaps[stage], n=total["inflow"], unit="stays", query="flows"),
            is_bottleneck=stage == worst and gaps[stage] > 0,
        )
        for stage, total in sums.items()
    )


def _acquisition(rows: list[dict[str, Any]]) -> tuple[Acquisition, ...]:
    everyone, stuck = sum(int(row["people"]) for row in rows), sum(int(row["stuck"]) for row in rows)
    found = []
    for row in rows:
        n, hits = int(row["people"]), int(row["stuck"])
        rest, rest_hits = everyone - n, stuck - hits
        effect = None
        if n and rest:
            low, high = statistics.difference(hits, n, rest_hits, rest)
            effect = Effect(
                value=hits / n - rest_hits / rest, low=low, high=high, n_exposed=n, n_compared=rest,
                rate_exposed=hits / n, rate_compared=rest_hits / rest, method="difference of shares (Newcombe)",
            )  # fmt: skip
        people = Measure(value=n, n=everyone, query="acquisition")
        measured = share(hits, n, "share of people", "acquisition")
        found.append(Acquisition(channel=row["channel"], people=people, stuck=measured, against_others=effect))
    return tuple(found)


def _loop(row: dict[str, Any]) -> Loop:
    people, times = int(row["people"]), int(row["times"])
    return Loop(
        from_stage=row["upper_stage"],
        to_stage=row["lower_stage"],
        people=Measure(value=people, n=people, query="loops"),
        times=Measure(value=times, n=people, unit="times", query="loops"),
        went_on=share(int(row["went_on"]), people, "share of people", "loops"),
    )
