"""Segmentation in a SQL database: SQLite or PostgreSQL.

Each write takes the lock that publications take, so definitions, stays and changes are ordered with them. Statements
over scratch tables are in `membership_scratch`; what they mean is told by `segmentation.Segmentation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cdp.store import forgetting, past
from cdp.store.base import SegmentRow
from cdp.store.membership_writing import MembershipWriter
from cdp.store.running import Backend
from cdp.store.schema import memberships as members
from cdp.store.schema import publications
from cdp.store.schema import segments as served
from cdp.store.segment_rows import LATEST, require_versions, write_segments
from cdp.store.segmentation import Basis, DefinitionVersion, Forgotten, Moved, OutdatedError, PastMembership, require
from cdp.store.segmentation_tables import segment_versions

Writing = Callable[[], AbstractContextManager[sa.Connection]]
Reading = Callable[..., Sequence[Sequence[Any]]]

_VERSIONS = sa.select(
    segment_versions.c.key,
    segment_versions.c.version,
    segment_versions.c.definition,
    segment_versions.c.sentence,
    segment_versions.c.saved_by,
    segment_versions.c.saved_at,
    segment_versions.c.deleted,
)


class SqlSegmentation:
    """Implements `Segmentation` over one database; `settle` makes overwritten values leave the files."""

    def __init__(self, backend: Backend, writing: Writing, reading: Reading, settle: Callable[[], None]) -> None:
        self._backend = backend
        self._writing = writing
        self._rows = reading
        self._settle = settle

    def definitions(self) -> list[DefinitionVersion]:
        """See `Segmentation.definitions`."""
        latest = LATEST.subquery()
        same = sa.and_(latest.c.key == segment_versions.c.key, latest.c.version == segment_versions.c.version)
        statement = _VERSIONS.join(latest, same).where(sa.not_(segment_versions.c.deleted))
        return [_version(row) for row in self._rows(statement.order_by(segment_versions.c.key))]

    def definition(self, key: str) -> DefinitionVersion | None:
        """See `Segmentation.definition`."""
        return next(iter(self.versions(key, limit=1)), None)

    def versions(self, key: str, *, before: int | None = None, limit: int = 100) -> list[DefinitionVersion]:
        """See `Segmentation.versions`."""
        statement = _VERSIONS.where(segment_versions.c.key == key).order_by(segment_versions.c.version.desc())
        if before is not None:
            statement = statement.where(segment_versions.c.version < before)
        return [_version(row) for row in self._rows(statement.limit(limit))]

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
        with self._writing() as connection:
            self._backend.lock(connection, "publish")
            run_id = _require_publication(connection, basis.publication)
            require_versions(connection, basis.definitions)
            self._require(connection, version, expected)
            connection.execute(sa.insert(segment_versions), vars(version))
            write_segments(connection, segments)
            writer = MembershipWriter(
                connection, self._backend, at=at, run_id=run_id, reason="definition", consents=basis.consents
            )
            writer.evaluated(row.key for row in segments)
            writer.give(memberships)
            moved = writer.settle()
            for row in segments:
                connection.execute(sa.update(served).where(served.c.key == row.key).values(**_counted(row.key)))
        self._settle()
        return moved

    def delete(
        self, version: DefinitionVersion, *, expected: int, definitions: Mapping[str, int], at: datetime
    ) -> Moved:
        """See `Segmentation.delete`."""
        with self._writing() as connection:
            self._backend.lock(connection, "publish")
            require_versions(connection, definitions)
            self._require(connection, version, expected)
            connection.execute(sa.insert(segment_versions), vars(version))
            run_id = _current(connection)[1]
            writer = MembershipWriter(connection, self._backend, at=at, run_id=run_id, reason="deleted")
            writer.evaluated([version.key])
            moved = writer.settle()
            connection.execute(sa.delete(served).where(served.c.key == version.key))
        self._settle()
        return moved

    def members_at(
        self, key: str, at: datetime, *, after: str | None = None, limit: int = 1000, exportable: bool | None = None
    ) -> list[PastMembership]:
        """See `Segmentation.members_at`."""
        found = self._rows(past.STATEMENTS[exportable], key=key, at=at, after=after or "", limit=limit)
        living = past.living_ids([row[0] for row in found], self._rows)
        return [PastMembership(row[0], past.when(row[1]), bool(row[2]), living[row[0]]) for row in found]

    def last_change(self) -> int:
        """See `Segmentation.last_change`."""
        return int(self._rows(past.LAST_CHANGE)[0][0])

    def withdraw(self, profile_ids: Iterable[str], purposes: Iterable[str], *, at: datetime) -> int:
        """See `Segmentation.withdraw`."""
        with self._writing() as connection:
            self._backend.lock(connection, "publish")
            writer = MembershipWriter(
                connection, self._backend, at=at, run_id=_current(connection)[1], reason="consent"
            )
            with forgetting.named(connection, self._backend, profile_ids, purposes, at=writer.at) as running:
                running.run(forgetting.HOLD)
                stays = running.rows(forgetting.HELD_STAYS)
                running.run(forgetting.COUNT_DOWN_HELD)
            writer.flip((row[0] for row in stays), exportable=False)
            return writer.settle().exited

    def held(self, purpose: str) -> set[str]:
        """See `Segmentation.held`."""
        return {row[0] for row in self._rows(past.HELD, purpose=purpose)}

    def release(self, profile_ids: Iterable[str], purposes: Iterable[str]) -> None:
        """See `Segmentation.release`."""
        with (
            self._writing() as connection,
            forgetting.named(connection, self._backend, profile_ids, purposes) as running,
        ):
            running.run(forgetting.RELEASE)

    def forget(self, profile_ids: Iterable[str], *, at: datetime) -> Forgotten:
        """See `Segmentation.forget`."""
        with self._writing() as connection:
            self._backend.lock(connection, "publish")
            forgotten = forgetting.forget(connection, self._backend, profile_ids, at=at, run_id=_current(connection)[1])
        self._settle()
        return forgotten

    def _require(self, connection: sa.Connection, version: DefinitionVersion, expected: int | None) -> None:
        row = connection.execute(
            _VERSIONS.where(segment_versions.c.key == version.key).order_by(segment_versions.c.version.desc()).limit(1)
        ).first()
        shipped = sa.select(served.c.key).where(served.c.key == version.key, served.c.origin == "shipped")
        require(_version(row) if row else None, version, expected, shipped=connection.scalar(shipped) is not None)


def _current(connection: sa.Connection) -> tuple[int, str]:
    statement = sa.select(publications.c.seq, publications.c.run_id).order_by(publications.c.seq.desc()).limit(1)
    row = connection.execute(statement).first()
    return (row[0], row[1]) if row else (0, "")


def _require_publication(connection: sa.Connection, expected: int) -> str:
    """The run id of the current publication; OutdatedError when it is another one."""
    seq, run_id = _current(connection)
    if seq != expected:
        raise OutdatedError("Something newer was published meanwhile; the segment has to be evaluated again.")
    return run_id


def _counted(key: str) -> dict[str, Any]:
    """How many are in and may be reached, from the stays themselves: profiles may be gone since the evaluation."""
    count = sa.select(sa.func.count()).select_from(members).where(members.c.segment_key == key)
    return {"size": count.scalar_subquery(), "exportable": count.where(members.c.exportable).scalar_subquery()}


def _version(row: Sequence[Any]) -> DefinitionVersion:
    key, version, definition, sentence, saved_by, saved_at, deleted = row
    return DefinitionVersion(key, version, definition, sentence, saved_by, past.when(saved_at), bool(deleted))
