"""Keys and the audit trail, through the synchronous store in a worker thread."""

from __future__ import annotations

import asyncio
from typing import Any

from api.cursors import Position
from api.security import Caller
from api.services import Services
from cdp.errors import NotFoundError
from cdp.store import keys
from cdp.store.base import AuditRow
from privacy.seen import Sight, sights
from segments.moments import asked


async def listed(services: Services) -> dict[str, Any]:
    """All keys."""
    found = await asyncio.to_thread(services.store.list_keys)
    return {"data": [vars(key) for key in found]}


async def revoke(services: Services, caller: Caller, key_id: str) -> None:
    """Revoke a key. NotFoundError when there is none with this id."""
    await asyncio.to_thread(keys.revoke, services.store, key_id, actor=caller.actor)


async def audit(
    services: Services, caller: Caller, *, action: str | None, object: str | None, cursor: str | None, limit: int
) -> dict[str, Any]:
    """A page of the audit trail, up to what happened just now."""
    listing = f"audit:{action}:{object}"
    position = services.cursors.decode(listing, cursor)
    after = int(position.after[0]) if position else 0

    def read() -> list[AuditRow]:
        services.audit.flush()
        return services.store.audit_rows(after=after, limit=limit + 1, action=action, object=object)

    rows = await asyncio.to_thread(read)
    services.audit.record(caller.actor, "audit.read", object or "all", {"rows": min(len(rows), limit)})
    more = services.cursors.encode(listing, Position(0, [rows[limit - 1].seq])) if len(rows) > limit else None
    return {"data": [_record(row) for row in rows[:limit]], "next_cursor": more}


async def seen(
    services: Services,
    caller: Caller,
    profile_id: str,
    *,
    since: str | None,
    until: str | None,
    cursor: str | None,
    limit: int,
) -> dict[str, Any]:
    """A page of who saw a profile. NotFoundError for an id that never was one."""
    first, end = asked(since, "since"), asked(until, "until")
    listing = f"seen:{profile_id}:{since}:{until}"
    position = services.cursors.decode(listing, cursor)
    after = int(position.after[0]) if position else 0

    def read() -> list[Sight]:
        if services.store.get_profile(profile_id) is None:
            raise NotFoundError("There was never a profile with this id.")
        services.audit.flush()
        return sights(services.store, profile_id, since=first, until=end, after=after, limit=limit + 1)

    found = await asyncio.to_thread(read)
    services.audit.record(caller.actor, "audit.read", profile_id, {"rows": min(len(found), limit)})
    more = services.cursors.encode(listing, Position(0, [found[limit - 1].seq])) if len(found) > limit else None
    return {"data": [vars(one) for one in found[:limit]], "next_cursor": more}


def _record(row: AuditRow) -> dict[str, Any]:
    return {**vars(row.entry), "seq": row.seq, "hash": row.hash}
