"""What the analytical engine must be able to do.

Code above this layer writes SQL in the canonical dialect (DuckDB's, kept to what sqlglot can translate) and logical
table names; an engine runs it. A second engine (Spark) implements the same protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import duckdb


class Engine(Protocol):
    """Opens the warehouse: one writer, or many readers."""

    name: str

    def writer(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """The single read-write connection; ConflictError when another process holds the file."""
        ...

    def reader(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A read-only connection."""
        ...

    def rows(self, sql: str, parameters: list[Any] | None = None) -> Iterator[tuple[Any, ...]]:
        """Rows of a read-only query, on a connection of its own."""
        ...
