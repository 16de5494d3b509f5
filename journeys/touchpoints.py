"""What each type of touchpoint does: reach, share of journeys, position, conversion to a later stage with and without.

Conversion is to any later stage of the path within a window after the touchpoint, per stay in a stage; "without" are
stays in the same stage that had no such touchpoint, judged from their beginning. Association only, never cause.
"""

from __future__ import annotations

from typing import Any

import duckdb

from cdp.errors import InputError
from journeys import statistics
from journeys.breaks import share
from journeys.measures import Effect, Frozen, Measure, Query
from journeys.scope import Scope

WINDOW_DAYS = 30

TABLE = """
with {stays},
path_stays as (
    select *, next_move = 'forward' as went_on, left_at as ended_at
    from stays
    where is_path and entered_at <= $until - to_days($days) and entered_at >= $since
),
had as (
    select
        s.episode_id,
        t.touchpoint_type,
        min(t.occurred_at) as first_at,
        count(*) as touches
    from path_stays as s
    inner join marts.touchpoints as t
        on s.profile_id = t.profile_id
        and t.occurred_at >= s.entered_at
        and (s.left_at is null or t.occurred_at < s.left_at)
    where t.occurred_at <= $until
    group by s.episode_id, t.touchpoint_type
),
totals as (
    select
        stage,
        count(*) as stays,
        count(*) filter (went_on and ended_at <= entered_at + to_days($days)) as converted
    from path_stays
    group by stage
)
select
    h.touchpoint_type,
    s.stage,
    count(*) as with_stays,
    count(distinct s.profile_id) as people,
    count(*) filter (s.went_on and s.ended_at <= h.first_at + to_days($days)) as with_converted,
    any_value(t.stays) - count(*) as without_stays,
    any_value(t.converted)
        - count(*) filter (s.went_on and s.ended_at <= s.entered_at + to_days($days)) as without_converted,
    avg(h.touches) as touches,
    median(date_diff('second', s.entered_at, h.first_at) / 86400.0) as days_in
from had as h
inner join path_stays as s on h.episode_id = s.episode_id
inner join totals as t on s.stage = t.stage
group by h.touchpoint_type, s.stage
order by people desc, h.touchpoint_type, s.stage
"""

REACH = """
with {people}
select
    t.touchpoint_type,
    count(distinct t.profile_id) as people,
    count(*) as touchpoints,
    (select count(*) from people) as everybody
from marts.touchpoints as t
inner join people using (profile_id)
where t.occurred_at >= $since and t.occurred_at <= $until
group by t.touchpoint_type
order by people desc, t.touchpoint_type
"""


class InStage(Frozen):
    """A touchpoint type within one stage."""

    stage: str
    people: Measure
    conversion: Measure
    conversion_without: Measure
    difference: Effect | None
    touches_per_stay: float
    days_into_stage: float | None


class TouchpointType(Frozen):
    """One type of touchpoint, over all and by stage."""

    type: str
    reach: Measure
    touchpoints: Measure
    stages: tuple[InStage, ...]


class TouchpointTable(Frozen):
    """All types, widest reach first."""

    window_days: int
    types: tuple[TouchpointType, ...]
    queries: dict[str, Query]


def table(connection: duckdb.DuckDBPyConnection, scope: Scope, *, days: int = WINDOW_DAYS) -> TouchpointTable:
    """The table over the people in scope; InputError for a window of zero."""
    if days < 1:
        raise InputError("The window must be at least one day.")
    reach, reach_query = scope.fetch(connection, REACH)
    cells, cell_query = scope.fetch(connection, TABLE, days=days)
    return TouchpointTable(
        window_days=days,
        types=tuple(
            TouchpointType(
                type=row["touchpoint_type"],
                reach=share(int(row["people"]), int(row["everybody"]), "share of people", "reach"),
                touchpoints=Measure(
                    value=int(row["touchpoints"]), n=int(row["people"]), unit="touchpoints", query="reach"
                ),
                stages=tuple(_cell(cell) for cell in cells if cell["touchpoint_type"] == row["touchpoint_type"]),
            )
            for row in reach
        ),
        queries={"reach": reach_query, "stages": cell_query},
    )


def _cell(row: dict[str, Any]) -> InStage:
    n, hits = int(row["with_stays"]), int(row["with_converted"])
    rest, rest_hits = int(row["without_stays"]), int(row["without_converted"])
    effect = None
    if n and rest:
        low, high = statistics.difference(hits, n, rest_hits, rest)
        effect = Effect(
            value=hits / n - rest_hits / rest, low=low, high=high, n_exposed=n, n_compared=rest,
            rate_exposed=hits / n, rate_compared=rest_hits / rest, method="difference of shares (Newcombe)",
        )  # fmt: skip
    people = int(row["people"])
    return InStage(
        stage=row["stage"],
        people=Measure(value=people, n=n, query="stages"),
        conversion=share(hits, n, "share of stays", "stages"),
        conversion_without=share(rest_hits, rest, "share of stays", "stages"),
        difference=effect,
        touches_per_stay=float(row["touches"]),
        days_into_stage=row["days_in"],
    )
