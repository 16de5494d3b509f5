"""Members written to a file: CSV, NDJSON or Parquet, streamed, and only those whom the consent gate lets through.

The file appears whole or not at all. CSV is safe to open in a spreadsheet: a text that could be taken for a formula
gets an apostrophe in front (so phone numbers with `+` do too); NDJSON and Parquet carry every value unchanged. A
segment that selects everybody is refused unless the caller says that it is meant.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

import duckdb
import pyarrow as pa
from sqlglot import exp

from cdp.domain.cells import FORMULA
from cdp.errors import InputError, ResourceError
from cdp.wording import nearest
from segments import catalogue as catalogues
from segments import compiler, sql
from segments.catalogue import Catalogue, Kind
from segments.conditions import allowed
from segments.definition import SegmentDefinition
from segments.gate import Gate, require_purpose
from segments.plan import PROFILES, Plan
from segments.tree import Library

Format = Literal["csv", "ndjson", "parquet"]
FORMATS: tuple[Format, ...] = ("csv", "ndjson", "parquet")
DEFAULT_FIELDS = ("profile_id", "email", "first_name", "last_name", "country")

_BATCH = 20_000
_SEPARATOR = "|"


@dataclass(frozen=True)
class Exported:
    """What was written: rows of the file, members of the segment, and members held back for want of consent."""

    format: Format
    rows: int
    size: int
    held_back: int


def export(
    connection: duckdb.DuckDBPyConnection,
    definition: SegmentDefinition,
    *,
    format: Format,
    out: Path | BinaryIO,
    as_of: datetime,
    fields: Sequence[str] = DEFAULT_FIELDS,
    purpose: str | None = None,
    library: Library | None = None,
    catalogue: Catalogue | None = None,
    gate: Gate | None = None,
    members: str | None = None,
    allow_everybody: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write the exportable members of a segment, ordered by profile_id, to a file or an open one.

    Everyone written is allowed for the segment's own purpose and, when one is named, for `purpose` too. `members` names
    a relation of (profile_id, exportable): who is in as it is served now, instead of an evaluation. `progress` is
    called with rows written and rows expected. Raises InputError for an unknown field, format or purpose and for a
    segment of everybody, DefinitionError as compiling does.
    """
    names = catalogue or catalogues.read(connection)
    plan = Plan(names, as_of, dict(library or {}), gate or Gate())
    _require(format, fields, names)
    member, served = _members(definition, plan, members)
    # Another purpose may narrow what the segment is for, never widen it.
    purposes = sorted({definition.purpose, require_purpose(purpose or definition.purpose)})
    usable = sql.all_of([served, *[sql.known_true(allowed(one, plan)) for one in purposes]])
    outside, size, expected = _sizes(connection, plan, member, usable)
    if size and not outside and not allow_everybody:
        raise InputError(
            f"Segment {definition.key} selects everybody ({size:,} profiles); an export needs a narrower definition"
            " or the explicit permission to export everybody."
        )
    query = _people(plan, [member.copy(), usable.copy()], fields, _CELLS[format])
    told = None if progress is None else partial(_tell, progress, expected)
    reader = connection.execute(compiler.text(query)).to_arrow_reader(_BATCH)
    rows = _write(reader, format, out, told) if isinstance(out, Path) else _stream(reader, format, out, told)
    return Exported(format, rows, size, size - expected)


def require_fields(fields: Sequence[str], names: Catalogue) -> None:
    """InputError unless these are traits (or profile_id), at least one, each once."""
    known = ("profile_id", *names.traits)
    if not fields or len(set(fields)) != len(fields):
        raise InputError("At least one field is needed, and each only once.")
    for field in fields:
        if field not in known:
            raise InputError(f"There is no field {field[:60]}.{nearest(field, known)} Allowed: {', '.join(known)}.")


def _members(definition: SegmentDefinition, plan: Plan, members: str | None) -> tuple[exp.Expr, exp.Expr]:
    """Who is in, and who of them may be reached as far as the store knows."""
    if members is None:
        return compiler.compile_flags([definition], plan)[definition.key], exp.true()

    def those(*conditions: exp.Expr) -> exp.Select:
        query = exp.select(sql.column("profile_id")).distinct().from_(sql.relation(members))
        return query.where(*conditions) if conditions else query

    return (
        plan.in_set("served members", those),
        plan.in_set("reached members", lambda: those(sql.column("exportable"))),
    )


def _require(format_: str, fields: Sequence[str], names: Catalogue) -> None:
    if format_ not in FORMATS:
        raise InputError(f"There is no export format {format_}. Allowed: {', '.join(FORMATS)}.")
    require_fields(fields, names)


