"""Answers about segments: what is served, who is in, and who came and left. All from the store, but for traits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from api import masking
from api.cursors import Position
from api.gating import restricted
from api.paging import Listing, begin
from api.security import Caller
from api.services import Services
from cdp.domain import audited
from cdp.errors import InputError, NotFoundError
from cdp.store.base import MembershipChange, SegmentRow
from cdp.store.segmentation import DefinitionVersion
from cdp.wording import nearest
from segments import document, moments
from segments.errors import DefinitionError
from segments.text_printer import print_text
from segments.traits import traits_of

SECONDS = 10.0
MOST_FIELDS = 50


async def listed(services: Services, cursor: str | None, limit: int) -> dict[str, Any]:
    """A page of segments, by key."""
    listing = await begin(services, "segments", cursor, limit)
    after = str(listing.after[0]) if listing.after else ""
    rows = [row for row in await services.reader.list_segments() if row.key > after]
    return listing.page(rows[: listing.fetch], lambda row: [row.key], shown)


async def found(services: Services, key: str) -> SegmentRow:
    """One segment. NotFoundError with the nearest key."""
    row = await services.reader.get_segment(key)
    if row is None:
        raise await missing(services, key)
    return row


async def missing(services: Services, key: str) -> NotFoundError:
    """That there is no such segment, with the nearest key."""
    keys = [one.key for one in await services.reader.list_segments()]
    return NotFoundError(f"There is no segment with this key.{nearest(key, keys)} `GET /v1/segments` lists them.")


async def versions(services: Services, key: str, cursor: str | None, limit: int) -> dict[str, Any]:
    """Versions of a segment of a user, newest first, also of a deleted one."""
    listing = f"versions:{key}"
    position = services.cursors.decode(listing, cursor)
    before = int(position.after[0]) if position else None
    rows = await asyncio.to_thread(services.store.segmentation.versions, key, before=before, limit=limit + 1)
    if not rows and position is None:
        await found(services, key)
    more = services.cursors.encode(listing, Position(0, [rows[limit - 1].version])) if len(rows) > limit else None
    return {"data": [_version(one) for one in rows[:limit]], "next_cursor": more}


async def members(
    services: Services, caller: Caller, key: str, cursor: str | None, limit: int, *,
    exportable: bool | None, fields: str | None,
) -> dict[str, Any]:  # fmt: skip
    """A page of a segment's members, by profile id, with the traits asked for."""
    await found(services, key)
    listing = await begin(services, f"members:{key}:{exportable}", cursor, limit)
    after = str(listing.after[0]) if listing.after else None
    rows = await services.reader.memberships(key, after=after, limit=listing.fetch, exportable=exportable)
    page = listing.page(rows, lambda row: [row.profile_id], lambda row: dict(vars(row)))
    closed = await restricted(services, listing.publication)
    page["data"] = [row for row in page["data"] if row["profile_id"] not in closed]
    names = _names(fields)
    ids = [row["profile_id"] for row in page["data"]]
    detail: dict[str, Any] = {"rows": len(ids), "exportable": exportable, **audited.stretch(after, ids)}
    if names:
        await _add_traits(services, caller, listing, page["data"], names)
        detail |= {"fields": len(names), "personal": caller.sees_personal_data}
    services.audit.record(caller.actor, "segment.members", key, detail)
    return page


async def past_members(
    services: Services,
    caller: Caller,
    key: str,
    as_of: str,
    *,
    cursor: str | None,
    limit: int,
    exportable: bool | None,
) -> dict[str, Any]:
    """A page of who was in at a moment, by the profile id of then; also of a segment that is deleted."""
    at = _moment(as_of)
    await _once_there(services, key)
    listing = await begin(services, f"members:{key}:{exportable}:{at.isoformat()}", cursor, limit)
    after = str(listing.after[0]) if listing.after else None
    rows = await asyncio.to_thread(
        services.store.segmentation.members_at, key, at, after=after, limit=listing.fetch, exportable=exportable
    )
    page = listing.page(rows, lambda row: [row.profile_id], vars)
    ids = [row["profile_id"] for row in page["data"]]
    detail = {"rows": len(ids), "past": at.isoformat(), "exportable": exportable, **audited.stretch(after, ids)}
    services.audit.record(caller.actor, "segment.members", key, detail)
    return page


async def changes(
    services: Services, caller: Caller, key: str, cursor: str | None, limit: int, *, from_now: bool
) -> dict[str, Any]:
    """Part of the change feed, in the order in which it was written; also of a segment that is deleted."""
    listing = f"changes:{key}"
    position = services.cursors.decode(listing, cursor)
    await _once_there(services, key)

    def read() -> tuple[int, list[MembershipChange]]:
        if position is None and from_now:
            return services.store.segmentation.last_change(), []
        after = int(position.after[0]) if position else 0
        return after, services.store.membership_changes(after=after, limit=limit + 1, segment_key=key)

    place, rows = await asyncio.to_thread(read)
    shown_rows = rows[:limit]
    if shown_rows:
        place = shown_rows[-1].seq
    services.audit.record(caller.actor, "segment.changes", key, {
        "rows": len(shown_rows), **audited.named(one for row in shown_rows for one in (row.profile_id, row.former_id)),
    })  # fmt: skip
    return {
        "data": [vars(row) for row in shown_rows],
        "next_cursor": services.cursors.encode(listing, Position(0, [place])),
        "has_more": len(rows) > limit,
    }


def shown(row: SegmentRow) -> dict[str, Any]:
    """A segment over the wire."""
    definition = json.loads(row.definition)
    return {**vars(row), "definition": definition, "text": _text(definition)}


def _text(definition: Any) -> str | None:
    try:
        return print_text(document.parse(definition).where)
    except DefinitionError:
        return None


async def _once_there(services: Services, key: str) -> None:
    if await services.reader.get_segment(key) is None:
        former = await asyncio.to_thread(services.store.segmentation.definition, key)
        if former is None:
            await found(services, key)


async def _add_traits(
    services: Services, caller: Caller, listing: Listing, rows: Sequence[dict[str, Any]], names: list[str]
) -> None:
    ids = [row["profile_id"] for row in rows]
    known = await services.analyst.ask(
        listing.publication, lambda connection: traits_of(connection, ids, names), seconds=SECONDS
    )
    for row in rows:
        # Personal data of somebody whom the purpose may not reach is shown to nobody here.
        everything = caller.sees_personal_data and row["exportable"]
        row["traits"] = {
            name: value if everything or name in masking.PUBLIC_COLUMNS else masking.masked(value)
            for name, value in known.get(row["profile_id"], {}).items()
        }


def _names(fields: str | None) -> list[str]:
    names = [name.strip() for name in fields.split(",")] if fields else []
    if len(names) > MOST_FIELDS:
        raise InputError(f"At most {MOST_FIELDS} fields are shown at once.")
    return names


def _moment(text: str) -> datetime:
    try:
        return moments.moment(text)
    except ValueError as error:
        raise InputError(f"as_of: {error}.") from None


def _version(one: DefinitionVersion) -> dict[str, Any]:
    return {**vars(one), "definition": json.loads(one.definition)}
