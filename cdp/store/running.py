"""Running statements of text inside one transaction: scratch tables, bound values, row counts.

Text is ours and constant; values are bound by name where the text mentions them. What the statements mean is told where
they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

from cdp.store.schema import Moment

BATCH = 10_000

T = TypeVar("T")


class Backend(Protocol):
    """What differs between the databases."""

    name: str

    def engine(self) -> sa.Engine:
        """Connections to the database."""
        ...

    def lock(self, connection: sa.Connection, what: str) -> None:
        """Wait until no other transaction writes `what`."""
        ...

    def stage(
        self, connection: sa.Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> None:
        """Bulk-insert rows into a scratch table."""
        ...

    def measured(self, connection: sa.Connection, table: str) -> None:
        """A scratch table is complete; gather what the planner needs."""
        ...

    def settle(self, engine: sa.Engine) -> None:
        """After a commit that overwrote or deleted: make the old values leave the files."""
        ...


class Running:
    """Statements on one connection, inside the caller's transaction."""

    def __init__(self, connection: sa.Connection, backend: Backend, **values: str | datetime) -> None:
        self.connection = connection
        self._backend = backend
        self._bound: dict[str, sa.BindParameter[Any]] = {
            name: sa.bindparam(name, value, Moment if isinstance(value, datetime) else sa.Text)
            for name, value in values.items()
        }

    def create(self, tables: Mapping[str, str], indexes: Iterable[str] = ()) -> None:
        """Make scratch tables; `{key}`, `{moment}` and `{serial}` in their columns stand for types of the database."""
        postgres = self._backend.name == "postgresql"
        types = {
            "key": 'text collate "C"' if postgres else "text",
            "moment": "timestamptz" if postgres else "text",
            "serial": "bigint" if postgres else "integer",
        }
        for table, columns in tables.items():
            self.connection.exec_driver_sql(f"create temporary table {table} ({columns.format(**types)})")
        for statement in indexes:
            self.connection.exec_driver_sql(statement)

    def drop(self, tables: Iterable[str]) -> None:
        """Remove scratch tables."""
        for table in tables:
            self.connection.exec_driver_sql(f"drop table {table}")

    def stage(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Bulk-insert rows into a scratch table."""
        given = list(rows)
        if given:
            self._backend.stage(self.connection, table, columns, given)

    def measured(self, *tables: str) -> None:
        """Scratch tables are complete; gather what the planner needs."""
        for table in tables:
            self._backend.measured(self.connection, table)

    def run(self, sql: str) -> int:
        """Execute a statement and return how many rows it touched."""
        return int(self.connection.execute(self._statement(sql)).rowcount)

    def count(self, sql: str) -> int:
        """The one number that a query answers."""
        return int(self.connection.execute(self._statement(sql)).scalar_one())

    def rows(self, sql: str) -> Sequence[Any]:
        """All rows of a query."""
        return self.connection.execute(self._statement(sql)).fetchall()

    def _statement(self, sql: str) -> sa.TextClause:
        bound = [parameter for name, parameter in self._bound.items() if f":{name}" in sql]
        return sa.text(sql).bindparams(*bound)


def batches(rows: Iterable[T]) -> Iterator[list[T]]:
    """The rows in lists of at most BATCH."""
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch
