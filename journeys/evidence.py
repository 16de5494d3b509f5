"""Questions about what the data shows and what to do: breaks, touchpoints, experiments, feeling, findings, actions.

Like those of `questions` they are asked of an audience, or of two, by command line and HTTP alike; their answers are
one flat document (`flat`). What people fill in (costs, interventions) is handed in as a file.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import duckdb

from cdp.errors import InputError
from journeys import behind
from journeys.asking import Answer, Side
from journeys.measures import Frozen, Query
from journeys.questions import Behind, Question
from journeys.scope import Scope

if TYPE_CHECKING:
    from journeys.breaks.model import Breaks
    from journeys.correlations.table import Correlations
    from journeys.experiments import ExperimentResults
    from journeys.feeling.curve import FeelingCurve
    from journeys.findings.model import Findings
    from journeys.holdouts import HoldoutResult
    from journeys.interventions.model import Ranked
    from journeys.personas.clusters import Clusters
    from journeys.personas.portrait import Portraits
    from journeys.touchpoints.model import TouchpointTable

T = TypeVar("T", bound=Frozen)


def flat(found: Answer[Any]) -> dict[str, Any]:
    """The answer as one document: its own fields beside `as_of`, `audience` and `compare`, in plain JSON types."""
    own, *others = [_side(side) for side in found.sides]
    return {**found.model_dump(mode="json", include={"as_of"}), **own, "compare": others[0] if others else None}


def breaks() -> Question[Breaks]:
    """Where the path loses people."""
    from journeys.breaks.search import find

    return Question("breaks", "", _told(find))


def touchpoints(*, days: int, costs: Path | None = None) -> Question[TouchpointTable]:
    """What each type of touchpoint does; `costs` is the file with what they cost."""
    from journeys.touchpoints import costs as prices
    from journeys.touchpoints.table import table

    known = prices.load(costs)

    def count(connection: duckdb.DuckDBPyConnection, scope: Scope) -> TouchpointTable:
        return table(connection, scope, days=days, costs=known)

    return Question("touchpoints", f"{days} {known}", _told(count))


def experiments(*, by: str | None = None) -> Question[ExperimentResults]:
    """What randomised experiments show."""
    from journeys.experiments import results

    return Question("experiments", str(by), _told(lambda connection, scope: results(connection, scope, by=by)))


def holdout(*, key: str, percent: float, since: datetime | None = None, days: int = 90) -> Question[HoldoutResult]:
    """Who is held out under a key, and what leaving them out showed from `since` on.

    The nodes `held_out` and `reached` are the two sides among the audience.
    """
    from journeys import holdouts

    share = percent / 100

    def count(connection: duckdb.DuckDBPyConnection, scope: Scope) -> HoldoutResult:
        return holdouts.measure(connection, scope, key=key, share=share, since=since, days=days)

    def people(connection: duckdb.DuckDBPyConnection, scope: Scope, node: str) -> Behind:
        if node not in ("held_out", "reached"):
            raise InputError(f"`{node[:80]}` is no part of a holdout: there are held_out and reached.")
        sql, values = holdouts.drawn(scope.relation, key=key, share=share, held_out=node == "held_out")
        sample: behind.Condition = {"type": "sample", "salt": key, "to_percent": percent}
        condition = sample if node == "held_out" else {"type": "not", "of": sample}
        return behind.listed(connection, sql, values), condition

    return Question("holdout", f"{key} {percent} {since} {days}", _told(count), people)


def feeling() -> Question[FeelingCurve]:
    """How people feel in each stage."""
    from journeys.feeling import curve

    return Question("feeling", "", _told(curve.measure))


def findings() -> Question[Findings]:
    """After what customers defect, and what experiments proved."""
    from journeys.findings.inflection import search

    return Question("findings", "", _told(search))


def ranked(found: Answer[Findings], *, lang: str = "en", edits: Path | None = None) -> Answer[Ranked]:
    """What to do first about findings, with what people filled in; quick, so that findings can be kept."""
    from journeys.interventions import catalogue, ranking
    from journeys.interventions.model import Ranked
    from journeys.map.content import Language

    if lang not in get_args(Language):
        raise InputError(f"Interventions are told in en and zh, not `{lang[:20]}`.")
    entries = catalogue.load(edits)
    return found.turned(
        lambda side: Ranked(interventions=ranking.rank(side.result, entries, lang), queries=side.result.queries)
    )


def personas() -> Question[Portraits]:
    """What kinds of customer there are."""
    from journeys.personas import portrait

    return Question("personas", "", _told(portrait.describe))


def clusters(*, groups: int) -> Question[Clusters]:
    """Groups of similar people, found without rules."""
    from journeys.personas import clusters as found

    return Question("clusters", str(groups), _told(lambda connection, scope: found.find(connection, scope, groups)))


def correlations() -> Question[Correlations]:
    """What goes with retention, lapse and value."""
    from journeys.correlations import table

    return Question("correlations", "", _told(table.measure))


def _side(side: Side[Any]) -> dict[str, Any]:
    result = side.result.to_json()
    return {"audience": side.audience.to_json(), "people": side.people, **result}


def _told(
    count: Callable[[duckdb.DuckDBPyConnection, Scope], T],
) -> Callable[[duckdb.DuckDBPyConnection, Scope], T]:
    """The same question, with the query that chose the people among the queries of its answer."""

    def asked(connection: duckdb.DuckDBPyConnection, scope: Scope) -> T:
        found = count(connection, scope)
        queries: dict[str, Query] = getattr(found, "queries", {})
        return found.model_copy(update={"queries": {**queries, **scope.traces}}) if scope.traces else found

    return asked
