"""Names that people type, found in the data and turned into SQL conditions.

A name is a touchpoint type, else a stage, else an event name; `touchpoint:`, `stage:` or `event:` in front settles
which. Touchpoints are called `t` in SQL, moments at which a stage was entered `e`. Values are bound, never written out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from cdp.errors import InputError
from journeys.funnels.definition import Exclusion, Step
from journeys.naming import unknown
from journeys.scope import has_column

# Which column of which table a kind of name is looked up in.
_PLACES = {"touchpoint": ("t", "touchpoint_type"), "stage": ("e", "stage"), "event": ("t", "event_name")}
TOUCHPOINTS, ENTRIES = "t", "e"


@dataclass(frozen=True)
class Found:
    """The names of one step by kind, and the properties its touchpoints must have."""

    names: dict[str, tuple[str, ...]]
    where: dict[str, str] = field(default_factory=dict)

    @property
    def has_stages(self) -> bool:
        """Whether a stage is among them."""
        return bool(self.names.get("stage"))

    @property
    def has_touchpoints(self) -> bool:
        """Whether a touchpoint type or an event is among them."""
        return any(self.names.get(kind) for kind in ("touchpoint", "event"))


class Names:
    """What the published data calls things; event names are only read when a name is nothing else."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._known: dict[str, list[str]] = {}

    def find(self, step: Step | Exclusion) -> Found:
        """The names of a step by kind. InputError, naming the nearest, when nothing is called so."""
        names: dict[str, tuple[str, ...]] = {}
        for name in step.events:
            kind, plain = self._kind(name)
            names[kind] = (*names.get(kind, ()), plain)
        found = Found(names, {str(name): value for name, value in step.where.items()} if isinstance(step, Step) else {})
        if found.where and found.has_stages:
            raise InputError("A stage has no device, channel or campaign: `where` only fits touchpoints and events.")
        for name in found.where:
            self.require_property(name)
        return found

    def require_property(self, name: str) -> str:
        """The property itself; InputError when what is published does not have it."""
        if not has_column(self._connection, "touchpoints", name):
            raise InputError(f"Touchpoints have no `{name}` in what is published; choose another property.")
        return name

    def stage(self, name: str) -> str:
        """A stage's name itself. InputError naming the nearest."""
        plain = name.removeprefix("stage:")
        if plain not in self._names("stage"):
            raise InputError(unknown("stage", plain, self._names("stage")))
        return plain

    def _kind(self, name: str) -> tuple[str, str]:
        prefix, colon, rest = name.partition(":")
        if colon and prefix in _PLACES and rest in self._names(prefix):
            return prefix, rest
        for kind in _PLACES:
            if name in self._names(kind):
                return kind, name
        everything = [each for kind in _PLACES for each in self._names(kind)]
        raise InputError(unknown("touchpoint, stage or event", name, everything))

    def _names(self, kind: str) -> list[str]:
        if kind not in self._known:
            rows = self._connection.execute(self._sql(kind)).fetchall()
            self._known[kind] = [row[0] for row in rows if row[0] is not None]
        return self._known[kind]

    def _sql(self, kind: str) -> str:
        if kind == "touchpoint" and has_column(self._connection, "touchpoint_types", "touchpoint_type"):
            return "select distinct touchpoint_type from marts.touchpoint_types"
        if kind == "stage":
            known = has_column(self._connection, "journey_stages", "stage")
            return "select stage from marts.journey_stages" if known else "select null limit 0"
        return f"select distinct {_PLACES[kind][1]} from marts.touchpoints"


def mask(steps: Sequence[Found], alias: str, values: dict[str, Any]) -> tuple[str, str]:
    """Two SQL expressions over `t` or `e`: an integer with bit n set where a row matches step n, and whether any does.

    Look-ups in constant lists run once per distinct text of a compressed block instead of once per row, which is why
    they stand here instead of comparisons. Literals go into `values`.
    """
    bits: dict[str, dict[str, int]] = {}
    parts, tests = [], []
    for index, step in enumerate(steps):
        if step.where and alias == TOUCHPOINTS:
            test = condition(step, alias, values)
            parts.append(f"(case when {test} then {1 << index} else 0 end)")
            tests.append(f"({test})")
            continue
        for column, names in _columns(step, alias).items():
            known = bits.setdefault(column, {})
            for name in names:
                known[name] = known.get(name, 0) | 1 << index
    for column, known in bits.items():
        listed, coded = bind(list(known), values), bind(list(known.values()), values)
        parts.append(f"coalesce(list_extract({coded}, list_position({listed}, {alias}.{column})), 0)")
        tests.append(f"list_contains({listed}, {alias}.{column})")
    kind = "utinyint" if len(steps) <= 8 else "integer"
    return f"({' | '.join(parts) or '0'})::{kind}", " or ".join(tests) or "false"


def condition(step: Found, alias: str, values: dict[str, Any]) -> str:
    """A SQL condition that holds for the rows of `t` or `e` that a step matches."""
    tests = [
        f"list_contains({bind(list(names), values)}, {alias}.{column})"
        for column, names in _columns(step, alias).items()
    ]
    if not tests:
        return "false"
    properties = [f"{alias}.{column} = {bind(value, values)}" for column, value in step.where.items()]
    return " and ".join([f"({' or '.join(tests)})", *properties])


def bind(value: Any, values: dict[str, Any]) -> str:
    """The name under which a value is bound."""
    name = f"v{len(values)}"
    values[name] = value
    return f"${name}"


def _columns(step: Found, alias: str) -> dict[str, tuple[str, ...]]:
    return {
        _PLACES[kind][1]: names for kind, names in sorted(step.names.items()) if names and _PLACES[kind][0] == alias
    }
