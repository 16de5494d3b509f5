"""Touchpoints as arrays, ordered by person and time.

The published table is physically ordered that way, so a scan is already in order; that is checked after every fetch,
and sorted when it does not hold. People are 64-bit hashes: strings never reach Python. Times are microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from cdp.errors import InputError
from journeys.funnels.definition import Step
from journeys.measures import Query
from journeys.scope import Scope, has_column, traced

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Flags = NDArray[np.bool_]
VISIT_GAP = 30 * 60 * 1_000_000
EVERYBODY = "marts.profiles"


@dataclass(frozen=True)
class Timeline:
    """Columns of equal length: unit number (0, 1, …), microseconds, rank, and whatever else was asked for.

    The rank counts moments: touchpoints of one unit and moment share it, every later one has a higher one. It is null
    when no moment is shared: then positions are ranks.
    """

    unit: Codes
    time: Ints
    rank: Codes | None
    columns: dict[str, NDArray[Any]]
    units: int

    def ranks(self, positions: Ints) -> NDArray[Any]:
        """The ranks of touchpoints given by position."""
        return positions if self.rank is None else self.rank[positions]


class Names:
    """Turns names people type into conditions: touchpoint types first, event names otherwise."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._types = self._read_types()
        self._events: set[str] | None = None

    def column(self, name: str) -> str:
        """The column a name is found in. InputError, naming the nearest, when nothing is called so."""
        if name in self._types:
            return "touchpoint_type"
        if name in self._known_events():
            return "event_name"
        raise InputError(f"Nothing is called `{name[:80]}`; {self._nearest(name)}")

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


def mask(names: Names, steps: tuple[Step, ...], values: dict[str, Any]) -> tuple[str, str]:
    """Two SQL expressions: an integer with bit n set when a touchpoint matches step n, and whether it matches any.

    Look-ups in constant lists run once per distinct text of a compressed block instead of once per row, which is why
    they stand here instead of comparisons. Literals go into `values`.
    """
    bits: dict[str, dict[str, int]] = {}
    parts, matches = [], []
    for index, step in enumerate(steps):
        found = {name: names.column(name) for name in step.events}
        if step.where:
            test = _condition(step, found, values)
            parts.append(f"(case when {test} then {1 << index} else 0 end)")
            matches.append(f"({test})")
            continue
        for name, column in found.items():
            known = bits.setdefault(column, {})
            known[name] = known.get(name, 0) | 1 << index
    for column, known in bits.items():
        listed, coded = _bind(list(known), values), _bind(list(known.values()), values)
        parts.append(f"coalesce(list_extract({coded}, list_position({listed}, t.{column})), 0)")
        matches.append(f"list_contains({listed}, t.{column})")
    kind = "utinyint" if len(steps) <= 8 else "integer"
    return f"({' | '.join(parts)})::{kind}", " or ".join(matches)


def matches(names: Names, step: Step, values: dict[str, Any]) -> str:
    """A SQL condition that holds for touchpoints of a step."""
    return _condition(step, {name: names.column(name) for name in step.events}, values)


def _condition(step: Step, found: dict[str, str], values: dict[str, Any]) -> str:
    tests = []
    for column in sorted(set(found.values())):
        listed = _bind([name for name, place in found.items() if place == column], values)
        tests.append(f"list_contains({listed}, t.{column})")
    properties = [f"t.{column} = {_bind(value, values)}" for column, value in step.where.items()]
    return " and ".join([f"({' or '.join(tests)})", *properties])


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
    table = connection.execute(sql, bound).to_arrow_table()
    timeline = _ordered({name: table[name].to_numpy() for name in table.column_names})
    return (split_visits(timeline) if visits else timeline), traced(sql, bound, scope.relation)


ORDER = """
select count(*) filter (not same) as runs, count(*) filter (same and later < moment) as backwards
from (
    select moment, lead(moment) over () as later, coalesce(lead(person) over () = person, false) as same
    from (
        select rowid, hash(profile_id) as person, epoch_us(occurred_at) as moment
        from marts.touchpoints
        where rowid >= 0
    )
)
"""


def physically_ordered(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the published touchpoints lie in the order of person and time; asked once per snapshot file."""
    path = connection.execute("select file from pragma_database_list where name = current_database()").fetchone()
    file = Path(path[0]) if path and path[0] else None
    if file is None or not file.exists():
        return _check_order(connection)
    stat = file.stat()
    key = (str(file), stat.st_mtime_ns, stat.st_size)
    if key not in _ORDERED:
        _ORDERED[key] = _check_order(connection)
    return _ORDERED[key]


# Snapshots never change once written, so the answer stays true for a file, its time and its size.
_ORDERED: dict[tuple[str, int, int], bool] = {}


def _check_order(connection: duckdb.DuckDBPyConnection) -> bool:
    found = connection.execute(ORDER).fetchone()
    people = connection.execute("select count(distinct profile_id) from marts.touchpoints").fetchone()
    dense = connection.execute("select count(*) = coalesce(max(rowid) + 1, 0) from marts.touchpoints").fetchone()
    return bool(found and people and dense and found[0] == people[0] and found[1] == 0 and dense[0])


def split_visits(timeline: Timeline) -> Timeline:
    """The same touchpoints with visits as units: a gap of more than 30 minutes begins a new one."""
    if len(timeline.unit) == 0:
        return timeline
    fresh = np.empty(len(timeline.unit), dtype=bool)
    fresh[0] = True
    fresh[1:] = (timeline.unit[1:] != timeline.unit[:-1]) | (np.diff(timeline.time) > VISIT_GAP)
    return _timeline(fresh, timeline.time, timeline.columns)


def _timeline(fresh: Flags, moment: Ints, columns: dict[str, NDArray[Any]]) -> Timeline:
    firsts = np.flatnonzero(fresh)
    unit = np.repeat(np.arange(len(firsts), dtype=np.int32), np.diff(np.append(firsts, len(fresh))))
    still = moment[1:] == moment[:-1]
    still &= ~fresh[1:]
    rank = np.cumsum(np.append(True, ~still), dtype=np.int32) if still.any() else None
    return Timeline(unit, moment, rank, columns, len(firsts))


def _ordered(arrays: dict[str, NDArray[Any]]) -> Timeline:
    person, moment = arrays.pop("person"), arrays.pop("moment")
    if len(person) == 0:
        nothing = np.empty(0, dtype=np.int32)
        return Timeline(nothing, moment.astype(np.int64), None, arrays, 0)
    fresh = _runs(person)
    starts = np.sort(person[fresh])
    if bool(np.any(starts[1:] == starts[:-1])) or bool(np.any((moment[1:] < moment[:-1]) & ~fresh[1:])):
        order = np.lexsort((moment, person))
        person, moment = person[order], moment[order]
        arrays = {name: array[order] for name, array in arrays.items()}
        fresh = _runs(person)
    return _timeline(fresh, moment, arrays)


def _runs(person: NDArray[Any]) -> Flags:
    fresh = np.empty(len(person), dtype=bool)
    fresh[0] = True
    np.not_equal(person[1:], person[:-1], out=fresh[1:])
    return fresh


def _bind(value: Any, values: dict[str, Any]) -> str:
    name = f"v{len(values)}"
    values[name] = value
    return f"${name}"
