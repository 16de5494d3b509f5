"""Publishing in one transaction: stage in batches, write what changed, remove what is gone, record who came and left.

Used by the SQL store only. Memory stays bounded by the batch; the seen ids wait in scratch tables. The statements are
in `scratch`, the meaning is told by `base.Store.publish`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

from cdp.clock import wall_now
from cdp.errors import CheckFailed
from cdp.store import scratch
from cdp.store.base import IdentifierRow, ProfileDocument, Publication, PublishReport, Redirect, SegmentRow
from cdp.store.faults import constraint_told
from cdp.store.schema import Moment, publications, segments
from cdp.store.statements import value_key

BATCH = 10_000

T = TypeVar("T")


class Backend(Protocol):
    """What differs between the databases."""

    name: str

    def engine(self) -> sa.Engine:
        """Connections to the database."""
        ...

    def lock(self, connection: sa.Connection, what: str) -> None:
        """Wait until no other transaction writes `what`."""
        ...

    def stage(
        self, connection: sa.Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> None:
        """Bulk-insert rows into a scratch table."""
        ...

    def measured(self, connection: sa.Connection, table: str) -> None:
        """A scratch table is complete; gather what the planner needs."""
        ...

    def settle(self, engine: sa.Engine) -> None:
        """After a commit that overwrote or deleted: make the old values leave the files."""
        ...


class Publisher:
    """One publication on one connection, inside the caller's transaction."""

    def __init__(self, connection: sa.Connection, backend: Backend, publication: Publication) -> None:
        self._connection = connection
        self._backend = backend
        self._publication = publication

    def run(
        self,
        profiles: Iterable[ProfileDocument],
        identifiers: Iterable[IdentifierRow],
        redirects: Iterable[Redirect],
        segment_rows: Iterable[SegmentRow],
        memberships: Iterable[tuple[str, str]],
    ) -> PublishReport:
        """Do all of it; CheckFailed leaves the transaction to be rolled back."""
        self._backend.lock(self._connection, "publish")
        self._create_scratch()
        total, written = self._profiles(profiles)
        redirected = self._redirects(redirects)
        added, dropped = self._identifiers(identifiers)
        self._segments(segment_rows)
        entered, exited = self._memberships(memberships)
        self._run(scratch.REMOVE_SEGMENTS)
        removed = self._run(scratch.REMOVE_PROFILES)
        seq = self._record()
        for table in scratch.SCRATCH:
            self._connection.exec_driver_sql(f"drop table {table}")
        return PublishReport(seq, written, total - written, removed, redirected, added, dropped, entered, exited)

    def _create_scratch(self) -> None:
        postgres = self._backend.name == "postgresql"
        types = {
            "key": 'text collate "C"' if postgres else "text",
            "moment": "timestamptz" if postgres else "text",
            "serial": "bigint" if postgres else "integer",
        }
        for table, columns in scratch.SCRATCH.items():
            self._connection.exec_driver_sql(f"create temporary table {table} ({columns.format(**types)})")
        for statement in scratch.INDEXES:
            self._connection.exec_driver_sql(statement)

    def _profiles(self, profiles: Iterable[ProfileDocument]) -> tuple[int, int]:
        columns, total, written = ("profile_id", "document", "content_hash"), 0, 0
        for batch in _batches(profiles):
            self._backend.stage(self._connection, "staged_profiles", columns, [_document(p) for p in batch])
            with constraint_told(CheckFailed("Nothing was published: a profile id was given twice.")):
                self._run(scratch.SEE_PROFILES)
            written += self._run(scratch.WRITE_PROFILES)
            self._run("delete from staged_profiles")
            total += len(batch)
        self._backend.measured(self._connection, "seen_profiles")
        return total, written

    def _redirects(self, redirects: Iterable[Redirect]) -> int:
        for batch in _batches(redirects):
            rows = [(r.profile_id, r.status, r.merged_into) for r in batch]
            with constraint_told(CheckFailed("Nothing was published: an id was redirected twice.")):
                self._backend.stage(self._connection, "staged_redirects", ("profile_id", "status", "merged_into"), rows)
        self._backend.measured(self._connection, "staged_redirects")
        if clash := self._count(scratch.CONTRADICTIONS):
            raise CheckFailed(f"Nothing was published: {clash} profile(s) are both living and redirected.")
        wrong = "a redirect has an unknown status, or does not fit what it says of merging."
        with constraint_told(CheckFailed(f"Nothing was published: {wrong}")):
            return self._run(scratch.WRITE_REDIRECTS)

    def _identifiers(self, identifiers: Iterable[IdentifierRow]) -> tuple[int, int]:
        added = 0
        for batch in _batches(identifiers):
            rows = [(i.type, value_key(i.value), i.profile_id) for i in batch]
            self._backend.stage(self._connection, "staged_identifiers", ("type", "value_key", "profile_id"), rows)
            if lost := self._count(scratch.ORPHANED_IDENTIFIERS):
                raise CheckFailed(f"Nothing was published: {lost} identifier(s) lead to profiles that are not there.")
            added += self._run(scratch.WRITE_IDENTIFIERS)
            self._run(scratch.SEE_IDENTIFIERS)
            self._run("delete from staged_identifiers")
        self._backend.measured(self._connection, "seen_identifiers")
        return added, self._run(scratch.REMOVE_IDENTIFIERS)

    def _segments(self, rows: Iterable[SegmentRow]) -> None:
        given = [vars(row) for row in rows]
        if not given:
            return
        if len({row["key"] for row in given}) < len(given):
            raise CheckFailed("Nothing was published: a segment key was given twice.")
        insert = _upsert(self._backend.name)
        self._connection.execute(insert, given)
        self._backend.stage(self._connection, "seen_segments", ("key",), [(row["key"],) for row in given])

    def _memberships(self, memberships: Iterable[tuple[str, str]]) -> tuple[int, int]:
        for batch in _batches(memberships):
            self._backend.stage(self._connection, "staged_memberships", ("segment_key", "profile_id"), batch)
            if lost := self._count(scratch.ORPHANED_MEMBERSHIPS):
                raise CheckFailed(f"Nothing was published: {lost} membership(s) name an unknown profile or segment.")
            self._run(scratch.SEE_MEMBERSHIPS)
            self._run(scratch.JOINING)
            self._run("delete from staged_memberships")
        self._backend.measured(self._connection, "seen_memberships")
        self._run(scratch.SUCCESSORS)
        self._run(scratch.LEAVING)
        for table in ("joining", "leaving"):
            self._backend.measured(self._connection, table)
        exited = self._run(scratch.RECORD_EXITS)
        entered = self._run(scratch.RECORD_ENTRIES)
        self._run(scratch.REMOVE_MEMBERSHIPS)
        self._run(scratch.CARRY_SINCE)
        self._run(scratch.WRITE_MEMBERSHIPS)
        return entered, exited

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
        """Execute a statement and return how many rows it touched."""
        statement = sa.text(sql)
        known: dict[str, sa.BindParameter[Any]] = {
            "as_of": sa.bindparam("as_of", self._publication.as_of, Moment),
            "run_id": sa.bindparam("run_id", self._publication.run_id, sa.Text),
        }
        bound = [parameter for name, parameter in known.items() if f":{name}" in sql]
        return int(self._connection.execute(statement.bindparams(*bound)).rowcount)

    def _count(self, sql: str) -> int:
        return int(self._connection.execute(sa.text(sql)).scalar_one())


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


def _batches(rows: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _upsert(name: str) -> sa.Insert:
    if name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgres_insert

        statement = postgres_insert(segments)
        return statement.on_conflict_do_update(index_elements=["key"], set_=dict(statement.excluded.items()))
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    other = sqlite_insert(segments)
    return other.on_conflict_do_update(index_elements=["key"], set_=dict(other.excluded.items()))
