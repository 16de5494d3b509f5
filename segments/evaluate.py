"""All segments of a library on one snapshot, in one query.

The answer stays in the engine as a temporary table (one row per profile that is in any segment, one flag per segment),
from which memberships are read as Arrow in batches. A definition that does not fit the data is reported and leaves the
others standing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb
import pyarrow as pa
from sqlglot import exp

from cdp.ids import digest
from segments import catalogue as catalogues
from segments import check, compiler, document, sql
from segments.catalogue import Catalogue
from segments.conditions import allowed
from segments.definition import SegmentDefinition
from segments.errors import DefinitionError
from segments.gate import Gate
from segments.plan import PROFILES, Plan
from segments.sentence import sentence
from segments.tree import blocking_nodes

_BATCH = 50_000

# What a definition can be to blame for; memory, files and interruptions are not.
_DATA_FAULTS = (duckdb.DataError, duckdb.ProgrammingError, duckdb.NotSupportedError)


@dataclass(frozen=True)
class Evaluated:
    """One segment on one snapshot; `problem` says why it could not be evaluated, then it has no members."""

    definition: SegmentDefinition
    key: str
    title: str
    description: str
    sentence: str
    purpose: str
    version: int
    content_hash: str
    size: int = 0
    exportable: int = 0
    blocking: tuple[str, ...] = ()
    problem: str | None = None


class Evaluation:
    """Sizes of all segments, and their members on demand while the connection is open."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, table: str, segments: Sequence[Evaluated], *, profiles: int
    ) -> None:
        self._connection = connection
        self._columns = {one.key: number for number, one in enumerate(segments) if one.problem is None}
        self.table = table
        self.segments = tuple(segments)
        self.profiles = profiles

    def segment(self, key: str) -> Evaluated:
        """One segment's facts; KeyError when it is not part of this evaluation."""
        return next(one for one in self.segments if one.key == key)

    def members(self, key: str) -> pa.RecordBatchReader:
        """Members of one segment as batches of (profile_id, exportable), ordered by profile_id."""
        return self._read([key], with_key=False)

    def memberships(self) -> pa.RecordBatchReader:
        """All memberships as batches of (segment_key, profile_id, exportable), ordered by segment_key, profile_id."""
        return self._read([one.key for one in self.segments if one.problem is None], with_key=True)

    def close(self) -> None:
        """Drop the temporary table."""
        self._connection.execute(compiler.text(exp.Drop(this=sql.relation(self.table), kind="TABLE", exists=True)))

    def _read(self, keys: Iterable[str], *, with_key: bool) -> pa.RecordBatchReader:
        parts: list[exp.Expr] = []
        for key in sorted(keys):
            number = self._columns.get(key)
            columns: list[exp.Expr] = [exp.alias_(sql.text(key), "segment_key", quoted=True)] if with_key else []
            columns.append(sql.column("profile_id"))
            columns.append(exp.alias_(_column("exportable", number), "exportable", quoted=True))
            part = exp.select(*columns).from_(sql.relation(self.table))
            parts.append(part.where(_column("in", number)))
        if not parts:
            fields = [("segment_key", pa.string())] if with_key else []
            schema = pa.schema([*fields, ("profile_id", pa.string()), ("exportable", pa.bool_())])
            return pa.RecordBatchReader.from_batches(schema, [])
        query: exp.Query = exp.union(*parts, distinct=False) if len(parts) > 1 else parts[0]  # type: ignore[assignment]
        order = ["segment_key", "profile_id"] if with_key else ["profile_id"]
        ordered = exp.select(exp.Star()).from_(query.subquery("u")).order_by(*[sql.column(name) for name in order])
        return self._connection.execute(compiler.text(ordered)).to_arrow_reader(_BATCH)


