"""Staging of a group of files: what readers find goes into the temporary table `staged`.

Temporary tables spill to the scratch folder and vanish with the connection, so a kill leaves nothing behind. A file
that is not what it should be (columns, encoding, format) is found out here, before any of its rows is judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from cdp.errors import InputError
from pipelines.ingest.columns import check_columns
from pipelines.ingest.encoding import is_cut_off
from pipelines.ingest.landing_file import LandedFile
from pipelines.ingest.reading import Broken, Chunk
from pipelines.ingest.reading_csv import csv_columns, read_csv
from pipelines.ingest.reading_jsonl import read_jsonl
from pipelines.ingest.reading_parquet import parquet_columns, read_parquet
from pipelines.ingest.single import single
from pipelines.sources.entity import Entity
from pipelines.sources.fields import literal
from pipelines.sources.mapping import EntityMapping
from pipelines.sources.registry import format_of

_SAMPLE = 1_000
_FEW = 10


@dataclass(frozen=True)
class StagedFile:
    """A file whose records are staged under `number`; `received` is the reader's own count.

    `flat` are canonical columns of nested objects that this file, a table, names in full.
    """

    number: int
    landed: LandedFile
    received: int
    flat: frozenset[str] = frozenset()


def clear(connection: duckdb.DuckDBPyConnection) -> None:
    """Begin a new group."""
    connection.execute(
        """
        create or replace temp table staged (
            row_no bigint, file_no integer, line bigint, payload varchar, code varchar, reason varchar
        )
        """
    )


def stage_file(
    connection: duckdb.DuckDBPyConnection,
    entity: Entity,
    mapping: EntityMapping,
    landed: LandedFile,
    *,
    path: Path,
    number: int,
    first_row: int,
    may_be_blank: bool = False,
) -> StagedFile:
    """Read one landed file into `staged`, rows numbered from `first_row`; one without its records `may_be_blank`.

    Raises InputError naming the file (and column) when it cannot be read; what was staged of it is removed.
    """
    received = 0
    try:
        for chunk in _chunks(entity, mapping, path, landed.file, may_be_blank=may_be_blank):
            _insert(connection, chunk, number, first_row + received)
            received += chunk.received
        _check_readable(connection, landed.file, number, received)
        if not may_be_blank:
            _check_whole(connection, path, landed.file, number)
        if _format(mapping, landed.file) == "jsonl":
            _check_json_columns(connection, entity, mapping, landed.file, number)
        flat = _flat_columns(entity, connection, number, _format(mapping, landed.file))
    except Exception:
        connection.execute("delete from staged where file_no = ?", [number])
        raise
    return StagedFile(number, landed, received, flat)


def _format(mapping: EntityMapping, file: str) -> str | None:
    return mapping.format or format_of(file)


def _chunks(
    entity: Entity, mapping: EntityMapping, path: Path, file: str, *, may_be_blank: bool = False
) -> Iterator[Chunk]:
    kind = _format(mapping, file)
    if kind == "jsonl":
        return read_jsonl(path, file, encoding=mapping.encoding, may_be_blank=may_be_blank)
    if kind == "parquet":
        check_columns(entity, mapping, file, parquet_columns(path, file), header=True)
        return read_parquet(path, file)
    known = frozenset({*entity.column_names, *mapping.renamed.values()})
    header = csv_columns(path, file, known=known, delimiter=mapping.delimiter, encoding=mapping.encoding)
    check_columns(entity, mapping, file, header.names, header=True)
    return read_csv(path, file, known=known, delimiter=mapping.delimiter, encoding=mapping.encoding)


def _insert(connection: duckdb.DuckDBPyConnection, chunk: Chunk, number: int, first_row: int) -> None:
    import numpy as np
    import pyarrow as pa

    count = chunk.table.num_rows
    if count:
        rows = chunk.table.append_column("row_no", pa.array(np.arange(first_row, first_row + count)))
        connection.register("chunk_rows", rows)
        connection.execute(
            f"insert into staged select row_no, {number}, line, payload, {_code(chunk)}"
            f" from (select *, {chunk.payload_sql} as payload from chunk_rows)"
        )
        connection.unregister("chunk_rows")
    if chunk.broken:
        _insert_broken(connection, chunk.broken, number, first_row + count)


def _code(chunk: Chunk) -> str:
    if not chunk.check_json:
        return "null, null"
    unreadable = "The line is no complete JSON object (it may have been cut off)."
    other = "The line is JSON but not an object with fields."
    cases = "case when not json_valid(payload) then {} when json_type(payload) <> 'OBJECT' then {} end"
    return ", ".join(
        cases.format(literal(first), literal(second))
        for first, second in (("unreadable_json", "not_an_object"), (unreadable, other))
    )


def _insert_broken(connection: duckdb.DuckDBPyConnection, broken: list[Broken], number: int, first_row: int) -> None:
    import pyarrow as pa

    rows = [
        {"row_no": first_row + i, "line": one.line, "text": one.text, "code": one.code, "reason": one.reason}
        for i, one in enumerate(broken)
    ]
    connection.register("broken_rows", pa.Table.from_pylist(rows))
    connection.execute(f"insert into staged select row_no, {number}, line, text, code, reason from broken_rows")
    connection.unregister("broken_rows")


def _check_readable(connection: duckdb.DuckDBPyConnection, file: str, number: int, received: int) -> None:
    """A file whose lines are mostly no records at all is not what it is taken for; a few broken lines are ordinary.

    Where no line shows valid UTF-8 beyond ASCII, one undecodable line in a hundred is enough to doubt the encoding.
    """
    no_json, no_text, text, array = single(
        connection,
        """
        select count(*) filter (code in ('unreadable_json', 'not_an_object')), count(*) filter (code = 'undecodable'),
            count(*) filter (code is null and strlen(payload) > length(payload)),
            count(*) filter (line = 1 and starts_with(ltrim(payload), '['))
        from staged where file_no = ?
        """,
        [number],
    )
    if no_text > 1 and no_text > received / (2 if text else 100):
        raise InputError(f"{file} is not UTF-8 text; deliver it as UTF-8 or name its encoding in a mapping file.")
    if received and no_json == received and (array or received >= _FEW):
        raise InputError(f"{file} does not hold one JSON object per line; deliver it as JSON lines.")


def _check_whole(connection: duckdb.DuckDBPyConnection, path: Path, file: str, number: int) -> None:
    """A last line that is no record and has no end was cut off while the file was written: the rest is missing."""
    last = connection.execute(
        "select code from staged where file_no = ? order by line desc limit 1", [number]
    ).fetchone()
    if last is not None and last[0] is not None and is_cut_off(path, file):
        raise InputError(f"{file} ends in the middle of a line, so it is only half written; deliver it again.")


def _flat_columns(
    entity: Entity, connection: duckdb.DuckDBPyConnection, number: int, kind: str | None
) -> frozenset[str]:
    dotted = [name for name in entity.column_names if "." in name]
    if kind == "jsonl" or not dotted:
        return frozenset()
    row = connection.execute(
        "select json_keys(payload) from staged where file_no = ? and code is null limit 1", [number]
    ).fetchone()
    return frozenset(dotted) & frozenset(row[0] if row else ())


def _check_json_columns(
    connection: duckdb.DuckDBPyConnection, entity: Entity, mapping: EntityMapping, file: str, number: int
) -> None:
    """All records are looked at only when the first thousand do not show every required column."""
    rows = f"select payload from staged where file_no = {number} and code is null"
    for part in (f"{rows} limit {_SAMPLE}", rows):
        found = connection.execute(f"select distinct unnest(json_keys(payload)) from ({part}) order by 1").fetchall()
        present = [name for (name,) in found]
        if not present or all(_present(mapping, name, present) for name in entity.required):
            break
    if present:
        check_columns(entity, mapping, file, present, header=False)


def _present(mapping: EntityMapping, canonical: str, present: list[str]) -> bool:
    theirs = mapping.theirs(canonical)
    return theirs is None or theirs in present or theirs.split(".", maxsplit=1)[0] in present
