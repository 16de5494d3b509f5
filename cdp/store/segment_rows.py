"""Writing the served rows of segments, and whether the definitions behind them are still the current ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from cdp.store.base import SegmentRow
from cdp.store.schema import segments
from cdp.store.segmentation import OutdatedError
from cdp.store.segmentation_tables import segment_versions

# The last version of every user segment, deleted ones included.
LATEST = sa.select(segment_versions.c.key, sa.func.max(segment_versions.c.version).label("version")).group_by(
    segment_versions.c.key
)


def write_segments(connection: sa.Connection, rows: Sequence[SegmentRow]) -> None:
    """Insert or replace served rows."""
    if rows:
        connection.execute(_upsert(connection.dialect.name), [_values(row) for row in rows])


def require_versions(connection: sa.Connection, definitions: Mapping[str, int]) -> None:
    """OutdatedError unless these are the versions of all user segments that are there."""
    latest = LATEST.subquery()
    current = sa.select(segment_versions.c.key, segment_versions.c.version).join(
        latest, sa.and_(latest.c.key == segment_versions.c.key, latest.c.version == segment_versions.c.version)
    )
    found = connection.execute(current.where(sa.not_(segment_versions.c.deleted))).fetchall()
    if {row[0]: row[1] for row in found} != dict(definitions):
        raise OutdatedError("The segments were changed meanwhile; they have to be evaluated again.")


def _values(row: SegmentRow) -> dict[str, Any]:
    return {**vars(row), "blocking": json.dumps(row.blocking, ensure_ascii=False)}


def _upsert(name: str) -> sa.Insert:
    if name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgres_insert

        statement = postgres_insert(segments)
        return statement.on_conflict_do_update(index_elements=["key"], set_=dict(statement.excluded.items()))
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    other = sqlite_insert(segments)
    return other.on_conflict_do_update(index_elements=["key"], set_=dict(other.excluded.items()))
