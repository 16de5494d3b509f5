"""The key tables of an erasure, filled once and used by the positive control and by the rewrite of the warehouse.

Nothing writes to the warehouse between the two, so row numbers hold. A resumed erasure fills them anew. Files are
attached only while they are read: what is cached of them is given back in between.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdp.settings import Settings
from pipelines.erasing.keys import Filled, install
from privacy.closure import Closure
from privacy.erasure import database
from privacy.erasure.finders import condition
from privacy.inventory.gaps import find_table
from privacy.inventory.model import Inventory
from privacy.verify import databases
from privacy.verify.search import Searcher

if TYPE_CHECKING:
    import duckdb


class Keyed:
    """Key tables of some closures on a connection of their own; close it when the warehouse is rewritten."""

    def __init__(
        self, settings: Settings, inventory: Inventory, closures: Sequence[Closure], config: dict[str, Any]
    ) -> None:
        self._settings = settings
        self._inventory = inventory
        self._closures = closures
        self._config = config
        self._open = ExitStack()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._filled: Filled | None = None
        self._one_at_a_time = threading.Lock()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was filled yet."""
        return self._filled is None

    def close(self) -> None:
        """Give everything back; the next use begins anew."""
        self._open.close()
        self._connection = self._filled = None

    @contextmanager
    def warehouse(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The connection, with the warehouse attached as `old`."""
        with self._attached(self._settings.warehouse) as connection:
            yield connection

    def fill(self, connection: duckdb.DuckDBPyConnection) -> Filled:
        """Fill the key tables from the attached warehouse, the first time."""
        if self._filled is None:
            self._filled = install(connection, self._settings, self._closures)
        return self._filled

    def search_rows_that_go(self, path: Path, searcher: Searcher) -> dict[str, Counter[int]]:
        """Hits by table in the rows of a warehouse or snapshot that are about to go; in all rows of any other database.

        Either the scanner finds the people where they are known to be, or its silence later on says nothing. What it
        would find in other rows it finds then.
        """
        ours = path == self._settings.warehouse or path.parent == self._settings.serving
        if self._filled is None or not ours:
            return databases.scan_duckdb(path, searcher, self._config)
        with self._one_at_a_time, self._attached(path) as connection:
            return databases.scan_attached(connection, "old", searcher, self._rows)

    def _rows(self, name: str) -> str | None:
        declared = find_table(self._inventory, "warehouse", name)
        return condition(declared, name) if declared is not None else "true"

    @contextmanager
    def _attached(self, path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
        if self._connection is None:
            self._connection = self._open.enter_context(database.keyed(self._config))
        database.attach(self._connection, path)
        try:
            yield self._connection
        finally:
            database.detach(self._connection)
