"""Erasing profiles from the store: rows and bytes, and a publication that names the snapshot without them.

Which tables hold rows of a profile is said in `personal_data`, so a new table is erased as soon as it is declared;
memberships go through `forgetting`, which tells an exit for each. Everything happens in one transaction, so profiles,
segments and snapshot change at one moment. `settle` then makes the bytes go: SQLite empties its log, PostgreSQL
rewrites the tables, gathers statistics anew and moves on to another log segment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Protocol, cast

import sqlalchemy as sa

from cdp.clock import wall_now
from cdp.store import address, forgetting
from cdp.store.base import Publication
from cdp.store.consent_tables import consent_records
from cdp.store.correction_tables import correction_places, correction_withdrawals
from cdp.store.delivery_tables import deliveries, destination_members
from cdp.store.faults import told
from cdp.store.personal_data import TABLES
from cdp.store.postgres import PostgresBackend
from cdp.store.running import Backend
from cdp.store.schema import membership_changes, metadata, moment, profiles, publications
from cdp.store.sqlite import SqliteBackend

_BATCH = 500
# What people decided about the erased goes through `DecisionLog.forget`.
_DECISIONS = ("identity_decision_links", "identity_withdrawals", "identity_decisions", "identity_hub_edits")
# Rows that go with the row that they belong to, or by the record that they name.
_NAMED = (consent_records.name, correction_places.name, correction_withdrawals.name)
# The feed keeps the exits of the erased.
_FEED = membership_changes.name
# The outbox keeps what receivers have still to be told, and who they hold until then.
_OUTBOX = deliveries.name
OWN = {name: declared.rows[1] for name, declared in TABLES.items() if declared.rows[0] == "profile"}


@dataclass(frozen=True)
class StoreErased:
    """Rows deleted by table, and profiles that stay as an id without anything."""

    rows: Mapping[str, int]
    tombstones: int


class Eraser(Protocol):
    """Erases from one store; the in-memory double keeps the same contract."""

    def count(self, profile_ids: Iterable[str]) -> dict[str, int]:
        """Rows by table that an erasure of these profiles would touch."""
        ...

    def erase(
        self, profile_ids: Iterable[str], publication: Publication | None, *, request: str | None = None
    ) -> StoreErased:
        """Delete everything about the profiles; their ids stay as retired. `publication` is recorded with it.

        With `request` everybody who was given one of them is told, in the name of that request (GDPR Art. 19).
        Ids that the store does not know are passed over; erasing again changes nothing.
        """
        ...

    def settle(self) -> str | None:
        """Make overwritten and deleted values leave the files. None when all is done, else what could not be done."""
        ...


class SqlEraser:
    """On SQLite or PostgreSQL."""

    def __init__(self, url: str) -> None:
        self._backend = _backend(url)

    def count(self, profile_ids: Iterable[str]) -> dict[str, int]:
        """See `Eraser.count`."""
        found = dict.fromkeys((*OWN, _FEED, _OUTBOX, profiles.name), 0)
        with _engine(self._backend) as engine, engine.connect() as connection:
            for batch in _batches(profile_ids):
                for name, column in OWN.items():
                    table = metadata.tables[name]
                    counted = sa.select(sa.func.count()).select_from(table).where(table.c[column].in_(batch))
                    found[name] += connection.scalar(counted) or 0
                told = sa.select(sa.func.count()).select_from(membership_changes).where(
                    membership_changes.c.profile_id.in_(batch), membership_changes.c.reason != "erased"
                )  # fmt: skip
                found[_FEED] += connection.scalar(told) or 0
                sent = sa.select(sa.func.count()).select_from(deliveries).where(
                    deliveries.c.profile_id.in_(batch),
                    sa.not_(sa.and_(deliveries.c.state == "pending", deliveries.c.kind == "exited")),
                    deliveries.c.kind != "erased",
                )  # fmt: skip
                found[_OUTBOX] += connection.scalar(sent) or 0
                living = sa.select(sa.func.count()).select_from(profiles).where(_not_erased(batch))
                found[profiles.name] += connection.scalar(living) or 0
        return found

    def erase(
        self, profile_ids: Iterable[str], publication: Publication | None, *, request: str | None = None
    ) -> StoreErased:
        """See `Eraser.erase`."""
        ids = sorted(set(profile_ids))
        rows = dict.fromkeys((*OWN, _FEED, _OUTBOX, profiles.name), 0)
        with (
            _engine(self._backend) as engine,
            engine.connect().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            self._backend.lock(connection, "publish")
            at, run_id = _moment(connection, publication)
            forgotten = forgetting.forget(connection, self._backend, ids, at=at, run_id=run_id, request=request)
            rows |= {
                "memberships": forgotten.memberships,
                "membership_history": forgotten.history,
                "membership_holds": forgotten.holds,
                _FEED: forgotten.changes,
                _OUTBOX: forgotten.deliveries,
            }
            for batch in _batches(ids):
                for name, column in OWN.items():
                    table = metadata.tables[name]
                    rows[name] += connection.execute(sa.delete(table).where(table.c[column].in_(batch))).rowcount
                emptied = sa.update(profiles).where(_not_erased(batch)).values(
                    status="retired", merged_into=None, document=None, content_hash="", version=profiles.c.version + 1
                )  # fmt: skip
                rows[profiles.name] += connection.execute(emptied).rowcount
            if publication is not None:
                row = {**vars(publication), "counts": json.dumps(dict(publication.counts)), "published_at": wall_now()}
                row.pop("seq")
                connection.execute(sa.insert(publications), row)
        return StoreErased(rows, rows[profiles.name])

    def settle(self) -> str | None:
        """See `Eraser.settle`."""
        with _engine(self._backend) as engine:
            return _truncate(engine) if isinstance(self._backend, SqliteBackend) else _vacuum(engine)


def _not_erased(batch: list[str]) -> sa.ColumnElement[bool]:
    """Profiles of a batch that are something else than an id that is retired and empty."""
    emptied = sa.and_(profiles.c.status == "retired", profiles.c.content_hash == "")
    return sa.and_(profiles.c.profile_id.in_(batch), sa.not_(emptied))


def _moment(connection: sa.Connection, publication: Publication | None) -> tuple[datetime, str]:
    """When, in the data's time, and by which run: those of the publication that comes with it, else of the last one."""
    if publication is not None:
        return publication.as_of, publication.run_id
    last = sa.select(publications.c.as_of, publications.c.run_id).order_by(publications.c.seq.desc()).limit(1)
    row: Any = connection.execute(last).first()
    return (cast(datetime, moment(row[0])), row[1]) if row else (wall_now(), "")


