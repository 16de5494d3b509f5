"""Reading the store from asynchronous code: the API's way to answer from it.

SQLite is called in this thread, because a key lookup takes microseconds and a hop to another thread many times that.
PostgreSQL goes through an asyncpg pool. Both run the shared statements, compiled once per database. Writes are the
synchronous `Store`'s, in a worker thread.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

import sqlalchemy as sa

from cdp.store import address, statements
from cdp.store.base import (
    ApiKey,
    Membership,
    Publication,
    SegmentRow,
    Store,
    StoredIdentifier,
    StoredProfile,
)
from cdp.store.faults import sentence
from cdp.store.sqlite import prepare
from cdp.store.statements import Row

READ_SECONDS = 5.0


class AsyncReader(Protocol):
    """The reads of `cdp.store.base.Store` that the API needs."""

    async def close(self) -> None:
        """Give back connections."""
        ...

    async def current_publication(self) -> Publication | None:
        """See `Store.current_publication`."""
        ...

    async def get_profile(self, profile_id: str) -> StoredProfile | None:
        """See `Store.get_profile`."""
        ...

    async def lookup(self, type: str, value: str) -> list[str]:
        """See `Store.lookup`."""
        ...

    async def identifiers(self, profile_id: str, *, after: int = 0, limit: int = 1000) -> list[StoredIdentifier]:
        """See `Store.identifiers`."""
        ...

    async def list_segments(self) -> list[SegmentRow]:
        """See `Store.list_segments`."""
        ...

    async def get_segment(self, key: str) -> SegmentRow | None:
        """One segment."""
        ...

    async def memberships(
        self, key: str, *, after: str | None = None, limit: int = 1000, exportable: bool | None = None
    ) -> list[Membership]:
        """See `Store.memberships`."""
        ...

    async def find_key(self, prefix: str) -> ApiKey | None:
        """See `Store.find_key`."""
        ...


async def open_reader(store: Store) -> AsyncReader:
    """A reader over an opened store. Raises UnavailableError when its database does not answer."""
    if store.url == "memory:":
        return StoreReader(store)
    url = address.parse(store.url)
    return SqliteReader(url) if url.drivername == "sqlite" else await PostgresReader.connect(url)


class StatementReader(ABC):
    """The reads, over whatever runs a compiled statement."""

    @abstractmethod
    async def fetch(self, statement: sa.Select[Any], **parameters: Any) -> Sequence[Row]:
        """Rows of a shared statement."""

    async def current_publication(self) -> Publication | None:
        """See `Store.current_publication`."""
        rows = await self.fetch(statements.CURRENT_PUBLICATION)
        return statements.to_publication(rows[0]) if rows else None

    async def get_profile(self, profile_id: str) -> StoredProfile | None:
        """See `Store.get_profile`."""
        rows = await self.fetch(statements.PROFILE, profile_id=profile_id)
        return statements.to_profile(rows[0]) if rows else None

    async def lookup(self, type: str, value: str) -> list[str]:
        """See `Store.lookup`."""
        rows = await self.fetch(statements.LOOKUP, type=type, value_key=statements.value_key(value))
        return [row[0] for row in rows]

    async def identifiers(self, profile_id: str, *, after: int = 0, limit: int = 1000) -> list[StoredIdentifier]:
        """See `Store.identifiers`."""
        rows = await self.fetch(statements.IDENTIFIERS, profile_id=profile_id, after=after, limit=limit)
        return [statements.to_identifier(row) for row in rows]

    async def list_segments(self) -> list[SegmentRow]:
        """See `Store.list_segments`."""
        return [statements.to_segment(row) for row in await self.fetch(statements.SEGMENTS)]

    async def get_segment(self, key: str) -> SegmentRow | None:
        """One segment."""
        rows = await self.fetch(statements.SEGMENT, key=key)
        return statements.to_segment(rows[0]) if rows else None

    async def memberships(
        self, key: str, *, after: str | None = None, limit: int = 1000, exportable: bool | None = None
    ) -> list[Membership]:
        """See `Store.memberships`."""
        statement = statements.MEMBERSHIPS_BY_FLAG[exportable]
        rows = await self.fetch(statement, key=key, after=after or "", limit=limit)
        return [statements.to_membership(row) for row in rows]

    async def find_key(self, prefix: str) -> ApiKey | None:
        """See `Store.find_key`."""
        rows = await self.fetch(statements.KEY, prefix=prefix)
        return statements.to_key(rows[0]) if rows else None


class SqliteReader(StatementReader):
    """One connection, used from the event loop's thread only."""

    def __init__(self, url: sa.URL) -> None:
        self._connection = sqlite3.connect(address.sqlite_path(url), check_same_thread=False)
        prepare(self._connection)
        self._connection.execute("pragma query_only = on")
        self._connection.execute(f"pragma busy_timeout = {int(READ_SECONDS * 1000)}")

    async def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    async def fetch(self, statement: sa.Select[Any], **parameters: Any) -> Sequence[Row]:
        """Rows of a shared statement."""
        text, names, defaults = compiled(statement, "sqlite")
        values = {**defaults, **parameters}
        try:
            return self._connection.execute(text, [values[name] for name in names]).fetchall()
        except sqlite3.Error as error:
            raise sentence(error) from None


