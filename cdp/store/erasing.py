"""Erasing profiles from the store: rows and bytes, and a publication that names the snapshot without them.

Everything happens in one transaction, so profiles and snapshot change at one moment. `settle` then makes the bytes go:
SQLite empties its log, PostgreSQL rewrites the tables, gathers statistics anew and moves on to another log segment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import sqlalchemy as sa

from cdp.clock import wall_now
from cdp.store import address
from cdp.store.base import Publication
from cdp.store.faults import told
from cdp.store.postgres import PostgresBackend
from cdp.store.publishing import Backend
from cdp.store.schema import identifiers, membership_changes, memberships, profiles, publications
from cdp.store.sqlite import SqliteBackend

_BATCH = 500
_TABLES = ("memberships", "membership_changes", "identifiers", "profiles")
# What people decided about the erased goes through `DecisionLog.forget`.
_DECISIONS = ("identity_decision_links", "identity_withdrawals", "identity_decisions", "identity_hub_edits")


@dataclass(frozen=True)
class StoreErased:
    """Rows deleted by table, and profiles that stay as an id without anything."""

    rows: Mapping[str, int]
    tombstones: int


def count(url: str, profile_ids: Iterable[str]) -> dict[str, int]:
    """Rows by table that an erasure of these profiles would touch."""
    found = dict.fromkeys(_TABLES, 0)
    with _engine(_backend(url)) as engine, engine.connect() as connection:
        for batch in _batches(profile_ids):
            for table in (memberships, membership_changes, identifiers, profiles):
                counted = sa.select(sa.func.count()).select_from(table).where(table.c.profile_id.in_(batch))
                if table is profiles:
                    counted = counted.where(table.c.document.is_not(None))
                found[table.name] += connection.scalar(counted) or 0
    return found


def erase(url: str, profile_ids: Iterable[str], publication: Publication | None) -> StoreErased:
    """Delete everything about the profiles; their ids stay as retired. `publication` is recorded with it."""
    backend = _backend(url)
    rows = dict.fromkeys(_TABLES, 0)
    tombstones = 0
    with (
        _engine(backend) as engine,
        engine.connect().execution_options(writes=True) as connection,
        connection.begin(),
    ):
        backend.lock(connection, "publish")
        for batch in _batches(profile_ids):
            for table in (memberships, membership_changes, identifiers):
                rows[table.name] += connection.execute(sa.delete(table).where(table.c.profile_id.in_(batch))).rowcount
            emptied = sa.update(profiles).where(profiles.c.profile_id.in_(batch))
            changed = connection.execute(
                emptied.values(
                    status="retired", merged_into=None, document=None, content_hash="", version=profiles.c.version + 1
                )
            ).rowcount
            rows["profiles"] += changed
            tombstones += changed
        if publication is not None:
            row = {**vars(publication), "counts": json.dumps(dict(publication.counts)), "published_at": wall_now()}
            row.pop("seq")
            connection.execute(sa.insert(publications), row)
    return StoreErased(rows, tombstones)


def settle(url: str) -> str | None:
    """Make overwritten and deleted values leave the files. None when all is done, else what could not be done."""
    backend = _backend(url)
    with _engine(backend) as engine:
        return _truncate(engine) if isinstance(backend, SqliteBackend) else _vacuum(engine)


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
        for table in (*_TABLES, *_DECISIONS):
            connection.exec_driver_sql(f"vacuum full {table}")
            connection.exec_driver_sql(f"analyze {table}")
        try:
            for _ in range(4):
                connection.exec_driver_sql("select pg_switch_wal()")
                connection.exec_driver_sql("checkpoint")
        except sa.exc.DBAPIError:
            return "the role may not switch PostgreSQL's write-ahead log; it is recycled by the server in its own time"
    return None


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
