"""The one row that an aggregate query gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb


def single(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | list[Any] | None = None
) -> tuple[Any, ...]:
    """The first row of a query that always has one; LookupError when it has none, which would be our mistake."""
    row: tuple[Any, ...] | None = connection.execute(sql, parameters or []).fetchone()
    if row is None:
        raise LookupError("the query gave no row")
    return row
