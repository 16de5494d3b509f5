"""Publishing in one transaction: stage in batches, write what changed, remove what is gone, record who came and left.

Used by the SQL store only. Memory stays bounded by the batch; the seen ids wait in scratch tables. The statements are
in `scratch` and, for memberships, `membership_scratch`; the meaning is told by `base.Store.publish`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256

import sqlalchemy as sa

from cdp.clock import wall_now
from cdp.errors import CheckFailed
from cdp.store import membership_scratch, notices, scratch
from cdp.store.base import IdentifierRow, ProfileDocument, Publication, PublishReport, Redirect, Rights, SegmentRow
from cdp.store.faults import constraint_told
from cdp.store.membership_writing import MembershipWriter
from cdp.store.running import Backend, Running, batches
from cdp.store.schema import publications
from cdp.store.segment_rows import require_versions, write_segments
from cdp.store.statements import value_key


class Publisher:
    """One publication on one connection, inside the caller's transaction."""

    def __init__(self, connection: sa.Connection, backend: Backend, publication: Publication) -> None:
        self._connection = connection
        self._backend = backend
        self._publication = publication
        self._running = Running(connection, backend)

    def run(
        self,
        profiles: Iterable[ProfileDocument],
        identifiers: Iterable[IdentifierRow],
        redirects: Iterable[Redirect],
        segment_rows: Iterable[SegmentRow],
        memberships: Iterable[tuple[str, str, bool]],
        *,
        definitions: Mapping[str, int] | None,
        consents: int = 0,
        rights: Rights | None = None,
    ) -> PublishReport:
        """Do all of it; CheckFailed and OutdatedError leave the transaction to be rolled back."""
        self._backend.lock(self._connection, "publish")
        if definitions is not None:
            require_versions(self._connection, definitions)
        self._running.create(scratch.SCRATCH)
        members = MembershipWriter(
            self._connection,
            self._backend,
            at=self._publication.as_of,
            run_id=self._publication.run_id,
            reason="evaluated",
            consents=consents,
        )
        total, written = self._profiles(profiles, members)
        members.restored()
        redirected = self._redirects(redirects)
        added, dropped = self._identifiers(identifiers)
        self._segments(segment_rows)
        members.evaluated_all()
        if lost := members.give(memberships, orphans=scratch.ORPHANED_MEMBERSHIPS):
            raise CheckFailed(f"Nothing was published: {lost} membership(s) name an unknown profile or segment.")
        moved = members.settle()
        self._run(membership_scratch.SETTLE_HOLDS.format(seen=consents))
        self._run(scratch.REMOVE_SEGMENTS)
        self._run(scratch.REMOVE_HISTORY)
        removed = self._run(scratch.REMOVE_PROFILES)
        if rights is not None:
            notices.settled(self._connection, self._backend, rights, consents=consents, at=members.at)
        seq = self._record()
        self._running.drop(scratch.SCRATCH)
        unchanged = total - written
        return PublishReport(
            seq, written, unchanged, removed, redirected, added, dropped, entered=moved.entered, exited=moved.exited
        )

    def _profiles(self, profiles: Iterable[ProfileDocument], members: MembershipWriter) -> tuple[int, int]:
        columns, total, written = ("profile_id", "document", "content_hash"), 0, 0
        for batch in batches(profiles):
            self._running.stage("staged_profiles", columns, [_document(p) for p in batch])
            with constraint_told(CheckFailed("Nothing was published: a profile id was given twice.")):
                self._run(scratch.SEE_PROFILES)
            members.restore()
            written += self._run(scratch.WRITE_PROFILES)
            self._run("delete from staged_profiles")
            total += len(batch)
        self._running.measured("seen_profiles")
        return total, written

    def _redirects(self, redirects: Iterable[Redirect]) -> int:
        for batch in batches(redirects):
            rows = [(r.profile_id, r.status, r.merged_into) for r in batch]
            with constraint_told(CheckFailed("Nothing was published: an id was redirected twice.")):
                self._running.stage("staged_redirects", ("profile_id", "status", "merged_into"), rows)
        self._running.measured("staged_redirects")
        if clash := self._count(scratch.CONTRADICTIONS):
            raise CheckFailed(f"Nothing was published: {clash} profile(s) are both living and redirected.")
        wrong = "a redirect has an unknown status, or does not fit what it says of merging."
        with constraint_told(CheckFailed(f"Nothing was published: {wrong}")):
            return self._run(scratch.WRITE_REDIRECTS)

    def _identifiers(self, identifiers: Iterable[IdentifierRow]) -> tuple[int, int]:
        added = 0
        for batch in batches(identifiers):
            rows = [(i.type, value_key(i.value), i.profile_id) for i in batch]
            self._running.stage("staged_identifiers", ("type", "value_key", "profile_id"), rows)
            if lost := self._count(scratch.ORPHANED_IDENTIFIERS):
                raise CheckFailed(f"Nothing was published: {lost} identifier(s) lead to profiles that are not there.")
            added += self._run(scratch.WRITE_IDENTIFIERS)
            self._run(scratch.SEE_IDENTIFIERS)
            self._run("delete from staged_identifiers")
        self._running.measured("seen_identifiers")
        return added, self._run(scratch.REMOVE_IDENTIFIERS)

    def _segments(self, rows: Iterable[SegmentRow]) -> None:
        given = list(rows)
        keys = [(row.key,) for row in given]
        if len(set(keys)) < len(keys):
            raise CheckFailed("Nothing was published: a segment key was given twice.")
        write_segments(self._connection, given)
        self._running.stage("seen_segments", ("key",), keys)

    def _record(self) -> int:
        row = {
            "run_id": self._publication.run_id,
            "snapshot_file": self._publication.snapshot_file,
            "as_of": self._publication.as_of,
            "published_at": wall_now(),
            "counts": json.dumps(dict(self._publication.counts)),
            "fingerprint": self._publication.fingerprint,
        }
        result = self._connection.execute(sa.insert(publications).returning(publications.c.seq), row)
        return int(result.scalar_one())

    def _run(self, sql: str) -> int:
        return self._running.run(sql)

    def _count(self, sql: str) -> int:
        return self._running.count(sql)


def document_text(document: ProfileDocument) -> str:
    """The document as served: given text as it is, a mapping as compact JSON."""
    if isinstance(document.document, str):
        return document.document
    return json.dumps(dict(document.document), ensure_ascii=False, separators=(",", ":"), default=str)


def content_hash(text: str) -> str:
    """What tells one document from another: hex SHA-256."""
    return sha256(text.encode()).hexdigest()


def _document(profile: ProfileDocument) -> tuple[str, str, str]:
    text = document_text(profile)
    return profile.profile_id, text, content_hash(text)
