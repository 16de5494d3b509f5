"""Records in SQL: from `staged` to `judged`, with mapped record, key and content hash, a whole group at once."""

from __future__ import annotations

from typing import TypeAlias, Union

import duckdb

from pipelines.sources.entity import Entity
from pipelines.sources.fields import json_path, literal, text, texts
from pipelines.sources.mapping import EntityMapping

# SQL by field name, nested as the record is.
_Tree: TypeAlias = dict[str, Union[str, "_Tree"]]


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
    tree: _Tree = {}
    for name, theirs in mapping.renamed.items():
        flat, nested = json_path(theirs, nested=False), json_path(theirs)
        _put(tree, name, f"coalesce(json_extract(payload, {flat}), json_extract(payload, {nested}))")
    for name, value in mapping.constants.items():
        _put(tree, name, literal(value))
    for name in mapping.absent:
        _put(tree, name, "null")
    return f"cast(json_merge_patch(cast(payload as json), {_object(tree)}) as varchar)"


def _put(tree: _Tree, name: str, sql: str) -> None:
    first, dot, rest = name.partition(".")
    inner = tree.get(first, {})
    if not dot:
        tree[first] = sql
    elif isinstance(inner, dict):
        tree[first] = inner
        _put(inner, rest, sql)


def _object(tree: _Tree) -> str:
    pairs = (f"{literal(key)}, {_object(value) if isinstance(value, dict) else value}" for key, value in tree.items())
    return f"json_object({', '.join(pairs)})"
