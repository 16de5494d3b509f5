"""Staging of a group of files: records go into temporary tables, where SQL types, maps, keys and hashes them at once.

`staged` holds what readers found, `judged` the same rows with mapped record, key and content hash. Both are temporary:
they spill to the scratch folder and vanish with the connection, so a kill leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipelines.ingest.columns import check_columns
from pipelines.ingest.landing import LandedFile
from pipelines.ingest.reading import Broken, Chunk
from pipelines.ingest.reading_csv import csv_columns, read_csv
from pipelines.ingest.reading_jsonl import read_jsonl
from pipelines.ingest.reading_parquet import parquet_columns, read_parquet
from pipelines.sources.entity import Entity
from pipelines.sources.fields import json_path, literal, text, texts
from pipelines.sources.mapping import EntityMapping
from pipelines.sources.registry import format_of

_SAMPLE = 1_000


@dataclass(frozen=True)
class StagedFile:
    """A file whose records are staged under `number`; `received` is the reader's own count."""

    number: int
    landed: LandedFile
    received: int


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
    path: Path,
    number: int,
    first_row: int,
) -> StagedFile:
    """Read one landed file into `staged`, rows numbered from `first_row`.

    Raises InputError naming the file (and column) when it cannot be read; what was staged of it is removed.
    """
    received = 0
    try:
        for chunk in _chunks(entity, mapping, path, landed.file):
            _insert(connection, chunk, number, first_row + received)
            received += chunk.received
        if _format(mapping, landed.file) == "jsonl":
            _check_json_columns(connection, entity, mapping, landed.file, number)
    except Exception:
        connection.execute("delete from staged where file_no = ?", [number])
        raise
    return StagedFile(number, landed, received)


def _format(mapping: EntityMapping, file: str) -> str | None:
    return mapping.format or format_of(file)


def _chunks(entity: Entity, mapping: EntityMapping, path: Path, file: str) -> Iterator[Chunk]:
    kind = _format(mapping, file)
    if kind == "jsonl":
        return read_jsonl(path, file, encoding=mapping.encoding)
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
    rows = [(first_row + i, number, one.line, one.text, one.code, one.reason) for i, one in enumerate(broken)]
    connection.executemany("insert into staged values (?, ?, ?, ?, ?, ?)", rows)


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


def enrich(connection: duckdb.DuckDBPyConnection, entity: Entity, mapping: EntityMapping) -> None:
    """Make `judged` of `staged`: mapped record, record key and content hash of every readable row."""
    key = " || ':' || ".join(text(column) for column in entity.key)
    mapped = f"(select *, case when code is null then {mapped_sql(mapping)} end as mapped from staged)"
    records = f"(select *, case when code is null then coalesce(mapped, payload) end as record from {mapped})"
    connection.execute(
        f"""
        create or replace temp table judged as
        select
            row_no, file_no, line, payload, mapped, code, reason, {key} as record_key,
            coalesce(case when code is null then {content_hash_sql(entity)} end, md5(payload)) as content_hash
        from {texts(entity.key, [key], records)}
        """
    )


def content_hash_sql(entity: Entity) -> str:
    """Digest over the record's fields sorted by name, without those set anew on each transmission.

    NULL when a field is named twice. Fields inside nested objects keep their order; `fates` compares deeply when
    digests differ.
    """
    entries = "map_entries(try_cast(cast(payload as json) as map(varchar, json)))"
    if entity.volatile:
        names = ", ".join(literal(name) for name in entity.volatile)
        entries = f"list_filter({entries}, lambda entry: entry.key not in ({names}))"
    return f"md5(cast(list_sort({entries}) as varchar))"


def mapped_sql(mapping: EntityMapping) -> str:
    """The record with canonical names laid over the received ones; NULL when the mapping changes nothing."""
    if not mapping.changes_records:
        return "cast(null as varchar)"
    tree: dict[str, object] = {}
    for name, theirs in mapping.renamed.items():
        flat, nested = json_path(theirs, nested=False), json_path(theirs)
        _put(tree, name, f"coalesce(json_extract(payload, {flat}), json_extract(payload, {nested}))")
    for name, value in mapping.constants.items():
        _put(tree, name, literal(value))
    for name in mapping.absent:
        _put(tree, name, "null")
    return f"cast(json_merge_patch(cast(payload as json), {_object(tree)}) as varchar)"


def _put(tree: dict[str, object], name: str, sql: str) -> None:
    *outer, last = name.split(".")
    for part in outer:
        inner = tree.setdefault(part, {})
        assert isinstance(inner, dict)
        tree = inner
    tree[last] = sql


def _object(tree: dict[str, object]) -> str:
    pairs = (f"{literal(key)}, {_object(value) if isinstance(value, dict) else value}" for key, value in tree.items())
    return f"json_object({', '.join(pairs)})"
