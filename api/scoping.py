"""Whom an analytical answer is about: everyone, or the members of one segment, as a relation of the connection."""

from __future__ import annotations

import duckdb

from cdp.store.base import Store

BATCH = 50_000


def members(connection: duckdb.DuckDBPyConnection, store: Store, segment: str | None) -> str | None:
    """The name of a relation with the segment's members (`profile_id`), or None for everyone."""
    if segment is None:
        return None
    import pyarrow as pa

    chunks, after = [], None
    while ids := store.segment_members(segment, after=after, limit=BATCH):
        chunks.append(pa.array(ids, pa.string()))
        after = ids[-1]
    connection.register("segment_members", pa.table({"profile_id": pa.chunked_array(chunks, pa.string())}))
    return "segment_members"
