"""SQLite as the store: pragmas that make it safe, and how rows reach it in bulk.

WAL lets readers go on while one process writes; `secure_delete` overwrites what is deleted and is asserted, because an
erased person must not stay in free pages; scratch tables stay in memory for the same reason.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cdp.clock import stopwatch
from cdp.errors import ConfigurationError, ResourceError
from cdp.store.address import sqlite_path

BUSY_SECONDS = 30.0


class SqliteBackend:
    """What differs on SQLite."""

    name = "sqlite"

    def __init__(self, url: sa.URL) -> None:
        self.path = sqlite_path(url)

    def engine(self) -> sa.Engine:
        """An engine whose connections carry our pragmas and start transactions themselves."""
        create_file(self.path)
        engine = sa.create_engine(f"sqlite:///{self.path}", hide_parameters=True)
        sa.event.listen(engine, "connect", lambda connection, _: prepare(connection))
        sa.event.listen(engine, "begin", _begin)
        return engine

    def lock(self, connection: sa.Connection, what: str) -> None:
        """Nothing: a writing transaction began with BEGIN IMMEDIATE, so it is the only one."""

    def stage(
        self, connection: sa.Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> None:
        """Bulk-insert rows into a scratch table."""
        marks = ", ".join("?" * len(columns))
        connection.exec_driver_sql(f"insert into {table} ({', '.join(columns)}) values ({marks})", list(rows))

    def measured(self, connection: sa.Connection, table: str) -> None:
        """Nothing: SQLite's plans for our scratch tables need no statistics."""

    def settle(self, engine: sa.Engine) -> None:
        """Copy the write-ahead log into the file and empty it, so that overwritten values do not linger in it.

        A reader in the middle of a transaction only delays this to the next time.
        """
        with engine.connect() as connection:
            cursor = connection.connection.cursor()
            cursor.execute("pragma busy_timeout = 1000")
            cursor.execute("pragma wal_checkpoint(truncate)")
            cursor.fetchall()
            cursor.execute(f"pragma busy_timeout = {int(BUSY_SECONDS * 1000)}")
            cursor.close()


def create_file(path: Path) -> None:
    """Make the folder and an empty file that only its owner may read; an existing file is not even opened.

    To close a file ends all POSIX locks that this process has on it, SQLite's too. Another process would then take
    itself for the last one and remove the write-ahead log that connections here still write to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise ResourceError(f"The store {path.name} cannot be written in {path.parent}: {error.strerror}.") from None


def prepare(connection: Any) -> None:
    """Set our pragmas on a new connection. Raises ConfigurationError when this SQLite cannot delete securely."""
    connection.isolation_level = None
    connection.execute(f"pragma busy_timeout = {int(BUSY_SECONDS * 1000)}")
    _write_ahead(connection)
    for pragma in ("synchronous = full", "foreign_keys = on", "temp_store = memory", "cache_size = -65536"):
        connection.execute(f"pragma {pragma}").close()
    connection.execute("pragma secure_delete = on").close()
    if connection.execute("pragma secure_delete").fetchone() != (1,):
        raise ConfigurationError("This SQLite was built without secure_delete; erased data would stay in the file.")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to WAL once per file. SQLite does not wait for others here, so we do."""
    deadline = stopwatch() + BUSY_SECONDS
    pause = threading.Event()
    while connection.execute("pragma journal_mode").fetchone() != ("wal",):
        try:
            connection.execute("pragma journal_mode = wal").fetchone()
        except sqlite3.OperationalError:
            if stopwatch() > deadline:
                raise
            pause.wait(0.02)


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("begin immediate" if writes else "begin")
