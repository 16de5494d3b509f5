"""What a store can do, as a typed protocol, and the records that go in and out.

Pipeline and command line use `Store`; the API reads through `cdp.store.aio` and uses `Store` for its few writes. Every
implementation (SQLite, PostgreSQL, in memory) passes the same contract tests. No SQL lives here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from cdp.errors import ResourceError

if TYPE_CHECKING:
    from cdp.store.consents import ConsentLedger
    from cdp.store.corrections import CorrectionLog
    from cdp.store.decisions import DecisionLog
    from cdp.store.segmentation import Segmentation

Status = Literal["living", "merged", "split", "retired"]
STATUSES: tuple[Status, ...] = ("living", "merged", "split", "retired")

Change = Literal["entered", "exited", "carried"]
Origin = Literal["shipped", "user"]


class UnavailableError(ResourceError):
    """The database cannot be reached or does not answer; trying again later may help."""

    status = 503
    title = "Unavailable"


@dataclass(frozen=True)
class Rights:
    """What of people's rights a publication rests on: receivers that were given the people are told of what is new.

    `corrected` are the ids of the corrections that were carried out, `restricted` the living profiles whose use is
    restricted, with the entry of the consent ledger that says so.
    """

    corrected: Collection[str]
    restricted: Mapping[str, int]


@dataclass(frozen=True)
class Publication:
    """One published state. `seq` and `published_at` are set by the store."""

    run_id: str
    snapshot_file: str
    as_of: datetime
    counts: Mapping[str, int]
    fingerprint: str
    seq: int = 0
    published_at: datetime | None = None


@dataclass(frozen=True)
class ProfileDocument:
    """What a profile request answers: a JSON object, as text (kept byte for byte) or as a mapping."""

    profile_id: str
    document: str | Mapping[str, Any]


@dataclass(frozen=True)
class IdentifierRow:
    """A normalised identifier value that leads to a profile."""

    type: str
    value: str
    profile_id: str


@dataclass(frozen=True)
class Redirect:
    """A profile id that is no longer living; `merged_into` names the profile it lives on as."""

    profile_id: str
    status: Status
    merged_into: str | None = None


@dataclass(frozen=True)
class SegmentRow:
    """A segment and its last evaluation; `definition` is JSON text, `exportable` counts whom its purpose may reach.

    `problem` says why it could not be evaluated; members and counts are then those of the last time. `blocking` tells
    what prevents evaluation of single profiles.
    """

    key: str
    title: str
    description: str
    definition: str
    sentence: str
    version: int
    purpose: str | None
    size: int
    exportable: int
    evaluated_at: datetime
    origin: Origin = "shipped"
    problem: str | None = None
    blocking: tuple[str, ...] = ()


@dataclass(frozen=True)
class StoredProfile:
    """A profile as stored; `document` is None unless it is living. `version` counts changes of the document."""

    profile_id: str
    status: Status
    merged_into: str | None
    document: str | None
    content_hash: str
    version: int


@dataclass(frozen=True)
class StoredIdentifier:
    """An identifier of a profile; `id` is its place in a listing."""

    id: int
    type: str
    value: str


@dataclass(frozen=True)
class Membership:
    """A profile in a segment since the data's now that found it there; `exportable` for the segment's purpose."""

    profile_id: str
    since: datetime
    exportable: bool = True


@dataclass(frozen=True)
class MembershipChange:
    """A profile that may be used for the segment's purpose and came in, left, or goes on under another id.

    `carried` says that the membership of `former_id` is now that of `profile_id`. `reason` is why: `evaluated`,
    `definition` (the segment was changed), `deleted` (it is gone), `consent`, `identity` (a merge, or its end) or
    `erased`.
    """

    seq: int
    segment_key: str
    profile_id: str
    change: Change
    run_id: str
    at: datetime
    reason: str = "evaluated"
    former_id: str | None = None


@dataclass(frozen=True)
class ApiKey:
    """An API key without its secret; `prefix` finds it, `secret_hash` is the SHA-256 of the secret in hex."""

    id: str
    name: str
    prefix: str
    secret_hash: str
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True)
class AuditEntry:
    """Who did what to which object, when. `detail` holds counts and words, never personal data."""

    entry_id: str
    at: datetime
    actor: str
    action: str
    object: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AuditRow:
    """An audit entry in its chain: `hash` = SHA-256(`previous_hash` + canonical entry), hex."""

    seq: int
    entry: AuditEntry
    previous_hash: str
    hash: str


@dataclass(frozen=True)
class PublishReport:
    """What a publication changed, in rows."""

    seq: int
    profiles_written: int
    profiles_unchanged: int
    profiles_removed: int
    redirects_written: int
    identifiers_added: int
    identifiers_removed: int
    entered: int
    exited: int


class Store(Protocol):
    """The operational and serving store, synchronous. Use it as a context manager or call `close`."""

    url: str

    @property
    def decisions(self) -> DecisionLog:
        """What people decided about identity."""
        ...

    @property
    def consents(self) -> ConsentLedger:
        """What people agreed and objected to."""
        ...

    @property
    def corrections(self) -> CorrectionLog:
        """What was put right about people."""
        ...

    @property
    def segmentation(self) -> Segmentation:
        """Definitions of user segments, and memberships over time."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def close(self) -> None:
        """Give back connections."""
        ...

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
        """Replace what is served by what is given, in one transaction; iterables are read once, in batches.

        Unchanged documents are not rewritten. A living profile that is neither given nor redirected is removed. An id
        that was merged, split or retired stays known as such, also when later publications do not repeat it. A profile
        merged into another carries its memberships there without an exit and entry. `memberships` are segment key,
        profile id and whether the segment's purpose may reach the person; `definitions` are the versions of the user
        segments that were evaluated, `consents` is the last entry of the consent ledger that `memberships` know: what
        was said later holds people back. Receivers that were given somebody are told of `rights` that are new. Raises
        OutdatedError before anything is read when the versions are not the current ones, and CheckFailed when the
        parts contradict each other (an id given twice, an identifier or membership of an unknown profile or segment);
        the old publication is then served on, as after any other exception or a kill.
        """
        ...

    def current_publication(self) -> Publication | None:
        """The last publication, or None before the first."""
        ...

    def get_profile(self, profile_id: str) -> StoredProfile | None:
        """A profile by id, living or not."""
        ...

    def lookup(self, type: str, value: str) -> list[str]:
        """Ids of the living profiles that carry a normalised identifier value, ordered."""
        ...

    def identifiers(self, profile_id: str, *, after: int = 0, limit: int = 1000) -> list[StoredIdentifier]:
        """Identifiers of a profile with an id above `after`, ordered by id."""
        ...

    def list_segments(self) -> list[SegmentRow]:
        """All segments, ordered by key."""
        ...

    def memberships(
        self, key: str, *, after: str | None = None, limit: int = 1000, exportable: bool | None = None
    ) -> list[Membership]:
        """Members of a segment with a profile id above `after`, ordered by profile id; only those when `exportable`."""
        ...

    def segment_members(self, key: str, *, after: str | None = None, limit: int = 1000) -> list[str]:
        """Profile ids of `memberships`."""
        ...

    def membership_changes(
        self, *, after: int = 0, limit: int = 1000, segment_key: str | None = None
    ) -> list[MembershipChange]:
        """Changes with a `seq` above `after`, in order; of one segment when `segment_key` is given."""
        ...

    def add_key(self, key: ApiKey) -> None:
        """Keep an API key."""
        ...

    def list_keys(self) -> list[ApiKey]:
        """All API keys, oldest first, revoked ones included."""
        ...

    def find_key(self, prefix: str) -> ApiKey | None:
        """The API key with this prefix."""
        ...

    def revoke_key(self, key_id: str, at: datetime) -> bool:
        """Revoke a key; False when there is none with this id. The first revocation's time stays."""
        ...

    def append_audit(self, entries: Sequence[AuditEntry]) -> int:
        """Append entries to the chain in one transaction and return how many were new.

        An `entry_id` that is already there is left out, so a repeated append after a crash doubles nothing.
        """
        ...

    def audit_rows(
        self, *, after: int = 0, limit: int = 1000, action: str | None = None, object: str | None = None
    ) -> list[AuditRow]:
        """Audit rows with a `seq` above `after`, in order, optionally of one action or object."""
        ...

    def audit_about(
        self,
        profile_ids: Collection[str],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> list[AuditRow]:
        """As `audit_rows`: rows with one of these profiles as their object, and all rows about lists of people.

        Only those that happened at or after `since` and before `until`.
        """
        ...

    def last_audit(self) -> AuditRow | None:
        """The newest audit row."""
        ...

    def former_ids(self, profile_id: str) -> list[str]:
        """Ids of profiles that were merged into this one, directly or not, in order."""
        ...

    def verify_audit(self) -> int | None:
        """The `seq` of the first row that does not fit its chain, or None when the chain holds."""
        ...

    def secret(self, name: str) -> bytes:
        """32 random bytes kept under a name, made on first use; all processes on this store get the same."""
        ...
