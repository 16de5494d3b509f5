"""The store in a SQL database: SQLite or PostgreSQL through SQLAlchemy Core.

Reads run the shared statements; writes are one transaction each. What differs between the databases is in `sqlite` and
`postgres`; publishing has a module of its own.
"""

from __future__ import annotations

import secrets as randomness
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from cdp.domain.audited import LISTS
from cdp.errors import CdpError, CheckFailed, ConflictError
from cdp.store import address, chain, statements
from cdp.store.base import (
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
from cdp.store.consents import SqlConsents
from cdp.store.corrections import SqlCorrections
from cdp.store.decisions import SqlDecisions
from cdp.store.faults import constraint_told, told
from cdp.store.postgres import PostgresBackend
from cdp.store.publishing import Publisher
from cdp.store.running import Backend
from cdp.store.schema import api_keys, audit, membership_changes, secrets
from cdp.store.segmentation_sql import SqlSegmentation
from cdp.store.sqlite import SqliteBackend


class SqlStore:
    """Implements `cdp.store.base.Store` over one database."""

    def __init__(self, url: str, backend: Backend) -> None:
        self.url = url
        self._backend = backend
        self._engine = backend.engine()
        self.decisions = SqlDecisions(self._engine, backend, self._writing, self._rows)
        self.consents = SqlConsents(backend, self._writing, self._rows, self._settled)
        self.corrections = SqlCorrections(backend, self._writing, self._rows, self._settled)
        self.segmentation = SqlSegmentation(backend, self._writing, self._rows, self._settled)

    @classmethod
    def open(cls, url: str) -> Self:
        """Open and migrate the database at `url`; see `cdp.store.open_store`."""
        from cdp.store.migrate import upgrade

        parsed = address.parse(url)
        backend: Backend = SqliteBackend(parsed) if parsed.drivername == "sqlite" else PostgresBackend(parsed)
        store = cls(url, backend)
        try:
            with told():
                upgrade(store._engine, backend)
        except BaseException:
            store.close()
            raise
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back connections."""
        self._engine.dispose()

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
        """See `Store.publish`."""
        wrong = CheckFailed("Nothing was published: what was given contradicts itself.")
        with self._writing(wrong) as connection:
            publisher = Publisher(connection, self._backend, publication)
            report = publisher.run(
                profiles,
                identifiers,
                redirects,
                segments,
                memberships,
                definitions=definitions,
                consents=consents,
                rights=rights,
            )
        self._settled()
        return report

    def current_publication(self) -> Publication | None:
        """See `Store.current_publication`."""
        row = self._row(statements.CURRENT_PUBLICATION)
        return statements.to_publication(row) if row else None

    def get_profile(self, profile_id: str) -> StoredProfile | None:
        """See `Store.get_profile`."""
        row = self._row(statements.PROFILE, profile_id=profile_id)
        return statements.to_profile(row) if row else None

    def lookup(self, type: str, value: str) -> list[str]:
        """See `Store.lookup`."""
        return [row[0] for row in self._rows(statements.LOOKUP, type=type, value_key=statements.value_key(value))]

    def identifiers(self, profile_id: str, *, after: int = 0, limit: int = 1000) -> list[StoredIdentifier]:
        """See `Store.identifiers`."""
        rows = self._rows(statements.IDENTIFIERS, profile_id=profile_id, after=after, limit=limit)
        return [statements.to_identifier(row) for row in rows]

    def list_segments(self) -> list[SegmentRow]:
        """See `Store.list_segments`."""
        return [statements.to_segment(row) for row in self._rows(statements.SEGMENTS)]

    def memberships(
        self, key: str, *, after: str | None = None, limit: int = 1000, exportable: bool | None = None
    ) -> list[Membership]:
        """See `Store.memberships`."""
        rows = self._rows(statements.MEMBERSHIPS_BY_FLAG[exportable], key=key, after=after or "", limit=limit)
        return [statements.to_membership(row) for row in rows]

    def segment_members(self, key: str, *, after: str | None = None, limit: int = 1000) -> list[str]:
        """See `Store.segment_members`."""
        return [member.profile_id for member in self.memberships(key, after=after, limit=limit)]

    def membership_changes(
        self, *, after: int = 0, limit: int = 1000, segment_key: str | None = None
    ) -> list[MembershipChange]:
        """See `Store.membership_changes`."""
        statement = statements.CHANGES
        if segment_key is not None:
            statement = statement.where(membership_changes.c.segment_key == segment_key)
        return [statements.to_change(row) for row in self._rows(statement, after=after, limit=limit)]

    def add_key(self, key: ApiKey) -> None:
        """See `Store.add_key`."""
        values = {**vars(key), "scopes": " ".join(key.scopes)}
        with self._writing(ConflictError("There is already an API key with this id or prefix.")) as connection:
            connection.execute(sa.insert(api_keys), values)

    def list_keys(self) -> list[ApiKey]:
        """See `Store.list_keys`."""
        return [statements.to_key(row) for row in self._rows(statements.KEYS)]

    def find_key(self, prefix: str) -> ApiKey | None:
        """See `Store.find_key`."""
        row = self._row(statements.KEY, prefix=prefix)
        return statements.to_key(row) if row else None

    def revoke_key(self, key_id: str, at: datetime) -> bool:
        """See `Store.revoke_key`."""
        moment = sa.func.coalesce(api_keys.c.revoked_at, sa.bindparam("moment", at, type_=api_keys.c.revoked_at.type))
        with self._writing() as connection:
            statement = sa.update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=moment)
            return connection.execute(statement).rowcount > 0

    def append_audit(self, entries: Sequence[AuditEntry]) -> int:
        """See `Store.append_audit`."""
        if not entries:
            return 0
        with self._writing() as connection:
            self._backend.lock(connection, "audit")
            wanted = list({entry.entry_id: entry for entry in entries}.values())
            known: set[str] = set(
                connection.scalars(
                    sa.select(audit.c.entry_id).where(audit.c.entry_id.in_([entry.entry_id for entry in wanted]))
                )
            )
            last = connection.scalar(sa.select(audit.c.hash).order_by(audit.c.seq.desc()).limit(1))
            rows = _chained([entry for entry in wanted if entry.entry_id not in known], last or chain.GENESIS)
            if rows:
                connection.execute(sa.insert(audit), rows)
            return len(rows)

    def audit_rows(
        self, *, after: int = 0, limit: int = 1000, action: str | None = None, object: str | None = None
    ) -> list[AuditRow]:
        """See `Store.audit_rows`."""
        statement = statements.AUDIT
        if action is not None:
            statement = statement.where(audit.c.action == action)
        if object is not None:
            statement = statement.where(audit.c.object == object)
        return [statements.to_audit(row) for row in self._rows(statement, after=after, limit=limit)]

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
        statement = statements.AUDIT.where(audit.c.object.in_(profile_ids) | audit.c.action.in_(LISTS))
        if since is not None:
            statement = statement.where(audit.c.at >= since)
        if until is not None:
            statement = statement.where(audit.c.at < until)
        return [statements.to_audit(row) for row in self._rows(statement, after=after, limit=limit)]

    def last_audit(self) -> AuditRow | None:
        """See `Store.last_audit`."""
        row = self._row(statements.LAST_AUDIT)
        return statements.to_audit(row) if row else None

    def former_ids(self, profile_id: str) -> list[str]:
        """See `Store.former_ids`."""
        return sorted(row[0] for row in self._rows(statements.FORMER_IDS, profile_id=profile_id))

    def verify_audit(self) -> int | None:
        """See `Store.verify_audit`."""
        after, previous = 0, chain.GENESIS
        while rows := self.audit_rows(after=after, limit=5000):
            if (broken := chain.first_break(rows, previous)) is not None:
                return broken
            after, previous = rows[-1].seq, rows[-1].hash
        return None

    def secret(self, name: str) -> bytes:
        """See `Store.secret`."""
        row = self._row(statements.SECRET, name=name)
        if row is None:
            # Another process may make it meanwhile; then its value is the one.
            with suppress(ConflictError), self._writing() as connection:
                connection.execute(sa.insert(secrets), {"name": name, "value": randomness.token_hex(32)})
            return self.secret(name)
        return bytes.fromhex(row[0])

    def _settled(self) -> None:
        with told():
            self._backend.settle(self._engine)

    def _row(self, statement: sa.Select[Any], **parameters: Any) -> Sequence[Any] | None:
        return next(iter(self._rows(statement, **parameters)), None)

    def _rows(self, statement: sa.Select[Any], **parameters: Any) -> Sequence[Sequence[Any]]:
        with told(), self._engine.connect() as connection:
            return connection.execute(statement, parameters).fetchall()

    @contextmanager
    def _writing(self, refused: CdpError | None = None) -> Iterator[sa.Connection]:
        """One write transaction; `refused` is raised when a row breaks a constraint."""
        meaning = refused or ConflictError("Another process wrote the same at the same moment; try again.")
        with (
            told(),
            constraint_told(meaning),
            self._engine.connect().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            yield connection


def _chained(entries: Sequence[AuditEntry], previous_hash: str) -> list[dict[str, Any]]:
    rows = []
    for entry in entries:
        current = chain.link(previous_hash, entry)
        row = {**vars(entry), "detail": chain.detail_text(entry), "previous_hash": previous_hash, "hash": current}
        rows.append(row)
        previous_hash = current
    return rows
