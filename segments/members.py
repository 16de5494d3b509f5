"""Members as the store serves them now, as a relation for the engine: holds and erasures since the evaluation count."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa

from cdp.store.base import Store

PAGE = 50_000
SCHEMA = pa.schema([("profile_id", pa.string()), ("exportable", pa.bool_())])


def served_members(store: Store, key: str, *, purposes: Collection[str] = ()) -> pa.Table:
    """(profile_id, exportable) of a segment's members, by profile_id; `purposes` are to be allowed besides its own."""
    held = set[str]().union(*(store.segmentation.held(purpose) for purpose in purposes))
    batches, after = [], None
    while page := store.memberships(key, after=after, limit=PAGE):
        ids = [member.profile_id for member in page]
        flags = [member.exportable and member.profile_id not in held for member in page]
        batches.append(pa.record_batch([pa.array(ids, pa.string()), pa.array(flags, pa.bool_())], schema=SCHEMA))
        after = ids[-1]
    return pa.Table.from_batches(batches, SCHEMA)
