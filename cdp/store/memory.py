"""A store in memory, for tests and trials: the same promises as the SQL store, no file and no database.

It passes the same contract tests. It keeps everything in dictionaries and copies them for a publication, so that a
publication that fails half-way leaves what was there.
"""

from __future__ import annotations

import secrets as randomness
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import TracebackType
from typing import Literal, Self

from cdp.clock import wall_now
from cdp.errors import CheckFailed, ConflictError
from cdp.store import chain
from cdp.store.base import (
    STATUSES,
    ApiKey,
    AuditEntry,
    AuditRow,
    IdentifierRow,
    Membership,
    MembershipChange,
    ProfileDocument,
    Publication,
    PublishReport,
    Redirect,
    SegmentRow,
    StoredIdentifier,
    StoredProfile,
)
from cdp.store.memory_decisions import InMemoryDecisions
from cdp.store.publishing import content_hash, document_text
from cdp.store.statements import value_key


@dataclass
class _Published:
    """What a publication replaces."""

    profiles: dict[str, StoredProfile] = field(default_factory=dict)
    # (type, value_key, profile_id) → id
    identifiers: dict[tuple[str, str, str], int] = field(default_factory=dict)
    last_identifier: int = 0
    segments: dict[str, SegmentRow] = field(default_factory=dict)
    # segment key → profile id → since
    members: dict[str, dict[str, datetime]] = field(default_factory=dict)
    changes: list[MembershipChange] = field(default_factory=list)
    last_change: int = 0
    publications: list[Publication] = field(default_factory=list)


