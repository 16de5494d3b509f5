"""Answers about segments, all from the store."""

from __future__ import annotations

import json
from typing import Any

from api.paging import begin
from api.security import Caller
from api.services import Services
from cdp.errors import NotFoundError
from cdp.store.base import SegmentRow


async def listed(services: Services, cursor: str | None, limit: int) -> dict[str, Any]:
    """A page of segments, by key."""
    listing = await begin(services, "segments", cursor, limit)
    after = str(listing.after[0]) if listing.after else ""
    rows = [row for row in await services.reader.list_segments() if row.key > after]
    return listing.page(rows, lambda row: [row.key], _segment)


async def members(services: Services, caller: Caller, key: str, cursor: str | None, limit: int) -> dict[str, Any]:
    """A page of a segment's members, by profile id. NotFoundError for an unknown segment."""
    if await services.reader.get_segment(key) is None:
        raise NotFoundError("There is no segment with this key; `GET /v1/segments` lists them.")
    listing = await begin(services, f"members:{key}", cursor, limit)
    after = str(listing.after[0]) if listing.after else None
    rows = await services.reader.memberships(key, after=after, limit=listing.fetch)
    services.audit.record(caller.actor, "segment.members", key, {"rows": min(len(rows), limit)})
    return listing.page(rows, lambda row: [row.profile_id])


def _segment(row: SegmentRow) -> dict[str, Any]:
    return {**vars(row), "definition": json.loads(row.definition)}
