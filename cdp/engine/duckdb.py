"""DuckDB as the analytical engine.

DuckDB allows one read-write process or many read-only ones. Spill goes to the state home, bounded, never beside the
working directory. A failing open is told as one sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from cdp.errors import DISK_FULL, BusyError, NotFoundError, ResourceError, tells_of_full_disk
from cdp.settings import Settings
from cdp.spill import spill_folder


class DuckDBEngine:
    """Opens one DuckDB file with bounded memory, threads and spill."""

    name = "duckdb"

    def __init__(self, path: Path, *, tmp: Path, threads: int, memory_limit: str, max_spill: str) -> None:
        self.path = path
        self._tmp = tmp
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "threads": threads,
            "memory_limit": memory_limit,
            "temp_directory": str(spill_folder(tmp, path)),
            "max_temp_directory_size": max_spill,
            "autoinstall_known_extensions": False,
        }

    @contextmanager
    def writer(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The single read-write connection; the file is made when missing."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._tmp.mkdir(parents=True, exist_ok=True)
        with self._open(read_only=False) as connection:
            yield connection

    @contextmanager
    def reader(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection; NotFoundError when nothing was built yet."""
        if not self.path.exists():
            raise NotFoundError(f"There is no {self.path.name} yet: run `cdp run --from DIR` first.")
        with self._open(read_only=True) as connection:
            yield connection

    def rows(self, sql: str, parameters: list[Any] | None = None) -> Iterator[tuple[Any, ...]]:
        """Rows of a read-only query, on a connection of its own."""
        with self.reader() as connection:
            yield from connection.execute(sql, parameters or []).fetchall()

    @contextmanager
    def _open(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        try:
            connection = duckdb.connect(str(self.path), read_only=read_only, config=self._config)
        except duckdb.IOException as error:
            if "lock" in str(error).lower():
                raise BusyError(f"{self.path.name} is open in another process; try again when it has ended.") from None
            if tells_of_full_disk(error):
                raise ResourceError(DISK_FULL) from None
            raise ResourceError(f"{self.path.name} could not be opened: {_first_line(error)}") from None
        # Not part of the configuration: the zones come with an extension that is loaded after it is read.
        connection.execute("set TimeZone = 'UTC'")
        try:
            yield connection
        except duckdb.OutOfMemoryException:
            raise ResourceError("The engine ran out of memory or spill space; raise CDP_MEMORY_LIMIT.") from None
        except duckdb.Error as error:
            if tells_of_full_disk(error):
                raise ResourceError(DISK_FULL) from None
            raise
        finally:
            connection.close()


def open_engine(settings: Settings) -> DuckDBEngine:
    """The warehouse's engine as the settings describe it."""
    return DuckDBEngine(
        settings.warehouse,
        tmp=settings.tmp,
        threads=settings.threads,
        memory_limit=settings.memory_limit,
        max_spill=settings.max_spill,
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
