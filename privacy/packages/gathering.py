"""Gathers what tables hold of one person: every declared table, row by row, without what belongs to somebody else.

The warehouse is attached as `old` and the key tables of the person are filled (`privacy.erasure.database`). Rows of the
store come as they were read. What is hidden: columns about staff, fields of delivered records that name other people,
and the other people of a record about several.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from privacy.erasure import database
from privacy.inventory.gaps import find_table
from privacy.inventory.model import Inventory, Table
from privacy.packages.content import Column, Part, plain
from privacy.packages.contents import Contents
from privacy.packages.finding import OF_PROFILE, RECEIVED, condition

if TYPE_CHECKING:
    import duckdb

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
UNREADABLE = "(a line that cannot be read; it may hold more than your record and is not shown)"


@dataclass(frozen=True)
class PeopleList:
    """A field of delivered records that names several people: ids of records of `source`, between separators."""

    source: str
    separator: str
    fields: frozenset[str]


@dataclass(frozen=True)
class Whose:
    """The person: certain records (source:id), ids of profiles, and whether other records are in the profiles."""

    records: frozenset[str]
    profiles: tuple[str, ...]
    values: tuple[str, ...]
    doubtful: int

    @property
    def is_mixed(self) -> bool:
        """Records that are perhaps somebody else's are in the person's profile."""
        return self.doubtful > 0


def whose(connection: duckdb.DuckDBPyConnection) -> Whose:
    """The person whose keys are on the connection, as the identity map has them now."""

    def values(table: str) -> list[str]:
        return [row[0] for row in connection.execute(f"select distinct value from {table} order by 1").fetchall()]

    records = frozenset(values("erase_records"))
    doubtful = sum(1 for member in values("erase_members") if member not in records)
    return Whose(records, tuple(values("erase_profiles")), tuple(values("erase_values")), doubtful)


def from_warehouse(
    connection: duckdb.DuckDBPyConnection,
    inventory: Inventory,
    contents: Contents,
    person: Whose,
    lists: Mapping[str, PeopleList],
) -> list[Part]:
    """The person's rows of every table of the attached file; tables without any give no part.

    `lists` names, by raw table, the field in which several people stand.
    """
    parts = []
    for name in database.tables(connection):
        table = find_table(inventory, "warehouse", name)
        if table is None or name in contents.left_out:
            continue
        wanted = condition(table, name, mixed=person.is_mixed)
        if wanted is None:
            continue
        schema, _, short = name.partition(".")
        # A file of a former version lacks the columns that came since.
        there = {
            row[0] for row in connection.execute(
                "select column_name from duckdb_columns() where database_name = 'old' and schema_name = ?"
                " and table_name = ?", [schema, short],
            ).fetchall()
        }  # fmt: skip
        columns = tuple(column for column in _columns(table, contents) if column.name in there)
        listed = ", ".join(f't."{column.name}"' for column in columns)
        found = connection.execute(
            f'select {listed} from old.{schema}."{short}" as t where {wanted} order by all'
        ).fetchall()
        names = [column.name for column in columns]
        rows = (dict(zip(names, row, strict=True)) for row in found)
        if any(one.by in RECEIVED for one in table.rows):
            rows = (_received(row, person, contents, lists.get(_entity_table(name, row))) for row in rows)
        parts += _part(name, table, contents, columns, rows)
    return parts


def from_store(
    found: Mapping[str, Iterable[Mapping[str, Any]]], inventory: Inventory, contents: Contents
) -> list[Part]:
    """The person's rows of the store (table → rows, as `cdp.store.subject_rows` reads them)."""
    parts = []
    for name, rows in found.items():
        table = inventory.tables["store", name]
        if name in contents.left_out:
            continue
        columns = _columns(table, contents)
        names = {column.name for column in columns}
        # What a key stands for in words comes with the row and is no column of the table.
        extra = [
            Column(key, contents.title_of(key), "derived")
            for key in dict.fromkeys(key for row in rows for key in row if key not in table.columns)
        ]
        names |= {column.name for column in extra}
        kept = ({key: value for key, value in row.items() if key in names} for row in rows)
        parts += _part(name, table, contents, (*columns, *extra), kept)
    return parts


def store_keys(person: Whose) -> tuple[tuple[str, ...], frozenset[str], tuple[str, ...]]:
    """By what rows of the store are found: profiles (none while other records are in them), records, values."""
    return (() if person.is_mixed else person.profiles), person.records, person.values


def withheld(inventory: Inventory, contents: Contents) -> list[str]:
    """Titles of the tables that speak of the profile as a whole: left out while doubtful records are in it."""
    found = []
    for table in inventory.tables.values():
        of_profile = any(one.by in OF_PROFILE for one in table.rows)
        by_record = {"source", "source_record_id"} <= set(table.columns)
        if of_profile and table.name not in contents.left_out and (table.place == "store" or not by_record):
            found.append(contents.entry(table, table.name).title)
    return sorted(set(found))


def _columns(table: Table, contents: Contents) -> tuple[Column, ...]:
    return tuple(
        Column(name, contents.title_of(name), category)
        for name, category in table.columns.items()
        if contents.shows(name, category)
    )


def part(
    name: str,
    topic: str,
    title: str,
    columns: tuple[Column, ...],
    rows: Iterable[Mapping[str, Any]],
    *,
    about: str = "",
    portable: bool = False,
) -> list[Part]:
    """One part of these rows; none when there are no rows."""
    kept = tuple({key: plain(value) for key, value in row.items()} for row in rows)
    return [Part(name, topic, title, about, columns, kept, portable)] if kept else []


def _part(
    name: str, table: Table, contents: Contents, columns: tuple[Column, ...], rows: Iterable[Mapping[str, Any]]
) -> list[Part]:
    entry = contents.entry(table, name)
    unique = f"store.{name}" if table.place == "store" else name
    return part(unique, entry.topic, entry.title, columns, rows, about=entry.about, portable=entry.portable)


def _received(row: dict[str, Any], person: Whose, contents: Contents, people: PeopleList | None) -> dict[str, Any]:
    """A delivered record as an object, without other people. A line that is no record is told of and not shown."""
    try:
        record = json.loads(row["payload"])
    except (TypeError, ValueError):
        record = None
    if not isinstance(record, dict):
        return {**row, "payload": UNREADABLE}
    record = _own_fields(record, contents.fields_of_others)
    if people is not None:
        for field in people.fields & record.keys():
            record[field] = _own_ids(str(record[field] or ""), people, person.records)
    return {**row, "payload": record}


def _entity_table(name: str, row: Mapping[str, Any]) -> str:
    """The raw table of a row's kind; rows in quarantine say which kind they are of."""
    return f"raw.{row['source']}_{row['entity']}" if "entity" in row else name


def _own_fields(value: Any, others: tuple[str, ...]) -> Any:
    """A value without the fields that name other people, however deep."""
    if isinstance(value, list):
        return [_own_fields(one, others) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: _own_fields(one, others) for name, one in value.items() if not _is_of_others(name, others)}


def _is_of_others(name: str, others: tuple[str, ...]) -> bool:
    words = "_".join(word.lower() for word in _WORDS.findall(name))
    return any(fnmatchcase(words, pattern) for pattern in others)


def _own_ids(text: str, people: PeopleList, records: frozenset[str]) -> str:
    named = [one.strip() for one in text.split(people.separator)]
    return people.separator.join(one for one in named if f"{people.source}:{one}" in records)