class InMemoryStore:
    """Implements `cdp.store.base.Store` in this process."""

    url = "memory:"

    def __init__(self) -> None:
        self._now = _Published()
        self.decisions = InMemoryDecisions()
        self._keys: dict[str, ApiKey] = {}
        self._audit: list[AuditRow] = []
        self._secrets: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def published(self) -> _Published:
        """What is served now; an erasure changes it in place."""
        return self._now

    def close(self) -> None:
        """Nothing to give back; the content stays."""

    def publish(
        self,
        publication: Publication,
        *,
        profiles: Iterable[ProfileDocument],
        identifiers: Iterable[IdentifierRow],
        redirects: Iterable[Redirect],
        segments: Iterable[SegmentRow],
        memberships: Iterable[tuple[str, str]],
    ) -> PublishReport:
        """See `Store.publish`."""
        old = self._now
        new, written, redirected, removed = _next_profiles(old, profiles, redirects)
        added, dropped = _next_identifiers(old, new, identifiers)
        entered, exited = _next_members(old, new, publication, segments, memberships)
        seq = len(old.publications) + 1
        new.publications = [*old.publications, replace(publication, seq=seq, published_at=wall_now())]
        self._now = new
        living = sum(p.status == "living" for p in new.profiles.values())
        return PublishReport(seq, written, living - written, removed, redirected, added, dropped, entered, exited)

    def current_publication(self) -> Publication | None:
        """See `Store.current_publication`."""
        return self._now.publications[-1] if self._now.publications else None

    def get_profile(self, profile_id: str) -> StoredProfile | None:
        """See `Store.get_profile`."""
        return self._now.profiles.get(profile_id)

    def lookup(self, type: str, value: str) -> list[str]:
        """See `Store.lookup`."""
        wanted = (type, value_key(value))
        return sorted(profile_id for kind, key, profile_id in self._now.identifiers if (kind, key) == wanted)

    def identifiers(self, profile_id: str, *, after: int = 0, limit: int = 1000) -> list[StoredIdentifier]:
        """See `Store.identifiers`."""
        found = [
            StoredIdentifier(number, kind, key)
            for (kind, key, owner), number in self._now.identifiers.items()
            if owner == profile_id and number > after
        ]
        return sorted(found, key=lambda identifier: identifier.id)[:limit]

    def list_segments(self) -> list[SegmentRow]:
        """See `Store.list_segments`."""
        return [row for _, row in sorted(self._now.segments.items())]

    def memberships(self, key: str, *, after: str | None = None, limit: int = 1000) -> list[Membership]:
        """See `Store.memberships`."""
        members = self._now.members.get(key, {})
        ids = sorted(members)
        start = bisect_right(ids, after or "")
        return [Membership(profile_id, members[profile_id]) for profile_id in ids[start : start + limit]]

    def segment_members(self, key: str, *, after: str | None = None, limit: int = 1000) -> list[str]:
        """See `Store.segment_members`."""
        return [member.profile_id for member in self.memberships(key, after=after, limit=limit)]

    def membership_changes(
        self, *, after: int = 0, limit: int = 1000, segment_key: str | None = None
    ) -> list[MembershipChange]:
        """See `Store.membership_changes`."""
        found = [c for c in self._now.changes if c.seq > after and segment_key in (None, c.segment_key)]
        return found[:limit]

    def add_key(self, key: ApiKey) -> None:
        """See `Store.add_key`."""
        if key.id in self._keys or self.find_key(key.prefix):
            raise ConflictError("There is already an API key with this id or prefix.")
        self._keys[key.id] = key

    def list_keys(self) -> list[ApiKey]:
        """See `Store.list_keys`."""
        return sorted(self._keys.values(), key=lambda key: (key.created_at, key.id))

    def find_key(self, prefix: str) -> ApiKey | None:
        """See `Store.find_key`."""
        return next((key for key in self._keys.values() if key.prefix == prefix), None)

    def revoke_key(self, key_id: str, at: datetime) -> bool:
        """See `Store.revoke_key`."""
        key = self._keys.get(key_id)
        if key is None:
            return False
        self._keys[key_id] = replace(key, revoked_at=key.revoked_at or at)
        return True

    def append_audit(self, entries: Sequence[AuditEntry]) -> int:
        """See `Store.append_audit`."""
        known = {row.entry.entry_id for row in self._audit}
        new = 0
        for entry in entries:
            if entry.entry_id not in known:
                known.add(entry.entry_id)
                previous = self._audit[-1].hash if self._audit else chain.GENESIS
                row = AuditRow(len(self._audit) + 1, entry, previous, chain.link(previous, entry))
                self._audit.append(row)
                new += 1
        return new

    def audit_rows(
        self, *, after: int = 0, limit: int = 1000, action: str | None = None, object: str | None = None
    ) -> list[AuditRow]:
        """See `Store.audit_rows`."""
        found = [
            row
            for row in self._audit
            if row.seq > after and action in (None, row.entry.action) and object in (None, row.entry.object)
        ]
        return found[:limit]

    def verify_audit(self) -> int | None:
        """See `Store.verify_audit`."""
        return chain.first_break(self._audit)

    def secret(self, name: str) -> bytes:
        """See `Store.secret`."""
        return self._secrets.setdefault(name, randomness.token_bytes(32))


def _next_profiles(
    old: _Published, profiles: Iterable[ProfileDocument], redirects: Iterable[Redirect]
) -> tuple[_Published, int, int, int]:
    new = _Published(last_identifier=old.last_identifier, changes=list(old.changes), last_change=old.last_change)
    written = redirected = 0
    for profile in profiles:
        if profile.profile_id in new.profiles:
            raise CheckFailed("Nothing was published: a profile id was given twice.")
        text = document_text(profile)
        row = StoredProfile(profile.profile_id, "living", None, text, content_hash(text), 1)
        new.profiles[profile.profile_id], changed = _version(old.profiles.get(profile.profile_id), row)
        written += changed
    living = set(new.profiles)
    for redirect in redirects:
        if redirect.profile_id in living:
            raise CheckFailed("Nothing was published: 1 profile(s) are both living and redirected.")
        if redirect.profile_id in new.profiles:
            raise CheckFailed("Nothing was published: an id was redirected twice.")
        if redirect.status not in STATUSES[1:] or (redirect.status == "merged") != (redirect.merged_into is not None):
            raise CheckFailed(
                "Nothing was published: a redirect has an unknown status, or does not fit what it says of merging."
            )
        row = StoredProfile(redirect.profile_id, redirect.status, redirect.merged_into, None, "", 1)
        new.profiles[redirect.profile_id], changed = _version(old.profiles.get(redirect.profile_id), row)
        redirected += changed
    removed = 0
    for profile_id, former in old.profiles.items():
        if profile_id not in new.profiles:
            if former.status == "living":
                removed += 1
            else:
                new.profiles[profile_id] = former
    return new, written, redirected, removed


