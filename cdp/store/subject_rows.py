"""What the store holds of one person, table by table, for whoever has to tell them.

Which rows are theirs is said in `personal_data`, in the same words as for an erasure; a row that names two records
counts only when both are theirs. The in-memory store keeps no such tables and is not read here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from cdp.store import (  # noqa: F401  (their tables join the schema)
    consent_tables,
    correction_tables,
    decision_tables,
    delivery_tables,
    segmentation_tables,
    trigger_tables,
)
from cdp.store.erasing import connected
from cdp.store.personal_data import TABLES
from cdp.store.schema import metadata

_OF_PROFILE = ("profile", "tombstone")


def read(
    url: str, *, profiles: Iterable[str], records: Iterable[str], values: Iterable[str]
) -> dict[str, list[dict[str, Any]]]:
    """Rows by table (column → value), in a fixed order; tables without any are left out.

    `profiles` are profile ids, `records` are `source:id`, `values` are normalised addresses and numbers that nobody
    else carries. All of one person: they are compared one by one.
    """
    found = {}
    with connected(url) as engine, engine.connect() as connection:
        for name, declared in TABLES.items():
            table = metadata.tables[name]
            wanted = condition(table, declared.rows, sorted(profiles), sorted(records), sorted(values))
            if wanted is None:
                continue
            rows = connection.execute(sa.select(table).where(wanted).order_by(*table.primary_key.columns)).mappings()
            if kept := [dict(row) for row in rows]:
                found[name] = kept
    return found


def titles(url: str) -> dict[str, dict[str, str]]:
    """What keys stand for: titles of segments and destinations by key, and the sentence that defines each segment."""
    segments, destinations = metadata.tables["segments"], metadata.tables["destinations"]
    with connected(url) as engine, engine.connect() as connection:
        rows = connection.execute(sa.select(segments.c.key, segments.c.title, segments.c.sentence)).all()
        receivers = connection.execute(sa.select(destinations.c.key, destinations.c.title)).all()
    return {
        "segment": {row.key: row.title for row in rows},
        "sentence": {row.key: row.sentence for row in rows},
        "destination": {row.key: row.title for row in receivers},
    }


def condition(
    table: sa.Table, rows: tuple[str, ...], profiles: list[str], records: list[str], values: list[str]
) -> sa.ColumnElement[bool] | None:
    """When a row is the person's; None for a table without rows of people."""
    by, *columns = rows
    if by in _OF_PROFILE:
        return table.c[columns[0]].in_(profiles)
    if by == "record":
        source, key = columns
        return sa.tuple_(table.c[source], table.c[key]).in_([tuple(one.split(":", 1)) for one in records])
    if by == "record_key":
        return sa.and_(*(table.c[column].in_(records) for column in columns))
    if by == "value":
        return table.c[columns[1]].in_(values)
    return None