def _sizes(
    connection: duckdb.DuckDBPyConnection, plan: Plan, member: exp.Expr, usable: exp.Expr
) -> tuple[int, int, int]:
    """Identified profiles (all, when nobody is identified) that are no members, members, exportable members."""
    anonymous = sql.known_true(sql.column("is_anonymous", PROFILES))
    columns = {"member": member.copy(), "usable": usable.copy(), "identified": exp.not_(anonymous)}
    flags = {name: sql.column(name) for name in columns}
    counted = [
        exp.not_(flags["member"]),
        flags["member"],
        sql.all_of([flags["member"], flags["usable"]]),
        flags["identified"],
        sql.all_of([flags["identified"], exp.not_(flags["member"])]),
    ]
    selected = [exp.alias_(sql.count_where(one), f"n{number}", quoted=True) for number, one in enumerate(counted)]
    query = exp.select(*selected).from_(plan.select(columns, []).subquery("people"))
    outside, size, exportable, identified, missing = connection.execute(compiler.text(query)).fetchall()[0]
    return (missing if identified else outside), size, exportable


def _people(
    plan: Plan, conditions: list[exp.Expr], fields: Sequence[str], cell: Callable[[exp.Expr, Kind], exp.Expr]
) -> exp.Select:
    """The fields of the profiles that satisfy the conditions, as the format shows them."""
    kinds = {"profile_id": Kind.TEXT, **plan.catalogue.traits}
    columns = {field: cell(sql.column(field, PROFILES), kinds[field]) for field in fields}
    query = plan.select(columns, conditions)
    return query.order_by(sql.column("profile_id", PROFILES), copy=False)


def _tell(progress: Callable[[int, int], None], expected: int, rows: int) -> None:
    progress(rows, expected)


def _plain_cell(column: exp.Expr, _: Kind) -> exp.Expr:
    return column


def _json_cell(column: exp.Expr, kind: Kind) -> exp.Expr:
    return _iso(column) if kind is Kind.MOMENT else column


def _csv_cell(column: exp.Expr, kind: Kind) -> exp.Expr:
    """The value as CSV shows it: ISO times, lists joined by |, texts that start like a formula led by an apostrophe."""
    if kind is Kind.MOMENT:
        return _iso(column)
    if kind is Kind.TEXTS:
        column = exp.ArrayToString(this=column, expression=sql.text(_SEPARATOR))
    elif kind is not Kind.TEXT:
        return column
    risky = exp.RegexpLike(this=column.copy(), expression=sql.text(FORMULA))
    led = exp.DPipe(this=sql.text("'"), expression=column.copy(), safe=True)
    return exp.Case(ifs=[exp.If(this=risky, true=led)], default=column)


def _iso(column: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this="STRFTIME", expressions=[column, sql.text("%Y-%m-%dT%H:%M:%SZ")])


_CELLS: dict[str, Callable[[exp.Expr, Kind], exp.Expr]] = {
    "csv": _csv_cell,
    "ndjson": _json_cell,
    "parquet": _plain_cell,
}


class _Writer(Protocol):
    def write_batch(self, batch: pa.RecordBatch) -> None: ...

    def close(self) -> None: ...


class _JsonLines:
    """One JSON object a line, keys in the order of the columns."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink

    def write_batch(self, batch: pa.RecordBatch) -> None:
        import json

        lines = (json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in batch.to_pylist())
        self._sink.write("".join(lines).encode())

    def close(self) -> None:
        """Nothing: the file is the caller's."""


def _writer(format_: Format, sink: BinaryIO, schema: pa.Schema) -> _Writer:
    writer: Any
    if format_ == "csv":
        from pyarrow import csv

        writer = csv.CSVWriter(sink, schema, write_options=csv.WriteOptions(quoting_style="needed"))
    elif format_ == "parquet":
        from pyarrow import parquet

        writer = parquet.ParquetWriter(sink, schema)
    else:
        writer = _JsonLines(sink)
    found: _Writer = writer
    return found


def _stream(reader: pa.RecordBatchReader, format_: Format, sink: BinaryIO, told: Callable[[int], None] | None) -> int:
    """Write batches as they come; returns the rows written."""
    rows, writer = 0, _writer(format_, sink, reader.schema)
    try:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
            if told is not None:
                told(rows)
    finally:
        writer.close()
    return rows


def _write(reader: pa.RecordBatchReader, format_: Format, out: Path, told: Callable[[int], None] | None) -> int:
    """Stream batches to a file beside `out` and put it in place; returns the rows written."""
    beside = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as sink:
            rows = _stream(reader, format_, sink, told)
        beside.replace(out)
    except OSError as error:
        raise ResourceError(f"The export could not be written to {out}: {error.strerror or 'write failed'}.") from None
    finally:
        beside.unlink(missing_ok=True)
    return rows
