"""Touchpoints, and moments at which stages were entered, as arrays ordered by person and time.

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

from journeys.measures import Query
from journeys.scope import Scope, traced

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Flags = NDArray[np.bool_]
Hashes = NDArray[np.uint64]
VISIT_GAP = 30 * 60 * 1_000_000
EVERYBODY = "marts.profiles"


@dataclass(frozen=True)
class Timeline:
    """Columns of equal length: unit number (0, 1, …), microseconds, rank, and whatever else was asked for.

    `people` holds the hash of the person behind each unit. The rank counts moments: touchpoints of one unit and moment
    share it, every later one has a higher one. It is null when no moment is shared: then positions are ranks.
    """

    unit: Codes
    time: Ints
    rank: Codes | None
    columns: dict[str, NDArray[Any]]
    people: Hashes

    @property
    def units(self) -> int:
        """How many units there are."""
        return len(self.people)

    def ranks(self, positions: Ints) -> NDArray[Any]:
        """The ranks of touchpoints given by position."""
        return positions if self.rank is None else self.rank[positions]


@dataclass(frozen=True)
class Rows:
    """What is fetched of one table: SQL expressions by column, and which rows (all by default)."""

    columns: dict[str, str]
    keep: str | None = None


# Tables, what they are called in SQL, and the moment of a row.
_TOUCHPOINTS = ("marts.touchpoints", "t", "occurred_at", "t.rowid")
_ENTRIES = ("marts.stage_episodes", "e", "entered_at", "-1")


def fetch(
    connection: duckdb.DuckDBPyConnection,
    scope: Scope,
    values: dict[str, Any],
    *,
    touchpoints: Rows | None = None,
    entries: Rows | None = None,
    visits: bool = False,
) -> tuple[Timeline, Query]:
    """Touchpoints, moments at which stages were entered, or both in one order; both with the same columns."""
    sides = [(place, rows) for place, rows in ((_ENTRIES, entries), (_TOUCHPOINTS, touchpoints)) if rows is not None]
    placed = len(sides) > 1
    sql = "\nunion all\n".join(_select(scope, place, rows, placed=placed) for place, rows in sides)
    bound = {key: value for key, value in {**scope.parameters, **values}.items() if f"${key}" in sql}
    table = connection.execute(sql, bound).to_arrow_table()
    timeline = _ordered({name: table[name].to_numpy() for name in table.column_names})
    return (split_visits(timeline) if visits else timeline), traced(sql, bound, scope.relation)


def _select(scope: Scope, place: tuple[str, str, str, str], rows: Rows, *, placed: bool) -> str:
    table, alias, moment, number = place
    columns = {"person": f"hash({alias}.profile_id)", "moment": f"epoch_us({alias}.{moment})"}
    if placed:
        columns["place"] = f"({number})::bigint"
    selected = ",\n    ".join(f"{expression} as {name}" for name, expression in {**columns, **rows.columns}.items())
    conditions = [f"{alias}.{moment} >= $since", f"{alias}.{moment} <= $until"]
    if scope.relation != EVERYBODY:
        conditions.append(f"{alias}.profile_id in (select profile_id from {scope.relation})")
    if rows.keep:
        conditions.append(f"({rows.keep})")
    return f"select\n    {selected}\nfrom {table} as {alias}\nwhere {' and '.join(conditions)}"


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
    return _timeline(fresh, timeline.people[timeline.unit], timeline.time, timeline.columns)


def _timeline(fresh: Flags, person: Hashes, moment: Ints, columns: dict[str, NDArray[Any]]) -> Timeline:
    firsts = np.flatnonzero(fresh)
    unit = np.repeat(np.arange(len(firsts), dtype=np.int32), np.diff(np.append(firsts, len(fresh))))
    still = moment[1:] == moment[:-1]
    still &= ~fresh[1:]
    rank = np.cumsum(np.append(True, ~still), dtype=np.int32) if still.any() else None
    return Timeline(unit, moment, rank, columns, person[firsts])


def _ordered(arrays: dict[str, NDArray[Any]]) -> Timeline:
    person, moment, place = arrays.pop("person"), arrays.pop("moment"), arrays.pop("place", None)
    if len(person) == 0:
        nothing = np.empty(0, dtype=np.int32)
        return Timeline(nothing, moment.astype(np.int64), None, arrays, np.empty(0, dtype=np.uint64))
    fresh = _runs(person)
    starts = np.sort(person[fresh])
    disordered = bool(np.any(starts[1:] == starts[:-1])) or bool(np.any((moment[1:] < moment[:-1]) & ~fresh[1:]))
    if disordered or place is not None:
        order = np.lexsort((moment, person) if place is None else (place, moment, person))
        person, moment = person[order], moment[order]
        arrays = {name: array[order] for name, array in arrays.items()}
        fresh = _runs(person)
    return _timeline(fresh, person, moment, arrays)


def _runs(person: NDArray[Any]) -> Flags:
    fresh = np.empty(len(person), dtype=bool)
    fresh[0] = True
    np.not_equal(person[1:], person[:-1], out=fresh[1:])
    return fresh
