"""Randomised experiments: results with intervals, and holdouts that stay the same whenever they are drawn.

Only here may a difference be called an effect of a cause. The outcome of the search for findings holds the same results
corrected for many tests; this module reports each experiment by itself, for any people.
"""

from __future__ import annotations

import duckdb

from cdp.errors import InputError
from journeys.findings import inflection
from journeys.findings.model import Finding
from journeys.measures import Frozen, Query
from journeys.scope import Scope, checked_relation

# md5 is the same on every engine and version; its first eight digits are an even number between 0 and 2^32.
HOLDOUT = """
select profile_id
from {relation}
where ('0x' || md5($key || ':' || profile_id)[1:8])::ubigint / 4294967296.0 < $share
"""


class ExperimentResults(Frozen):
    """Uplift per experiment and arm, against the control arm."""

    results: tuple[Finding, ...]
    queries: dict[str, Query]


def results(connection: duckdb.DuckDBPyConnection, scope: Scope) -> ExperimentResults:
    """Every experiment among the people in scope; each with its interval, not corrected for many tests."""
    queries: dict[str, Query] = {}
    found = tuple(finding for finding, _ in inflection.experiments(connection, scope, queries))
    return ExperimentResults(results=found, queries=queries)


def holdout(connection: duckdb.DuckDBPyConnection, relation: str, *, key: str, share: float) -> list[str]:
    """Profile ids of a relation that are held out under `key`: the same ones every time, independent between keys."""
    if not 0 < share < 1:
        raise InputError("The share of a holdout must lie between 0 and 1.")
    if not key:
        raise InputError("A holdout needs a key, so that it can be drawn again.")
    sql = HOLDOUT.replace("{relation}", checked_relation(relation)) + "order by profile_id"
    return [row[0] for row in connection.execute(sql, {"key": key, "share": share}).fetchall()]
