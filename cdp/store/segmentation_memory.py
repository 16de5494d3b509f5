"""Segmentation in memory, for tests and trials: the same promises, over the state of `InMemoryStore`."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from cdp.domain.consent import EVERYTHING
from cdp.store.base import MembershipChange, SegmentRow
from cdp.store.memory_members import Past, Stay
from cdp.store.memory_state import State
from cdp.store.segmentation import (
    Basis,
    DefinitionVersion,
    Forgotten,
    Moved,
    OutdatedError,
    PastMembership,
    require,
)


class InMemorySegmentation:
    """Implements `Segmentation`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def definitions(self) -> list[DefinitionVersion]:
        """See `Segmentation.definitions`."""
        return list(self._state.definitions().values())

    def definition(self, key: str) -> DefinitionVersion | None:
        """See `Segmentation.definition`."""
        return next(iter(self.versions(key, limit=1)), None)

    def versions(self, key: str, *, before: int | None = None, limit: int = 100) -> list[DefinitionVersion]:
        """See `Segmentation.versions`."""
        known = self._state.versions.get(key, [])
        return [one for one in reversed(known) if before is None or one.version < before][:limit]

    def save(
        self,
        version: DefinitionVersion,
        *,
        expected: int | None,
        basis: Basis,
        segments: Sequence[SegmentRow],
        memberships: Iterable[tuple[str, str, bool]],
        at: datetime,
    ) -> Moved:
        """See `Segmentation.save`."""
        now = self._state.now
        publication = now.publications[-1] if now.publications else None
        if publication is None or publication.seq != basis.publication:
            raise OutdatedError("Something newer was published meanwhile; the segment has to be evaluated again.")
        self._require(version, expected, basis.definitions)
        rows = {row.key: row for row in segments}
        given: dict[str, dict[str, bool]] = {key: {} for key in rows}
        held = {key: now.held(row.purpose, basis.consents) for key, row in rows.items()}
        for key, one, exportable in memberships:
            profile = now.profiles.get(one)
            if profile is not None and profile.status == "living":
                given[key][one] = exportable and one not in held[key]
        self._state.versions.setdefault(version.key, []).append(version)
        for key, row in rows.items():
            now.segments[key] = replace(row, size=len(given[key]), exportable=sum(given[key].values()))
        return self._settle(given, at=at, reason="definition")

    def delete(
        self, version: DefinitionVersion, *, expected: int, definitions: Mapping[str, int], at: datetime
    ) -> Moved:
        """See `Segmentation.delete`."""
        self._require(version, expected, definitions)
        self._state.versions[version.key].append(version)
        moved = self._settle({version.key: {}}, at=at, reason="deleted")
        self._state.now.segments.pop(version.key, None)
        return moved

    def members_at(
        self, key: str, at: datetime, *, after: str | None = None, limit: int = 1000, exportable: bool | None = None
    ) -> list[PastMembership]:
        """See `Segmentation.members_at`."""
        now = self._state.now
        found: dict[str, Stay] = {
            past.profile_id: past.stay
            for past in now.book.history
            if past.segment_key == key and past.stay.valid_from <= at < past.valid_to
        }
        found |= {one: stay for one, stay in now.book.stays.get(key, {}).items() if stay.valid_from <= at}
        ids = sorted(one for one, stay in found.items() if exportable in (None, stay.exportable))
        start = bisect_right(ids, after or "")
        return [
            PastMembership(one, found[one].since, found[one].exportable, now.lives_as(one))
            for one in ids[start : start + limit]
        ]

    def last_change(self) -> int:
        """See `Segmentation.last_change`."""
        return max((change.seq for change in self._state.now.book.changes), default=0)

    def withdraw(self, profile_ids: Iterable[str], purposes: Iterable[str], *, at: datetime) -> int:
        """See `Segmentation.withdraw`."""
        wanted = set(purposes)
        for place in ((one, purpose) for one in profile_ids for purpose in wanted):
            self._state.now.book.holds[place] = None
        return self.hold_back(wanted, at=at)

    def hold_back(self, purposes: Collection[str], *, at: datetime) -> int:
        """Whoever is held for these purposes leaves; returns the number of exits."""
        now, given = self._state.now, {}
        for key, row in now.segments.items():
            if row.purpose in purposes or EVERYTHING in purposes:
                held = now.held(row.purpose)
                stays = now.book.stays.get(key, {})
                given[key] = {one: stay.exportable and one not in held for one, stay in stays.items()}
                now.segments[key] = replace(
                    row, exportable=row.exportable - sum(stays[one].exportable for one in stays if one in held)
                )
        return self._settle(given, at=at, reason="consent").exited

    def held(self, purpose: str) -> set[str]:
        """See `Segmentation.held`."""
        return self._state.now.held(purpose)

    def release(self, profile_ids: Iterable[str], purposes: Iterable[str]) -> None:
        """See `Segmentation.release`."""
        wanted = set(purposes)
        for place in [(one, purpose) for one in profile_ids for purpose in wanted]:
            self._state.now.book.holds.pop(place, None)

    def forget(self, profile_ids: Iterable[str], *, at: datetime) -> Forgotten:
        """See `Segmentation.forget`."""
        now, gone = self._state.now, self.with_merged(profile_ids)
        kept = [change for change in (_without(c, gone) for c in now.book.changes) if change is not None]
        removed, now.book.changes = len(now.book.changes) - len(kept), kept
        past: list[Past] = [one for one in now.book.history if one.profile_id not in gone]
        history, now.book.history = len(now.book.history) - len(past), past
        holds = [hold for hold in now.book.holds if hold[0] in gone]
        for hold in holds:
            del now.book.holds[hold]
        given, left = {}, Counter[str]()
        for key, row in now.segments.items():
            stays = now.book.stays.get(key, {})
            theirs = [stay for one, stay in stays.items() if one in gone]
            left[key] = len(theirs)
            given[key] = {one: stay.exportable for one, stay in stays.items() if one not in gone}
            reached = sum(stay.exportable for stay in theirs)
            now.segments[key] = replace(row, size=row.size - len(theirs), exportable=row.exportable - reached)
        moved = self._settle(given, at=at, reason="erased", keep_history=False)
        return Forgotten(left.total(), history, removed, moved.exited, len(holds))

    def with_merged(self, profile_ids: Iterable[str]) -> set[str]:
        """These profiles, and all that were merged into them."""
        found = set(profile_ids)
        pending = found
        while pending:
            pending = {row.profile_id for row in self._state.now.profiles.values() if row.merged_into in pending}
            pending -= found
            found = found | pending
        return found

    def _settle(self, given: Mapping[str, Mapping[str, bool]], *, at: datetime, reason: str, **how: bool) -> Moved:
        now = self._state.now
        run_id = now.publications[-1].run_id if now.publications else ""
        return now.book.settle(given, {}, {}, at=at, run_id=run_id, reason=reason, **how)

    def _require(self, version: DefinitionVersion, expected: int | None, definitions: Mapping[str, int]) -> None:
        current = {key: one.version for key, one in self._state.definitions().items()}
        if current != dict(definitions):
            raise OutdatedError("The segments were changed meanwhile; they have to be evaluated again.")
        served = self._state.now.segments.get(version.key)
        shipped = served is not None and served.origin == "shipped"
        require(self.definition(version.key), version, expected, shipped=shipped)


def _without(change: MembershipChange, gone: set[str]) -> MembershipChange | None:
    """A change as it is told once these people are erased, if it still is."""
    inherited = change.former_id in gone
    if change.profile_id in gone and change.reason != "erased":
        if change.former_id is None or inherited:
            return None
        return replace(change, change="exited", profile_id=change.former_id, former_id=None)
    return replace(change, change="entered", former_id=None) if inherited else change