def _truncate(engine: sa.Engine) -> str | None:
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute("pragma busy_timeout = 10000")
        busy = cursor.execute("pragma wal_checkpoint(truncate)").fetchall()[0][0]
        cursor.close()
    return "a reader holds the store's log open" if busy else None


def _vacuum(engine: sa.Engine) -> str | None:
    """Rewrite and analyse; the write-ahead log is moved on where the role may."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in (*OWN, _FEED, _OUTBOX, destination_members.name, profiles.name, *_NAMED, *_DECISIONS):
            connection.exec_driver_sql(f"vacuum full {table}")
            connection.exec_driver_sql(f"analyze {table}")
        try:
            for _ in range(4):
                connection.exec_driver_sql("select pg_switch_wal()")
                connection.exec_driver_sql("checkpoint")
        except sa.exc.DBAPIError:
            return "the role may not switch PostgreSQL's write-ahead log; it is recycled by the server in its own time"
    return None


def connected(url: str) -> AbstractContextManager[sa.Engine]:
    """The engine of a store whose schema is up to date, given back after the block; faults are told as ours."""
    return _engine(_backend(url))


def _backend(url: str) -> Backend:
    parsed = address.parse(url)
    return SqliteBackend(parsed) if parsed.drivername == "sqlite" else PostgresBackend(parsed)


@contextmanager
def _engine(backend: Backend) -> Iterator[sa.Engine]:
    engine = backend.engine()
    try:
        with told():
            yield engine
    finally:
        engine.dispose()


def _batches(values: Iterable[str]) -> Iterable[list[str]]:
    iterator = iter(values)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
