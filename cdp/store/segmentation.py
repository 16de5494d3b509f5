"""What a store keeps about segments beyond the served rows: versions of user segments, and memberships over time.

The protocol that every store implements, with its records and errors; the served rows and the change feed are in
`cdp.store.base`. A definition here is a JSON document that nobody interprets; `segments.authoring` makes and evaluates
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cdp.errors import ConflictError, NotFoundError, VersionMismatch
from cdp.store.base import SegmentRow


class OutdatedError(ConflictError):
    """What was evaluated is no longer what is stored: evaluate again."""

    title = "Outdated"


@dataclass(frozen=True)
class DefinitionVersion:
    """One version of a user segment: a JSON document, and who saved it when. The last one may delete the segment."""

    key: str
    version: int
    definition: str
    sentence: str
    saved_by: str
    saved_at: datetime
    deleted: bool = False


@dataclass(frozen=True)
class Basis:
    """What an evaluation rests on: the publication, the versions of all user segments, and the last consent."""

    publication: int
    definitions: Mapping[str, int]
    consents: int = 0


@dataclass(frozen=True)
class PastMembership:
    """A profile in a segment at a moment, under the id of that time; `living_id` is where it lives on today, if so."""

    profile_id: str
    since: datetime
    exportable: bool
    living_id: str | None


@dataclass(frozen=True)
class Moved:
    """How many came in and left, as the change feed tells it."""

    entered: int
    exited: int


@dataclass(frozen=True)
class Forgotten:
    """Rows that named erased people: memberships, former ones, changes, holds, messages; and the exits told instead."""

    memberships: int
    history: int
    changes: int
    exits: int
    holds: int = 0
    deliveries: int = 0


class Segmentation(Protocol):
    """Part of every store. Every change of a membership is written in the transaction that makes it."""

    def definitions(self) -> list[DefinitionVersion]:
        """The current version of every user segment that is not deleted, ordered by key."""
        ...

    def definition(self, key: str) -> DefinitionVersion | None:
        """The last version of a user segment, deleted or not."""
        ...

    def versions(self, key: str, *, before: int | None = None, limit: int = 100) -> list[DefinitionVersion]:
        """Versions of a user segment, newest first, with a number below `before`."""
        ...

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
        """Add a version and replace the rows and members of the segments evaluated with it, in one transaction.

        `expected` is the version that the caller read, None to create. `memberships` are those of exactly `segments`;
        profiles that are gone meanwhile are left out. `at` is the moment of the changes. Raises OutdatedError when
        `basis` is not what is stored, ConflictError when the segment is there already (or its key is shipped),
        NotFoundError when it is not, and VersionMismatch when it is not at `expected`.
        """
        ...

    def delete(
        self, version: DefinitionVersion, *, expected: int, definitions: Mapping[str, int], at: datetime
    ) -> Moved:
        """Add a version that deletes the segment: everybody leaves. `definitions` as in `Basis`; raises as `save`."""
        ...

    def members_at(
        self, key: str, at: datetime, *, after: str | None = None, limit: int = 1000, exportable: bool | None = None
    ) -> list[PastMembership]:
        """Who was in at a moment, with a profile id (of that time) above `after`, ordered by it."""
        ...

    def last_change(self) -> int:
        """The `seq` of the newest change, 0 before the first."""
        ...

    def withdraw(self, profile_ids: Iterable[str], purposes: Iterable[str], *, at: datetime) -> int:
        """Nobody of these may be used for these purposes from now on: they leave at once, and stay out until `release`.

        They stay members in the sense of the definition, held back from whatever the purpose is for. Holds for a
        profile also hold for the one that it is merged into. Returns the number of exits.
        """
        ...

    def held(self, purpose: str) -> set[str]:
        """Profiles that may not be used for a purpose because of a hold, theirs or one merged into them."""
        ...

    def release(self, profile_ids: Iterable[str], purposes: Iterable[str]) -> None:
        """Take holds back; the next evaluation says who comes in again."""
        ...

    def forget(self, profile_ids: Iterable[str], *, at: datetime) -> Forgotten:
        """Remove everything about these profiles and those merged into them: memberships, history, holds and changes.

        What stays is one exit for each segment that they were in, so that whoever follows the feed lets go of them;
        forgetting again changes nothing.
        """
        ...


def require(
    last: DefinitionVersion | None, version: DefinitionVersion, expected: int | None, *, shipped: bool = False
) -> None:
    """Whether `version` may follow `last`; raises as `Segmentation.save` tells."""
    if shipped:
        raise ConflictError(f"{version.key} is a segment that ships with Wayfinder; choose another key.")
    there = last is not None and not last.deleted
    if expected is None and there:
        raise ConflictError(f"There is already a segment {version.key}; change that one or choose another key.")
    if expected is not None:
        if last is None or last.deleted:
            raise NotFoundError(f"There is no segment {version.key} that could be changed.")
        if last.version != expected:
            raise VersionMismatch(
                f"Segment {version.key} is at version {last.version}, not {expected}: read it again, then change it."
            )
    if version.version != (last.version if last else 0) + 1:
        raise OutdatedError("The segment was changed meanwhile; try again.")
