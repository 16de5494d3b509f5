"""A store in memory, for tests and trials: the same promises as the SQL store, no file and no database.

It passes the same contract tests. It keeps everything in dictionaries and copies them for a publication, so that a
publication that fails half-way leaves what was there.
"""

from __future__ import annotations

import secrets as randomness
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Self

from cdp.clock import wall_now
from cdp.domain.audited import LISTS
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
    Rights,
    SegmentRow,
    StoredIdentifier,
    StoredProfile,
)
from cdp.store.memory_consents import InMemoryConsents
from cdp.store.memory_corrections import InMemoryCorrections
from cdp.store.memory_decisions import InMemoryDecisions
from cdp.store.memory_state import Published, State
from cdp.store.publishing import content_hash, document_text
from cdp.store.segmentation import Moved, OutdatedError
from cdp.store.segmentation_memory import InMemorySegmentation
from cdp.store.statements import value_key


class InMemoryStore:
    """Implements `cdp.store.base.Store` in this process."""

    url = "memory:"

    def __init__(self) -> None:
        self.decisions = InMemoryDecisions()
        self._state = State()
        self.segmentation = InMemorySegmentation(self._state)
        self.consents = InMemoryConsents(self._state, self.segmentation)
        self.corrections = InMemoryCorrections(self._state)
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
    def published(self) -> Published:
        """What is served now; an erasure changes it in place."""
        return self._now

    def close(self) -> None:
        """Nothing to give back; the content stays."""

    @property
    def _now(self) -> Published:
        return self._state.now

    def publish(
        self,
        publication: Publication,
        *,
        profiles: Iterable[ProfileDocument],
        identifiers: Iterable[IdentifierRow],
        redirects: Iterable[Redirect],
        segments: Iterable[SegmentRow],
        memberships: Iterable[tuple[str, str, bool]],
        definitions: Mapping[str, int] | None = None,
        consents: int = 0,
        rights: Rights | None = None,
    ) -> PublishReport:
        """See `Store.publish`; this store has no destinations, so nobody is told."""
        old = self._now
        if definitions is not None and dict(definitions) != {
            key: one.version for key, one in self._state.definitions().items()
        }:
            raise OutdatedError("The segments were changed meanwhile; they have to be evaluated again.")
        new, written, redirected, removed = _next_profiles(old, profiles, redirects)
        added, dropped = _next_identifiers(old, new, identifiers)
        moved = _next_members(old, new, publication, segments, memberships, consents=consents)
        seq = len(old.publications) + 1
        new.publications = [*old.publications, replace(publication, seq=seq, published_at=wall_now())]
        self._state.now = new
        living = sum(p.status == "living" for p in new.profiles.values())
        unchanged = living - written
        return PublishReport(
            seq, written, unchanged, removed, redirected, added, dropped, entered=moved.entered, exited=moved.exited
        )

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

    def memberships(
        self, key: str, *, after: str | None = None, limit: int = 1000, exportable: bool | None = None
    ) -> list[Membership]:
        """See `Store.memberships`."""
        stays = self._now.book.stays.get(key, {})
        ids = sorted(one for one, stay in stays.items() if exportable in (None, stay.exportable))
        start = bisect_right(ids, after or "")
        return [Membership(one, stays[one].since, stays[one].exportable) for one in ids[start : start + limit]]

    def segment_members(self, key: str, *, after: str | None = None, limit: int = 1000) -> list[str]:
        """See `Store.segment_members`."""
        return [member.profile_id for member in self.memberships(key, after=after, limit=limit)]

    def membership_changes(
        self, *, after: int = 0, limit: int = 1000, segment_key: str | None = None
    ) -> list[MembershipChange]:
        """See `Store.membership_changes`."""
        found = [c for c in self._now.book.changes if c.seq > after and segment_key in (None, c.segment_key)]
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

    def audit_about(
        self,
        profile_ids: Collection[str],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> list[AuditRow]:
        """See `Store.audit_about`."""
        found = [
            row
            for row in self._audit
            if row.seq > after
            and (row.entry.object in profile_ids or row.entry.action in LISTS)
            and (since is None or row.entry.at >= since)
            and (until is None or row.entry.at < until)
        ]
        return found[:limit]

    def last_audit(self) -> AuditRow | None:
        """See `Store.last_audit`."""
        return self._audit[-1] if self._audit else None

    def former_ids(self, profile_id: str) -> list[str]:
        """See `Store.former_ids`."""
        return self._state.now.former_ids(profile_id)

    def verify_audit(self) -> int | None:
        """See `Store.verify_audit`."""
        return chain.first_break(self._audit)

    def secret(self, name: str) -> bytes:
        """See `Store.secret`."""
        return self._secrets.setdefault(name, randomness.token_bytes(32))


def _next_profiles(
    old: Published, profiles: Iterable[ProfileDocument], redirects: Iterable[Redirect]
) -> tuple[Published, int, int, int]:
    new = Published(last_identifier=old.last_identifier, book=old.book.copy())
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


def _next_identifiers(old: Published, new: Published, rows: Iterable[IdentifierRow]) -> tuple[int, int]:
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
    old: Published,
    new: Published,
    publication: Publication,
    segments: Iterable[SegmentRow],
    memberships: Iterable[tuple[str, str, bool]],
    *,
    consents: int,
) -> Moved:
    given: dict[str, dict[str, bool]] = {}
    for segment in segments:
        if segment.key in new.segments:
            raise CheckFailed("Nothing was published: a segment key was given twice.")
        new.segments[segment.key] = segment
        given[segment.key] = {}
    held = {key: new.held(row.purpose, consents) for key, row in new.segments.items()}
    for key, profile_id, exportable in memberships:
        owner = new.profiles.get(profile_id)
        if key not in given or owner is None or owner.status != "living":
            raise CheckFailed("Nothing was published: 1 membership(s) name an unknown profile or segment.")
        given[key][profile_id] = exportable and profile_id not in held[key]
        if exportable and not given[key][profile_id]:
            new.segments[key] = replace(new.segments[key], exportable=new.segments[key].exportable - 1)
    gone: dict[str, dict[str, bool]] = {key: {} for key in old.book.stays if key not in given}
    moved = new.book.settle(
        {**given, **gone},
        _successors(new),
        _restored(old, new),
        at=publication.as_of,
        run_id=publication.run_id,
        reason="evaluated",
    )
    new.book.holds = {hold: entry for hold, entry in new.book.holds.items() if entry is None or entry > consents}
    new.book.history = [past for past in new.book.history if past.profile_id in new.profiles]
    return moved


def _successors(new: Published) -> dict[str, str]:
    """The living profile of every merged one."""
    merged = [row.profile_id for row in new.profiles.values() if row.status == "merged"]
    return {one: living for one in merged if (living := new.lives_as(one)) is not None}


def _restored(old: Published, new: Published) -> dict[str, list[str]]:
    """For every id that came back: the ids that it had gone on as."""
    found: dict[str, list[str]] = {}
    for one, row in old.profiles.items():
        if row.status == "merged" and new.profiles[one].status == "living":
            chain, current = [], row.merged_into
            while current is not None and current not in chain:
                chain.append(current)
                former = old.profiles.get(current)
                current = former.merged_into if former else None
            found[one] = chain
    return found
