"""One question for transitions of stages and of touchpoints alike: of what, per which unit."""

from __future__ import annotations

from typing import Any, Literal, get_args

import duckdb
from pydantic import Field

from cdp.errors import InputError
from journeys.funnels import stage_moves, transitions
from journeys.funnels.definition import Unit
from journeys.funnels.transitions import Graph
from journeys.measures import Frozen
from journeys.naming import unknown
from journeys.scope import Scope

Of = Literal["stage", "touchpoint_type", "event_name", "channel"]


class Transitions(Frozen):
    """A transitions question."""

    of: Of = Field("stage", description="What moves are counted between.")
    unit: Unit = Field("profile", description="Moves of stages are always those of profiles.")

    def checked(self) -> Transitions:
        """Itself, or InputError."""
        if self.of == "stage" and self.unit == "visit":
            raise InputError("Stages are entered by people, so transitions of stages count profiles, not visits.")
        return self


def parse(of: str, unit: str) -> Transitions:
    """A question from texts; InputError names what is not known."""
    if of not in get_args(Of):
        raise InputError(unknown("kind of node", of, get_args(Of)))
    if unit not in get_args(Unit):
        raise InputError(unknown("unit", unit, get_args(Unit)))
    return Transitions.model_validate({"of": of, "unit": unit}).checked()


def count(connection: duckdb.DuckDBPyConnection, scope: Scope, question: Transitions) -> Graph:
    """The graph of the people in scope with its loops."""
    question.checked()
    if question.of == "stage":
        return stage_moves.graph(connection, scope)
    found = transitions.graph(connection, scope, node=question.of, unit=question.unit)
    loops, query = transitions.loops(connection, scope, node=question.of, unit=question.unit)
    return found.model_copy(update={"loops": loops, "queries": {**found.queries, "loops": query}})


def people(
    connection: duckdb.DuckDBPyConnection, scope: Scope, question: Transitions, edge: str
) -> tuple[str, dict[str, Any]]:
    """SQL of the profile ids behind a transition `FROM>TO`, and its values; `here` and `following` are its ends."""
    question.checked()
    if question.of == "stage":
        return stage_moves.people(connection, scope, edge)
    return transitions.people(connection, scope, edge, node=question.of, unit=question.unit)