def evaluate_all(
    connection: duckdb.DuckDBPyConnection,
    library: Iterable[SegmentDefinition],
    *,
    as_of: datetime,
    gate: Gate | None = None,
    profile_ids: str | None = None,
    keys: Collection[str] | None = None,
    catalogue: Catalogue | None = None,
) -> Evaluation:
    """Evaluate every segment (of `keys`, when given) on the snapshot behind `connection` at `as_of` (aware).

    `profile_ids` names a relation of profile_ids to look at instead of everyone. Names of events that have not occurred
    yet are no fault here. The connection may be read-only; it must stay open while members are read.
    """
    known = {definition.key: definition for definition in library}
    names = replace(catalogue or catalogues.read(connection), open_events=True)

    def plan() -> Plan:
        return Plan(names, as_of, known, gate or Gate(), restrict_to=profile_ids)

    found = [_described(one, plan()) for one in known.values() if keys is None or one.key in keys]
    table = "segment_flags"
    try:
        connection.execute(compiler.text(_create(table, _flags(plan(), found))))
    except _DATA_FAULTS:
        found = [_on_its_own(connection, one, plan()) for one in found]
        connection.execute(compiler.text(_create(table, _flags(plan(), found))))
    counts = connection.execute(compiler.text(_counts(table, found))).fetchone() or ()
    segments = [
        one if one.problem else replace(one, size=counts[1 + 2 * number], exportable=counts[2 + 2 * number])
        for number, one in enumerate(found)
    ]
    return Evaluation(connection, table, segments, profiles=counts[0])


def _on_its_own(connection: duckdb.DuckDBPyConnection, segment: Evaluated, plan: Plan) -> Evaluated:
    """The segment, told as broken when the engine cannot compute it even alone."""
    if segment.problem is not None:
        return segment
    counted = exp.select(exp.Count(this=exp.Star())).from_(_flags(plan, [segment]).subquery("one"))
    try:
        connection.execute(compiler.text(counted)).fetchall()
    except _DATA_FAULTS as error:
        # The engine's own words may quote data.
        reason = f"Segment {segment.key} cannot be computed on this data ({type(error).__name__})."
        return replace(segment, problem=reason)
    return segment


def _described(definition: SegmentDefinition, plan: Plan) -> Evaluated:
    problem: str | None = None
    blocking: tuple[str, ...] = ()
    try:
        check.require(definition, plan.catalogue, plan.library)
        blocking = tuple(f"{path}: {reason}" for path, reason in blocking_nodes(definition, plan.library))
    except DefinitionError as error:
        problem = error.message
    return Evaluated(
        definition=definition,
        key=definition.key,
        title=definition.title,
        description=definition.description,
        sentence=sentence(definition.where),
        purpose=definition.purpose,
        version=definition.version,
        content_hash=digest(str(document.dump(definition)["where"]), definition.purpose),
        blocking=blocking,
        problem=problem,
    )


def _flags(plan: Plan, segments: Sequence[Evaluated]) -> exp.Select:
    """SELECT of profile_id and, per segment, whether the profile is in it and may be exported for its purpose."""
    sound = [(number, one.definition) for number, one in enumerate(segments) if one.problem is None]
    flags = compiler.compile_flags([definition for _, definition in sound], plan)
    columns: dict[str, exp.Expr] = {"profile_id": sql.column("profile_id", PROFILES)}
    for number, definition in sound:
        member = flags[definition.key]
        usable = sql.known_true(allowed(definition.purpose, plan))
        columns[f"in_{number}"] = member
        columns[f"exportable_{number}"] = exp.and_(member.copy(), usable, copy=False)
    return plan.select(columns, [])


def _create(table: str, query: exp.Select) -> exp.Create:
    return exp.Create(
        this=sql.relation(table),
        kind="TABLE",
        replace=True,
        properties=exp.Properties(expressions=[exp.TemporaryProperty()]),
        expression=query,
    )


def _counts(table: str, segments: Sequence[Evaluated]) -> exp.Select:
    query = exp.select(exp.Count(this=exp.Star())).from_(sql.relation(table))
    for number, one in enumerate(segments):
        for name in ("in", "exportable"):
            value = exp.Literal.number(0) if one.problem else sql.count_where(_column(name, number))
            query.select(exp.alias_(value, f"{name}_{number}", quoted=True), copy=False)
    return query


def _column(name: str, number: int | None) -> exp.Column:
    return sql.column(f"{name}_{number}")
