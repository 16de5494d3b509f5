"""Every table of a database, typed: the text of each column searched, whatever compression hides it in the file.

DuckDB files are read through Arrow, SQLite files row by row, PostgreSQL tables and the statistics its planner keeps
through SQLAlchemy. Counts are per table; nothing is written.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from privacy.verify.search import Searcher

if TYPE_CHECKING:
    import duckdb

ROWS = 20_000
_TEXTUAL = ("VARCHAR", "BLOB", "JSON", "UUID", "ENUM", "STRUCT", "MAP", "UNION", "BIGINT", "HUGEINT", "[]")


def scan_duckdb(path: Path, searcher: Searcher, config: dict[str, Any]) -> dict[str, Counter[int]]:
    """Hits by table and needle. Raises duckdb.Error when the file cannot be read."""
    import duckdb

    connection = duckdb.connect(":memory:", config=config)
    try:
        connection.execute(f"attach '{str(path).replace(chr(39), chr(39) * 2)}' as held (read_only)")
        return scan_attached(connection, "held", searcher)
    finally:
        connection.close()


def scan_attached(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    searcher: Searcher,
    rows: Callable[[str], str | None] = lambda _: "true",
) -> dict[str, Counter[int]]:
    """The same in an attached database; `rows` gives the condition of a table's rows (alias `t`), None for no row."""
    columns = connection.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns()"
        " where database_name = $name and not internal and table_name in"
        " (select table_name from duckdb_tables() where database_name = $name) order by 1, 2, column_index",
        {"name": database},
    ).fetchall()
    textual: dict[tuple[str, str], list[str]] = {}
    for schema, table, column, kind in columns:
        if any(word in kind for word in _TEXTUAL):
            textual.setdefault((schema, table), []).append(f'cast("{column}" as varchar)')
    found: dict[str, Counter[int]] = {}
    for (schema, table), texts in textual.items():
        wanted = rows(f"{schema}.{table}")
        if wanted is None:
            continue
        # One text a row, so that what is searched is what the reader's buffers hold and no row becomes an object.
        reader = connection.execute(
            f"select concat_ws(chr(10), {', '.join(texts)}) || chr(10)"
            f' from {database}."{schema}"."{table}" as t where {wanted}'
        ).to_arrow_reader(ROWS)
        found[f"{schema}.{table}"] = searcher.count_cells(_content(batch.column(0)) for batch in reader)
    return found


def scan_sqlite(path: Path, searcher: Searcher) -> dict[str, Counter[int]]:
    """Hits by table and needle. Raises sqlite3.Error when the file cannot be read."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.text_factory = bytes
    try:
        names = [row[0].decode() for row in connection.execute("select name from sqlite_master where type = 'table'")]
        return {
            name: searcher.count_cells(_rows(connection.execute(f'select * from "{name}"')))
            for name in names
            if not name.startswith("sqlite_")
        }
    finally:
        connection.close()


def scan_postgres(url: str, searcher: Searcher) -> dict[str, Counter[int]]:
    """Hits by table and needle, the planner's statistics among them."""
    import sqlalchemy as sa

    from cdp.store.address import parse
    from cdp.store.postgres import PostgresBackend

    engine = PostgresBackend(parse(url)).engine()
    found: dict[str, Counter[int]] = {}
    try:
        with engine.connect() as connection:
            tables = sa.inspect(connection).get_table_names()
            queries = {name: f'select cast(t.* as text) from "{name}" as t' for name in tables}
            queries["pg_stats"] = (
                "select concat_ws(' ', most_common_vals::text, histogram_bounds::text) from pg_stats"
                " where schemaname = current_schema()"
            )
            for name, query in queries.items():
                rows = connection.exec_driver_sql(query)
                found[name] = searcher.count_cells(_rows(rows))
    finally:
        engine.dispose()
    return found


def _rows(cursor: Any) -> Iterator[bytes]:
    while rows := cursor.fetchmany(5_000):
        yield b"\n".join(_bytes(value) for row in rows for value in row if value is not None)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


def _content(texts: Any) -> memoryview:
    """The bytes of a column of text, one value after the other."""
    import pyarrow as pa

    whole = texts.cast(pa.large_string())
    _, offsets, data = whole.buffers()
    if data is None:
        return memoryview(b"")
    places = memoryview(offsets).cast("q")
    return memoryview(data)[places[whole.offset] : places[whole.offset + len(whole)]]
