"""What a map is drawn from, before anybody's language: the rows of each query, the findings, the feelings.

Measuring asks the snapshot and takes seconds; composing a page from it (`model.compose`) does not. Whoever answers
often keeps what was measured. Reads a connection to the snapshot and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from cdp.errors import InputError, NotFoundError
from journeys.breaks.queries import FATES
from journeys.feeling import curve
from journeys.feeling.curve import FeelingCurve
from journeys.findings.inflection import search
from journeys.findings.model import Findings
from journeys.map import queries
from journeys.measures import Query
from journeys.scope import Scope, has_column

Rows = dict[str, list[dict[str, Any]]]

_ROWS = {
    "stages": queries.STAGES,
    "totals": queries.TOTALS,
    "people": queries.PEOPLE,
    "steps": queries.STEPS,
    "moves": queries.MOVES,
    "fates": FATES,
    "time": queries.TIME,
    "touchpoints": queries.TOUCHPOINTS,
    "service": queries.SERVICE,
}


@dataclass(frozen=True)
class Measured:
    """Rows by query, the queries as they ran, and what was found among the people in scope."""

    scope: Scope
    rows: Rows
    traces: dict[str, Query]
    feeling: FeelingCurve
    findings: Findings


def gather(connection: duckdb.DuckDBPyConnection, scope: Scope, findings: Findings | None = None) -> Measured:
    """Everything a map of the people in scope needs; `findings` may be given when they are known already.

    InputError for a period that holds nothing, NotFoundError for a snapshot without marts.
    """
    rows, traces = _measure(connection, scope)
    feeling = curve.measure(connection, scope)
    found = findings or search(connection, scope)
    return Measured(scope, rows, {**traces, **feeling.queries, **found.queries, **scope.traces}, feeling, found)


def _measure(connection: duckdb.DuckDBPyConnection, scope: Scope) -> tuple[Rows, dict[str, Query]]:
    rows: Rows = {}
    traces: dict[str, Query] = {}
    try:
        for name, sql in _ROWS.items():
            rows[name], traces[name] = scope.fetch(connection, sql)
        labelled = has_column(connection, "touchpoint_types", "label")
        rows["labels"] = scope.fetch(connection, queries.LABELS)[0] if labelled else []
    except duckdb.CatalogException as error:
        raise NotFoundError(f"The snapshot has no journey tables: {str(error).splitlines()[0]}") from None
    if not any(row["is_path"] for row in rows["stages"]):
        raise InputError("The journey has no stages on its path; see the seed `journey_stages`.")
    if not rows["people"]:
        raise InputError(_nobody(connection, scope))
    return rows, traces


def _nobody(connection: duckdb.DuckDBPyConnection, scope: Scope) -> str:
    who = f"Segment `{scope.segment}` has nobody" if scope.segment else "Nobody was"
    found = connection.execute("select min(occurred_at), max(occurred_at) from marts.touchpoints").fetchone()
    first, last = found or (None, None)
    data = f" (touchpoints are from {first:%Y-%m-%d} to {last:%Y-%m-%d})" if first and last else ""
    return f"{who} on the journey in this period; choose a longer one or other people{data}."
