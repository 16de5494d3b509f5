"""What a store in memory holds, shared by its parts.

A publication replaces `State.now` as a whole; the other writes change it in place.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cdp.domain.consent import EVERYTHING
from cdp.store.base import Publication, SegmentRow, StoredProfile
from cdp.store.memory_members import MemberBook
from cdp.store.segmentation import DefinitionVersion


@dataclass
class Published:
    """What a publication replaces."""

    profiles: dict[str, StoredProfile] = field(default_factory=dict)
    # (type, value_key, profile_id) → id
    identifiers: dict[tuple[str, str, str], int] = field(default_factory=dict)
    last_identifier: int = 0
    segments: dict[str, SegmentRow] = field(default_factory=dict)
    book: MemberBook = field(default_factory=MemberBook)
    publications: list[Publication] = field(default_factory=list)

    def lives_as(self, profile_id: str) -> str | None:
        """The living profile at the end of a chain of merges."""
        seen: set[str] = set()
        current: str | None = profile_id
        while current is not None and current not in seen:
            seen.add(current)
            row = self.profiles.get(current)
            if row is None or row.status == "living":
                return current if row else None
            current = row.merged_into
        return None

    def former_ids(self, profile_id: str) -> list[str]:
        """Ids of profiles that were merged into this one, directly or not."""
        found: set[str] = set()
        pending = {profile_id}
        while pending:
            pending = {row.profile_id for row in self.profiles.values() if row.merged_into in pending} - found
            found |= pending
        return sorted(found)

    def held(self, purpose: str | None, consents: int = 0) -> set[str]:
        """Who may not be used for a purpose: those with a hold, and whom they were merged into.

        Holds of the consent ledger up to the entry `consents` do not count.
        """
        found = {
            one
            for (one, held), entry in self.book.holds.items()
            if held in (purpose, EVERYTHING) and (entry is None or entry > consents)
        }
        pending = set(found)
        while pending:
            rows = (self.profiles.get(one) for one in pending)
            pending = {row.merged_into for row in rows if row and row.merged_into} - found
            found |= pending
        return found


@dataclass
class State:
    """The whole content; `versions` are those of user segments, oldest first."""

    now: Published = field(default_factory=Published)
    versions: dict[str, list[DefinitionVersion]] = field(default_factory=dict)

    def definitions(self) -> dict[str, DefinitionVersion]:
        """The current version of every user segment that is not deleted."""
        return {key: known[-1] for key, known in sorted(self.versions.items()) if not known[-1].deleted}
