"""Reading published snapshots from a process that lives on: which file is open, and for how long.

`SnapshotReader` opens the file it is asked for and lets go of the former one as soon as its last query has ended, so
that a replaced file does not stay reachable. Queries run on cursors of their own and can be interrupted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from cdp.errors import NotFoundError
from cdp.store import snapshots


@dataclass
class _Open:
    """One open file and how many queries use it."""

    path: Path
    connection: duckdb.DuckDBPyConnection
    identity: tuple[int, int]
    users: int = 0
    retired: bool = False


class SnapshotReader:
    """Thread-safe access to the current snapshot in `serving`."""

    def __init__(self, serving: Path, *, threads: int = 2, memory_limit: str = "1GB") -> None:
        self._serving = serving
        self._threads = threads
        self._memory_limit = memory_limit
        self._lock = threading.Lock()
        self._open: _Open | None = None

    @contextmanager
    def cursor(self, file: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of its own on a snapshot: the file the store's publication names, else the one the pointer names.

        Raises NotFoundError when nothing is published or the file is missing.
        """
        used = self._acquire(file)
        try:
            cursor = used.connection.cursor()
            try:
                yield cursor
            finally:
                cursor.close()
        finally:
            self._release(used)

    def follow(self, file: str | None = None) -> Path:
        """Open a snapshot now, and let go of the former one, without a query."""
        used = self._acquire(file)
        self._release(used)
        return used.path

    def close(self) -> None:
        """Let go of the open file; running queries end first."""
        with self._lock:
            former, self._open = self._open, None
            if former is not None:
                self._retire(former)

    def _acquire(self, file: str | None) -> _Open:
        path = self._wanted(file)
        with self._lock:
            if self._open is None or self._is_stale(self._open, path):
                former, self._open = self._open, None
                if former is not None:
                    self._retire(former)
                identity = _identity(path)
                connection = snapshots.connect(path, threads=self._threads, memory_limit=self._memory_limit)
                self._open = _Open(path, connection, identity)
            self._open.users += 1
            return self._open

    def _is_stale(self, used: _Open, path: Path) -> bool:
        if used.path != path:
            return True
        # DuckDB hands out the file it has open under this name, so a replaced one is opened when no query uses it.
        return used.users == 0 and used.identity != _identity(path)

    def _release(self, used: _Open) -> None:
        with self._lock:
            used.users -= 1
            if used.retired and used.users == 0:
                used.connection.close()

    def _retire(self, former: _Open) -> None:
        former.retired = True
        if former.users == 0:
            former.connection.close()

    def _wanted(self, file: str | None) -> Path:
        path = self._serving / Path(file).name if file else snapshots.current(self._serving)
        if path is None:
            raise NotFoundError("Nothing is published yet: run `cdp run --from DIR` first.")
        return path


def _identity(path: Path) -> tuple[int, int]:
    """What tells two files of the same name apart, for a run that was published again."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        raise NotFoundError(f"The snapshot {path.name} is missing: run `cdp run --from DIR`.") from None
    return facts.st_ino, facts.st_mtime_ns
