"""Measures the touchpoint table over the people in scope. Reads a connection to the snapshot and writes nothing."""

from __future__ import annotations

import math
from typing import Any

import duckdb

from cdp.errors import InputError
from journeys import statistics
from journeys.measures import Effect, Measure, share
from journeys.scope import Scope
from journeys.touchpoints import queries
from journeys.touchpoints.costs import Costs
from journeys.touchpoints.model import Cost, InStage, TouchpointTable, TouchpointType

WINDOW_DAYS = 30
# Fewer compared stays on either side than this say nothing.
LEAST_STAYS = 30

Rows = list[dict[str, Any]]


def table(
    connection: duckdb.DuckDBPyConnection, scope: Scope, *, days: int = WINDOW_DAYS, costs: Costs | None = None
) -> TouchpointTable:
    """The table over the people in scope; InputError for a window of zero."""
    if not 1 <= days <= 3650:
        raise InputError("The window must be at least one day and at most 3650.")
    reach, reach_query = scope.fetch(connection, queries.REACH)
    cells, cell_query = scope.fetch(connection, queries.CELLS, days=days)
    before = (-1, *queries.MARKS[:-1])
    last = _last_stage(connection)
    risks, risk_query = scope.fetch(connection, queries.RISK, days=days, marks=list(queries.MARKS), before=list(before))
    return TouchpointTable(
        window_days=days,
        types=tuple(
            _type(
                row,
                [cell for cell in cells if cell["touchpoint_type"] == row["touchpoint_type"]],
                [risk for risk in risks if risk["touchpoint_type"] == row["touchpoint_type"]],
                costs,
                last,
            )
            for row in reach
        ),
        queries={"reach": reach_query, "stages": cell_query, "comparison": risk_query},
    )


def _type(row: dict[str, Any], cells: Rows, risks: Rows, costs: Costs | None, last: str) -> TouchpointType:
    people, journeys = int(row["people"]), int(row["journeys"])
    return TouchpointType(
        type=row["touchpoint_type"],
        reach=share(people, int(row["everybody"]), "share of people", "reach"),
        journeys=share(journeys, int(row["all_journeys"]), "share of journeys", "reach"),
        touchpoints=Measure(value=int(row["touchpoints"]), n=people, unit="touchpoints", query="reach"),
        position=Measure(value=row["position"], n=journeys, unit="place", query="reach"),
        opens=share(int(row["opens"]), journeys, "share of its journeys", "reach"),
        closes=share(int(row["closes"]), journeys, "share of its journeys", "reach"),
        cost=_cost(row, cells, costs),
        stages=tuple(
            _cell(cell, [risk for risk in risks if risk["stage"] == cell["stage"]], leads_on=cell["stage"] != last)
            for cell in cells
        ),
    )


def _cost(row: dict[str, Any], cells: Rows, costs: Costs | None) -> Cost | None:
    each = costs.touchpoints.get(row["touchpoint_type"]) if costs else None
    if costs is None or each is None:
        return None
    total, converted = each * int(row["touchpoints"]), sum(int(cell["converted"]) for cell in cells)
    return Cost(
        currency=costs.currency,
        per_touchpoint=each,
        total=total,
        per_conversion=total / converted if converted else None,
    )


def _last_stage(connection: duckdb.DuckDBPyConnection) -> str:
    """The end of the path: nothing converts beyond it."""
    sql = "select stage from marts.journey_stages where is_path order by position desc limit 1"
    row = connection.execute(sql).fetchone()
    return str(row[0]) if row else ""


def _cell(cell: dict[str, Any], risks: Rows, *, leads_on: bool) -> InStage:
    followed = int(cell["followed"]) if leads_on else 0
    return InStage(
        stage=cell["stage"],
        people=Measure(value=int(cell["people"]), n=int(cell["stays"]), query="stages"),
        conversion=share(int(cell["converted"]), followed, "share of stays", "stages"),
        difference=compared(risks, people=int(cell["people"])) if leads_on else None,
        touches_per_stay=float(cell["touches"]),
        days_into_stage=cell["days_in"],
    )


def compared(risks: Rows, *, people: int) -> Effect | None:
    """Exposed minus compared, the compared weighted to the times at which the exposed were.

    The exposed side is one share (Wilson, counting no more than `people` independent units); errors of the compared
    strata are added up as if they were the same stays, which they partly are, so the interval is on the safe side. The
    two are joined as in Newcombe's method 10. Null with too few on either side.
    """
    n = sum(int(row["exposed"]) for row in risks)
    most = max((int(row["compared"]) for row in risks), default=0)
    if n < LEAST_STAYS or most < LEAST_STAYS:
        return None
    hits = sum(int(row["exposed_converted"]) for row in risks)
    rate = hits / n
    units = min(n, people)
    low, high = statistics.wilson(rate * units, units)
    other = below = above = 0.0
    for row in risks:
        weight, m, converted = int(row["exposed"]) / n, int(row["compared"]), int(row["compared_converted"])
        least, most_likely = statistics.wilson(converted, m)
        other += weight * converted / m
        below += weight * (converted / m - least)
        above += weight * (most_likely - converted / m)
    return Effect(
        value=rate - other,
        low=max(rate - other - math.hypot(rate - low, above), -1.0),
        high=min(rate - other + math.hypot(high - rate, below), 1.0),
        n_exposed=n,
        n_compared=most,
        rate_exposed=rate,
        rate_compared=other,
        method="difference of shares at the same time in the stage (standardised to the exposed; Newcombe)",
    )
