"""A DuckDB file written anew without the rows of some people: one read, one write, no old block left.

The old file is attached read-only and stays as it is until the new one is complete, flushed and put in its place. All
that changes for privacy's sake changes in the copying; only statuses and counters are set afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from privacy.erasure.finders import KEY_TABLES, condition
from privacy.inventory.gaps import find_table
from privacy.inventory.model import Inventory

if TYPE_CHECKING:
    import duckdb

# The first format in which text is packed without unused room in its blocks, where memory that held what goes would be
# written out. Files keep it; every version of the engine that may be installed reads it.
STORAGE = "v1.3.0"


@contextmanager
def keyed(config: dict[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory with empty key tables."""
    import duckdb

    connection = duckdb.connect(":memory:", config=config)
    try:
        connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        for table, columns in KEY_TABLES.items():
            connection.execute(f"create temp table {table} ({columns})")
        yield connection
    finally:
        connection.close()


@contextmanager
def opened(path: Path, config: dict[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    """The same, with a file attached read-only as `old`."""
    with keyed(config) as connection:
        attach(connection, path)
        yield connection


def attach(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Attach a file read-only as `old`."""
    connection.execute(f"attach {_quoted(path)} as old (read_only)")


def detach(connection: duckdb.DuckDBPyConnection) -> None:
    """Let go of `old`, if it is still there, and of what is cached of it; the key tables stay."""
    connection.execute("detach database if exists old")


def fill(connection: duckdb.DuckDBPyConnection, table: str, values: list[str]) -> None:
    """Put values into a key table of one column."""
    import pyarrow as pa

    if values:
        connection.register("arriving", pa.table({"value": pa.array(values, pa.string())}))
        connection.execute(f"insert into {table} select distinct value from arriving")
        connection.unregister("arriving")


def tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """`schema.table` of every table in the old file."""
    rows = connection.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'old' order by 1"
    ).fetchall()
    return [row[0] for row in rows]


def matched(connection: duckdb.DuckDBPyConnection, inventory: Inventory) -> dict[str, int]:
    """Rows by table that would go; a table that nobody declared counts as -1."""
    found = {}
    for name in tables(connection):
        table = find_table(inventory, "warehouse", name)
        if table is None:
            found[name] = -1
            continue
        wanted = condition(table, name)
        if wanted is not None:
            rows = connection.execute(f"select count(*) from old.{_named(name)} as t where {wanted}").fetchall()
            found[name] = int(rows[0][0])
    return found


def rewrite(connection: duckdb.DuckDBPyConnection, inventory: Inventory, target: Path) -> None:
    """Write the file at `target` with every row that stays; leaves it attached as `new`."""
    _begin(connection, target)
    connection.execute("copy from database old to new (schema)")
    for name in tables(connection):
        table = find_table(inventory, "warehouse", name)
        wanted = condition(table, name) if table is not None else None
        where = f" where not ({wanted})" if wanted is not None else ""
        cut = _cuts(connection, name)
        columns = f"t.* replace ({cut})" if cut else "t.*"
        connection.execute(f"insert into new.{_named(name)} select {columns} from old.{_named(name)} as t{where}")


def copy(connection: duckdb.DuckDBPyConnection, target: Path) -> None:
    """Write all of the old file to `target`, complete and let go; it is not flushed to the disk yet."""
    _begin(connection, target)
    connection.execute("copy from database old to new")
    connection.execute("checkpoint new")
    connection.execute("detach new")


def _begin(connection: duckdb.DuckDBPyConnection, target: Path) -> None:
    for path in (target, target.with_name(target.name + ".wal")):
        path.unlink(missing_ok=True)
    # Without a log: it would be readable by everybody, and a file that is not complete is begun anew anyway.
    connection.execute(f"attach {_quoted(target)} as new (recovery_mode no_wal_writes, storage_version '{STORAGE}')")
    # Who may not read the old file may not read the new one.
    asked = connection.execute("select path from duckdb_databases() where database_name = 'old'").fetchall()
    target.chmod(Path(asked[0][0]).stat().st_mode & 0o777)


def put_in_place(
    connection: duckdb.DuckDBPyConnection, target: Path, final: Path, check: Callable[[Path], None] | None = None
) -> None:
    """Close the new file, let `check` look at it, flush it and let it take the place of the old one."""
    connection.execute("checkpoint new")
    connection.execute("detach new")
    connection.execute("detach old")
    if check is not None:
        check(target)
    handle = os.open(target, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
    target.replace(final)
    final.with_name(final.name + ".wal").unlink(missing_ok=True)
    folder = os.open(final.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _cuts(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    fields = connection.execute("select distinct field from erase_cuts where name = ? order by 1", [name]).fetchall()
    return ", ".join(
        f"coalesce((select any_value(c.text) from erase_cuts as c where c.name = '{name}' and c.field = '{field}'"
        f" and c.row_no = t.rowid), t.{field}) as {field}"
        for (field,) in fields
    )


def _named(name: str) -> str:
    schema, _, table = name.partition(".")
    return f'{schema}."{table}"'


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