def _version(old: StoredProfile | None, new: StoredProfile) -> tuple[StoredProfile, bool]:
    if old is None:
        return new, True
    same = (old.status, old.merged_into, old.content_hash) == (new.status, new.merged_into, new.content_hash)
    return (old, False) if same else (replace(new, version=old.version + 1), True)


def _next_identifiers(old: _Published, new: _Published, rows: Iterable[IdentifierRow]) -> tuple[int, int]:
    added = 0
    for row in rows:
        owner = new.profiles.get(row.profile_id)
        if owner is None or owner.status != "living":
            raise CheckFailed("Nothing was published: 1 identifier(s) lead to profiles that are not there.")
        place = (row.type, value_key(row.value), row.profile_id)
        if place in new.identifiers:
            continue
        if place not in old.identifiers:
            new.last_identifier += 1
            added += 1
        new.identifiers[place] = old.identifiers.get(place, new.last_identifier)
    return added, sum(place not in new.identifiers for place in old.identifiers)


def _next_members(
    old: _Published,
    new: _Published,
    publication: Publication,
    segments: Iterable[SegmentRow],
    memberships: Iterable[tuple[str, str]],
) -> tuple[int, int]:
    for segment in segments:
        if segment.key in new.segments:
            raise CheckFailed("Nothing was published: a segment key was given twice.")
        new.segments[segment.key] = segment
        new.members[segment.key] = {}
    for key, profile_id in memberships:
        owner = new.profiles.get(profile_id)
        if key not in new.members or owner is None or owner.status != "living":
            raise CheckFailed("Nothing was published: 1 membership(s) name an unknown profile or segment.")
        new.members[key][profile_id] = old.members.get(key, {}).get(profile_id, publication.as_of)
    carried: set[tuple[str, str]] = set()
    exits = []
    for key, former in sorted(old.members.items()):
        for profile_id, since in sorted(former.items()):
            now = new.members.get(key, {})
            if profile_id in now:
                continue
            successor = _successor(new, profile_id)
            if successor is not None and successor in now:
                now[successor] = min(since, now[successor])
                carried.add((key, successor))
            else:
                exits.append((key, profile_id))
    entries = [
        (key, profile_id)
        for key, now in sorted(new.members.items())
        for profile_id in sorted(now)
        if profile_id not in old.members.get(key, {}) and (key, profile_id) not in carried
    ]
    _record(new, "exited", exits, publication)
    _record(new, "entered", entries, publication)
    return len(entries), len(exits)


def _record(
    new: _Published, change: Literal["entered", "exited"], found: list[tuple[str, str]], publication: Publication
) -> None:
    for key, profile_id in found:
        new.last_change += 1
        new.changes.append(
            MembershipChange(new.last_change, key, profile_id, change, publication.run_id, publication.as_of)
        )


def _successor(new: _Published, profile_id: str) -> str | None:
    """The living profile at the end of a chain of merges."""
    seen: set[str] = set()
    current: str | None = profile_id
    while current is not None and current not in seen:
        seen.add(current)
        row = new.profiles.get(current)
        if row is None or row.status == "living":
            return current if row else None
        current = row.merged_into
    return None
