"""Who saw one person's profile, and when: answered from the audit log, lists and exports included.

An entry about a list says which stretch of ids it covered. Whether a person was on it follows from the history of the
segment's members; where there is none any more (after an erasure, or for lists that are no segments) the answer says
that they may have been.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from cdp.domain import audited
from cdp.store.base import AuditRow, Store
from privacy.naming import living

How = Literal["itself", "listed", "possible"]

_OF_SEGMENTS = ("segment.members", "segment.export")
_BATCH = 1000


@dataclass(frozen=True)
class Sight:
    """Somebody saw a profile: `itself`, `listed` among others, or `possible`, when that cannot be known any more.

    `personal`: whether values stood in the clear, where the entry says so. `seq` is the entry's place in the log.
    """

    seq: int
    at: datetime
    actor: str
    action: str
    object: str
    how: How
    personal: bool | None


def sights(
    store: Store,
    profile_id: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[Sight]:
    """Whatever was done with a profile at or after `since` and before `until`, oldest first, above place `after`.

    The profile is taken with all ids that it had and lives on as: merging does not hide what was seen before.
    """
    current = living(store, profile_id)
    ids = [current, *store.former_ids(current)]
    found: list[Sight] = []
    while len(found) < limit:
        rows = store.audit_about(ids, since=since, until=until, after=after, limit=_BATCH)
        for row in rows:
            how = _how(store, row, ids)
            if how is not None and len(found) < limit:
                found.append(_sight(row, how))
        if len(rows) < _BATCH:
            break
        after = rows[-1].seq
    return found


def _sight(row: AuditRow, how: How) -> Sight:
    entry = row.entry
    personal = entry.detail.get("personal")
    return Sight(
        row.seq, entry.at, entry.actor, entry.action, entry.object, how, None if personal is None else bool(personal)
    )


def _how(store: Store, row: AuditRow, ids: list[str]) -> How | None:
    """How an entry concerns whoever has these ids; None when it does not."""
    entry = row.entry
    if entry.object in ids:
        return "itself"
    if any(audited.names(entry.detail, one) for one in ids):
        return "listed"
    within = [one for one in ids if audited.reaches(entry.detail, one)]
    if not within:
        return None
    if entry.action not in _OF_SEGMENTS or any(_is_forgotten(store, one) for one in within):
        return "possible"
    if not any(_was_member(store, entry.object, one, entry.at, entry.detail) for one in within):
        return None
    # For another purpose than the segment's own, consent decided that is not part of the history.
    return "possible" if entry.detail.get("purpose") else "listed"


def _is_forgotten(store: Store, profile_id: str) -> bool:
    known = store.get_profile(profile_id)
    return known is None or known.status == "retired"


def _was_member(store: Store, key: str, profile_id: str, at: datetime, detail: Any) -> bool:
    # Ids are of one length: above all of an id but its last character come first those that begin with it.
    before, others = profile_id[:-1], 17
    members = store.segmentation.members_at(
        key, at, after=before, limit=others, exportable=True if detail.get("exportable") else None
    )
    return any(member.profile_id == profile_id for member in members)