class PostgresReader(StatementReader):
    """An asyncpg pool."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @classmethod
    async def connect(cls, url: sa.URL) -> PostgresReader:
        """Open the pool; UnavailableError when the database does not answer."""
        import asyncpg

        arguments = address.asyncpg_arguments(url)
        try:
            pool = await asyncpg.create_pool(
                **arguments, min_size=1, max_size=10, command_timeout=READ_SECONDS, timeout=READ_SECONDS
            )
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise sentence(error) from None
        return cls(pool)

    async def close(self) -> None:
        """Close the pool."""
        await self._pool.close()

    async def fetch(self, statement: sa.Select[Any], **parameters: Any) -> Sequence[Row]:
        """Rows of a shared statement."""
        import asyncpg

        text, names, defaults = compiled(statement, "postgresql")
        values = {**defaults, **parameters}
        try:
            rows: Sequence[Row] = await self._pool.fetch(text, *[values[name] for name in names])
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise sentence(error) from None
        return rows


class StoreReader:
    """The reads of a synchronous store that never waits, such as the one in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def close(self) -> None:
        """Nothing: the store belongs to whoever made it."""

    async def current_publication(self) -> Publication | None:
        """See `Store.current_publication`."""
        return self._store.current_publication()

    async def get_profile(self, profile_id: str) -> StoredProfile | None:
        """See `Store.get_profile`."""
        return self._store.get_profile(profile_id)

    async def lookup(self, type: str, value: str) -> list[str]:
        """See `Store.lookup`."""
        return self._store.lookup(type, value)

    async def identifiers(self, profile_id: str, *, after: int = 0, limit: int = 1000) -> list[StoredIdentifier]:
        """See `Store.identifiers`."""
        return self._store.identifiers(profile_id, after=after, limit=limit)

    async def list_segments(self) -> list[SegmentRow]:
        """See `Store.list_segments`."""
        return self._store.list_segments()

    async def get_segment(self, key: str) -> SegmentRow | None:
        """One segment."""
        return next((row for row in self._store.list_segments() if row.key == key), None)

    async def memberships(
        self, key: str, *, after: str | None = None, limit: int = 1000, exportable: bool | None = None
    ) -> list[Membership]:
        """See `Store.memberships`."""
        return self._store.memberships(key, after=after, limit=limit, exportable=exportable)

    async def find_key(self, prefix: str) -> ApiKey | None:
        """See `Store.find_key`."""
        return self._store.find_key(prefix)


@cache
def compiled(statement: sa.Select[Any], database: str) -> tuple[str, tuple[str, ...], dict[str, Any]]:
    """A statement's text for a driver, the order of its parameters and the values it brings itself."""
    dialect = _dialect(database)
    result = statement.compile(dialect=dialect)
    names = tuple(result.positiontup or ())
    return str(result), names, {name: value for name, value in result.params.items() if value is not None}


def _dialect(database: str) -> sa.Dialect:
    if database == "sqlite":
        from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

        return SQLiteDialect_pysqlite(paramstyle="qmark")
    return sa.make_url("postgresql+asyncpg://").get_dialect()()
