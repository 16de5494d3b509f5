"""Every question about journeys that is asked from outside, in one form: how to count it, and whom a number is about.

`count` gives the answer on a connection for the people in scope; `behind` leaves the profile ids of one of its numbers
in a relation, with a segment condition that says the same where there is one. Command line and HTTP ask these and no
others, so both can do the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import duckdb

from cdp.errors import InputError
from journeys import behind
from journeys.behind import Condition
from journeys.scope import Scope

if TYPE_CHECKING:
    from journeys.asking import Answer, Side
    from journeys.attribution.report import Attribution
    from journeys.funnels.conformance import Conformance
    from journeys.funnels.definition import Funnel, Paths
    from journeys.funnels.funnel import FunnelResult
    from journeys.funnels.graphs import Transitions
    from journeys.funnels.paths import PathsResult
    from journeys.funnels.transitions import Graph
    from journeys.map.content import JourneyMap
    from journeys.map.measured import Measured
    from journeys.value.lifetime import LifetimeValue

T = TypeVar("T")
Behind = tuple[str, Condition | None]


def _nobody(connection: duckdb.DuckDBPyConnection, scope: Scope, node: str) -> Behind:
    del connection, scope
    raise InputError(f"`{node[:80]}` has no people behind it that could be listed.")


@dataclass(frozen=True)
class Question(Generic[T]):
    """One question; `name` and `asked` (plain data) tell it from all others."""

    name: str
    asked: str
    count: Callable[[duckdb.DuckDBPyConnection, Scope], T]
    behind: Callable[[duckdb.DuckDBPyConnection, Scope, str], Behind] = _nobody


def funnel(question: Funnel) -> Question[FunnelResult]:
    """How many get how far."""
    from journeys.funnels import funnel as engine

    question.checked()

    def count(connection: duckdb.DuckDBPyConnection, scope: Scope) -> FunnelResult:
        return engine.count(connection, scope, question)

    def people(connection: duckdb.DuckDBPyConnection, scope: Scope, node: str) -> Behind:
        relation = behind.hashed(connection, engine.people(connection, scope, question, node))
        return relation, behind.of_funnel(connection, question, node)

    return Question("funnel", question.model_dump_json(), count, people)


def paths(question: Paths) -> Question[PathsResult]:
    """What people do after, before or between anchors."""
    from journeys.funnels import paths as engine

    question.checked()

    def count(connection: duckdb.DuckDBPyConnection, scope: Scope) -> PathsResult:
        return engine.count(connection, scope, question)

    def people(connection: duckdb.DuckDBPyConnection, scope: Scope, node: str) -> Behind:
        return behind.hashed(connection, engine.people(connection, scope, question, node)), None

    return Question("paths", question.model_dump_json(), count, people)


def transitions(question: Transitions) -> Question[Graph]:
    """Which way people go, loops included."""
    from journeys.funnels import graphs

    question.checked()

    def count(connection: duckdb.DuckDBPyConnection, scope: Scope) -> Graph:
        return graphs.count(connection, scope, question)

    def people(connection: duckdb.DuckDBPyConnection, scope: Scope, node: str) -> Behind:
        sql, values = graphs.people(connection, scope, question, node)
        relation = behind.listed(connection, sql, values)
        staged = question.of == "stage"
        return relation, behind.of_stage_move(values["here"], values["following"]) if staged else None

    return Question("transitions", question.model_dump_json(), count, people)


def happy_path(planned: tuple[str, ...] | None = None, limit: int = 50) -> Question[Conformance]:
    """The planned path against the real ones."""
    from journeys.funnels import conformance

    def count(connection: duckdb.DuckDBPyConnection, scope: Scope) -> Conformance:
        return conformance.compare(connection, scope, planned, limit)

    def people(connection: duckdb.DuckDBPyConnection, scope: Scope, node: str) -> Behind:
        return behind.listed(connection, *conformance.people(connection, scope, node, planned)), None

    return Question("happy-path", f"{planned} {limit}", count, people)


def attribution(*, days: int, half_life: float, models: tuple[str, ...] | None = None) -> Question[Attribution]:
    """Which channels purchases and revenue are owed to."""
    from journeys.attribution import report

    def count(connection: duckdb.DuckDBPyConnection, scope: Scope) -> Attribution:
        return report.attribute(connection, scope, days=days, half_life=half_life, models=models or report.MODELS)

    return Question("attribution", f"{days} {half_life} {models}", count)


def value(*, horizon_days: int) -> Question[LifetimeValue]:
    """What customers will still buy."""
    from journeys.value import lifetime

    def count(connection: duckdb.DuckDBPyConnection, scope: Scope) -> LifetimeValue:
        return lifetime.estimate(connection, scope, horizon_days=horizon_days)[0]

    return Question("value", str(horizon_days), count)


def composed(found: Answer[Measured], *, lang: str = "en", edits: Path | None = None) -> Answer[JourneyMap]:
    """The maps of what was measured, in a language, with what people filled in for the interventions; quick."""
    from journeys.map import model

    def drawn(side: Side[Measured]) -> JourneyMap:
        page = model.compose(side.result, as_of=found.as_of, lang=lang, edits=edits)
        return page.model_copy(update={"audience": side.audience})

    return found.turned(drawn)


def journey_map() -> Question[Measured]:
    """The one-page map: what it is drawn from, to be put into words by `composed`."""
    from journeys.feeling import tables
    from journeys.funnels.names import Names
    from journeys.map import measured, nodes

    def people(connection: duckdb.DuckDBPyConnection, scope: Scope, node: str) -> Behind:
        sql, values = nodes.people_behind(scope, node, verdicts=tables.verdicts(connection))
        Names(connection).stage(str(values["stage"]))
        return behind.listed(connection, sql, values), behind.of_map(node)

    return Question("map", "", measured.gather, people)
