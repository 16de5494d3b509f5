"""Touchpoints as arrays, ordered by person and time.

The published table is physically ordered that way, so a scan is already in order; that is checked after every fetch,
and sorted when it does not hold. People are 64-bit hashes: strings never reach Python. Times are microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from cdp.errors import InputError
from journeys.funnels.definition import Property, Step
from journeys.measures import Query
from journeys.scope import Scope, has_column, traced

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
VISIT_GAP = 30 * 60 * 1_000_000
EVERYBODY = "marts.profiles"


@dataclass(frozen=True)
class Timeline:
    """Columns of equal length: unit number (0, 1, …), microseconds, and whatever else was asked for."""

    unit: Ints
    time: Ints
    columns: dict[str, NDArray[Any]]
    units: int


class Names:
    """Turns names people type into conditions: touchpoint types first, event names otherwise."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._types = self._read_types()
        self._events: set[str] | None = None

    def condition(self, events: tuple[str, ...], where: Mapping[Property, str], values: dict[str, Any]) -> str:
        """SQL that holds for a matching touchpoint; literals go into `values`. InputError for an unknown name."""
        parts = []
        for name in events:
            column = "touchpoint_type" if name in self._types else "event_name"
            if column == "event_name" and name not in self._known_events():
                raise InputError(f"Nothing is called `{name[:80]}`; {self._nearest(name)}")
            parts.append(f"t.{column} = {_bind(name, values)}")
        test = f"({' or '.join(parts)})"
        return " and ".join([test, *(f"t.{column} = {_bind(value, values)}" for column, value in where.items())])

    def _read_types(self) -> set[str]:
        if has_column(self._connection, "touchpoint_types", "touchpoint_type"):
            sql = "select distinct touchpoint_type from marts.touchpoint_types"
        else:
            sql = "select distinct touchpoint_type from marts.touchpoints"
        return {row[0] for row in self._connection.execute(sql).fetchall()}

    def _known_events(self) -> set[str]:
        if self._events is None:
            rows = self._connection.execute("select distinct event_name from marts.touchpoints").fetchall()
            self._events = {row[0] for row in rows}
        return self._events

    def _nearest(self, name: str) -> str:
        from difflib import get_close_matches

        known = sorted(self._types | self._known_events())
        near = get_close_matches(name, known, n=3, cutoff=0.4)
        return f"did you mean {', '.join(f'`{each}`' for each in near)}?" if near else "see the touchpoint types."


def step_mask(names: Names, steps: tuple[Step, ...], values: dict[str, Any]) -> str:
    """An integer expression with bit n set when the touchpoint matches step n."""
    bits = [
        f"(case when {names.condition(step.events, step.where, values)} then {1 << index} else 0 end)"
        for index, step in enumerate(steps)
    ]
    return " + ".join(bits)


def fetch(
    connection: duckdb.DuckDBPyConnection,
    scope: Scope,
    columns: dict[str, str],
    values: dict[str, Any],
    *,
    keep: str | None = None,
    visits: bool = False,
) -> tuple[Timeline, Query]:
    """Touchpoints in scope with the SQL expressions `columns`; `keep` filters rows before they are fetched."""
    selected = ",\n    ".join(f"{expression} as {name}" for name, expression in columns.items())
    conditions = ["t.occurred_at >= $since", "t.occurred_at <= $until"]
    if scope.relation != EVERYBODY:
        conditions.append(f"t.profile_id in (select profile_id from {scope.relation})")
    if keep:
        conditions.append(f"({keep})")
    sql = (
        f"select\n    hash(t.profile_id) as person,\n    epoch_us(t.occurred_at) as moment,\n    {selected}\n"
        f"from marts.touchpoints as t\nwhere {' and '.join(conditions)}"
    )
    bound = {**scope.parameters, **values}
    arrays = connection.execute(sql, bound).fetchnumpy()
    timeline = _ordered({name: np.ma.getdata(array) for name, array in arrays.items()})
    return (split_visits(timeline) if visits else timeline), traced(sql, bound, scope.relation)


def split_visits(timeline: Timeline) -> Timeline:
    """The same touchpoints with visits as units: a gap of more than 30 minutes begins a new one."""
    if len(timeline.unit) == 0:
        return timeline
    fresh = np.empty(len(timeline.unit), dtype=bool)
    fresh[0] = True
    fresh[1:] = (timeline.unit[1:] != timeline.unit[:-1]) | (np.diff(timeline.time) > VISIT_GAP)
    unit = np.cumsum(fresh) - 1
    return Timeline(unit, timeline.time, timeline.columns, int(unit[-1]) + 1)


def _ordered(arrays: dict[str, NDArray[Any]]) -> Timeline:
    person, moment = arrays.pop("person"), arrays.pop("moment")
    if len(person) == 0:
        return Timeline(np.empty(0, dtype=np.int64), moment.astype(np.int64), arrays, 0)
    fresh = _runs(person)
    starts = person[fresh]
    if len(np.unique(starts)) != len(starts) or bool(np.any((np.diff(moment) < 0) & ~fresh[1:])):
        order = np.lexsort((moment, person))
        person, moment = person[order], moment[order]
        arrays = {name: array[order] for name, array in arrays.items()}
        fresh = _runs(person)
    unit = np.cumsum(fresh) - 1
    return Timeline(unit, moment, arrays, int(unit[-1]) + 1)


def _runs(person: NDArray[Any]) -> Flags:
    fresh = np.empty(len(person), dtype=bool)
    fresh[0] = True
    np.not_equal(person[1:], person[:-1], out=fresh[1:])
    return fresh


def _bind(value: str, values: dict[str, Any]) -> str:
    name = f"v{len(values)}"
    values[name] = value
    return f"${name}"
