"""PostgreSQL as the store, through pg8000 where code is synchronous.

Rows reach it in bulk by COPY. Writers of the same thing queue on an advisory lock, because isolation alone does not
order two publications.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from cdp.store.address import pg8000_arguments

# Any numbers will do, as long as nobody else in the database uses them.
LOCKS = {
    "schema": 7_216_310_440,
    "publish": 7_216_310_441,
    "audit": 7_216_310_442,
    "decisions": 7_216_310_443,
    "triggers": 7_216_310_444,
}


class PostgresBackend:
    """What differs on PostgreSQL."""

    name = "postgresql"

    def __init__(self, url: sa.URL) -> None:
        self.url = url

    def engine(self) -> sa.Engine:
        """An engine over a small pool that notices dead connections."""
        import pg8000.dbapi

        arguments = pg8000_arguments(self.url)
        return sa.create_engine(
            "postgresql+pg8000://",
            creator=lambda: pg8000.dbapi.connect(**arguments),
            pool_size=2,
            max_overflow=4,
            pool_pre_ping=True,
            hide_parameters=True,
        )

    def lock(self, connection: sa.Connection, what: str) -> None:
        """Wait until no other process writes this; held to the end of the transaction."""
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.cast(LOCKS[what], sa.BigInteger))))

    def stage(
        self, connection: sa.Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> None:
        """Bulk-insert rows into a scratch table."""
        import pg8000.exceptions

        stream = io.BytesIO("".join(map(_copy_line, rows)).encode())
        cursor: Any = connection.connection.cursor()
        try:
            cursor.execute(f"copy {table} ({', '.join(columns)}) from stdin", stream=stream)
        except pg8000.exceptions.DatabaseError as error:
            # SQLAlchemy does not see this statement and cannot hide the row that the message quotes.
            raise DBAPIError(f"copy {table}", None, error, hide_parameters=True) from None
        finally:
            cursor.close()

    def measured(self, connection: sa.Connection, table: str) -> None:
        """Let the planner know how large a scratch table has become."""
        connection.exec_driver_sql(f"analyze {table}")

    def settle(self, engine: sa.Engine) -> None:
        """Nothing: autovacuum does its work."""


def _copy_line(row: Sequence[Any]) -> str:
    return "\t".join(["\\N" if value is None else _escaped(str(value)) for value in row]) + "\n"


def _escaped(text: str) -> str:
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\n" in text or "\t" in text or "\r" in text:
        text = text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    return text
