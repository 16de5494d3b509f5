"""The segments of a publication: the shipped and the users' own, evaluated on the new snapshot.

A shipped segment that cannot be evaluated stops the publication. A user's broken one keeps its members of the last
time, tells its reason, and holds up nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from cdp.errors import CheckFailed
from cdp.store.base import SegmentRow, Store
from pipelines.consents import gate

if TYPE_CHECKING:
    import duckdb

    from segments import served
    from segments.evaluate import Evaluation
    from segments.keeping import Kept

PAGE = 50_000


@dataclass(frozen=True)
class ServedSegments:
    """Rows and members of all segments, and the versions of user segments that they rest on."""

    rows: list[SegmentRow]
    definitions: Mapping[str, int]
    evaluation: Evaluation
    kept: list[Kept]
    left_out: list[str]
    # The last entry of the consent ledger that the members know.
    consents: int
    # Living profiles whose use is restricted, with the entry of the ledger that says so.
    restricted: Mapping[str, int]

    def memberships(self) -> Iterator[tuple[str, str, bool]]:
        """(segment key, profile id, exportable) of every member, evaluated or kept."""
        from segments.authoring import memberships

        yield from memberships(self.evaluation)
        for one in self.kept:
            yield from one.memberships()

    def told(self) -> str:
        """How many, and which of them could not be evaluated, for the account of a run."""
        broken = [one.key for one in self.kept]
        unfit = f", {len(self.left_out)} name stages that this stage set does not have" if self.left_out else ""
        kept = f"; kept as they were: {', '.join(broken)}" if broken else ""
        return f"({len(self.rows)} segments{unfit}{kept})"


def evaluated(connection: duckdb.DuckDBPyConnection, store: Store, as_of: datetime) -> ServedSegments:
    """Evaluate all segments on a snapshot at `as_of`. CheckFailed when a shipped one cannot be."""
    from segments import served
    from segments.evaluate import evaluate_all
    from segments.fitting import fitting
    from segments.keeping import keep
    from segments.library import load

    shipped, left_out = fitting(connection, load())
    allows, consents = gate(store, connection)
    known = served.collect(store.segmentation.definitions(), shipped)
    evaluation = evaluate_all(connection, known.definitions.values(), as_of=as_of, gate=allows)
    _require_shipped(evaluation, known)
    former = {row.key: row for row in store.list_segments()}
    broken = {**{one.key: one.problem for one in evaluation.segments if one.problem}, **known.unreadable}
    rows = [
        served.row(one, as_of, known.origin(one.key), hides=one.key in known.hidden)
        for one in evaluation.segments
        if one.key not in broken
    ]
    kept = []
    for key, problem in sorted(broken.items()):
        row = former.get(key)
        if row is None:
            continue
        members = _former_members(store, key)
        one = keep(connection, key, members, purpose=row.purpose or "marketing", as_of=as_of, gate=allows)
        kept.append(one)
        rows.append(replace(row, size=one.size, exportable=one.exportable, problem=problem))
    return ServedSegments(
        rows, known.versions, evaluation, kept, left_out, consents, _restricted(connection, allows.ledger)
    )


def _restricted(connection: duckdb.DuckDBPyConnection, states: str | None) -> dict[str, int]:
    if states is None:
        return {}
    sql = f"select profile_id, any_value(entry) from {states} where decided_by = 'restriction' group by profile_id"
    return dict(connection.execute(sql).fetchall())


def _require_shipped(evaluation: Evaluation, known: served.Known) -> None:
    """A shipped segment that cannot be evaluated would empty itself and tell every tool that all its people left."""
    broken = [one for one in evaluation.segments if one.problem and known.origin(one.key) == "shipped"]
    if broken:
        told = "; ".join(f"{one.key}: {one.problem}" for one in broken)
        raise CheckFailed(f"Nothing was published, {len(broken)} segment(s) cannot be evaluated: {told}.")


def _former_members(store: Store, key: str) -> Iterator[str]:
    after: str | None = None
    while page := store.memberships(key, after=after, limit=PAGE):
        yield from (member.profile_id for member in page)
        after = page[-1].profile_id
