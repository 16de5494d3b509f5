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

from privacy.verify.needles import SHORTEST
from privacy.verify.search import Searcher

if TYPE_CHECKING:
    import duckdb

    from privacy.verify.search import Array

ROWS = 60_000
# Rows of a SQLite table that are joined into one text, and what is less than any row's number.
_JOINED = 2_000
_BEFORE_ALL = -(2**63)
_WHOLE_NUMBERS = ("BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT")
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
        if (
            kind in _WHOLE_NUMBERS
            and not searcher.needs_lines
            and not _is_long(connection, f'{database}."{schema}"."{table}"', column)
        ):
            continue
        if any(word in kind for word in _TEXTUAL):
            text = f'"{column}"' if kind == "VARCHAR" else f'cast("{column}" as varchar)'
            textual.setdefault((schema, table), []).append(f"{text} || chr(10)" if searcher.needs_lines else text)
    found: dict[str, Counter[int]] = {}
    for (schema, table), texts in textual.items():
        wanted = rows(f"{schema}.{table}")
        if wanted is None:
            continue
        # What is searched is what the reader's buffers hold; no value becomes an object.
        reader = connection.execute(
            f'select {", ".join(texts)} from {database}."{schema}"."{table}" as t where {wanted}'
        ).to_arrow_reader(ROWS)
        hits = found[f"{schema}.{table}"] = Counter()
        for batch in reader:
            for column in batch.columns:
                hits.update(searcher.count_column(*_content(column)))
    return found


def _is_long(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> bool:
    """Whether a column of whole numbers has one with so many digits that a value could be among them."""
    least, most = connection.execute(f'select min("{column}"), max("{column}") from {table}').fetchall()[0]
    return least is not None and max(len(str(least)), len(str(most))) >= SHORTEST


def scan_sqlite(path: Path, searcher: Searcher) -> dict[str, Counter[int]]:
    """Hits by table and needle. Raises sqlite3.Error when the file cannot be read."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.text_factory = bytes
    try:
        names = [row[0].decode() for row in connection.execute("select name from sqlite_master where type = 'table'")]
        return {
            name: searcher.count_cells(_texts(connection, name)) for name in names if not name.startswith("sqlite_")
        }
    finally:
        connection.close()


def _texts(connection: sqlite3.Connection, table: str) -> Iterator[bytes]:
    """All values of a table, each a line, joined inside the database: no value becomes an object."""
    # Generated ones among them, which `table_info` leaves out.
    columns = [row[1].decode() for row in connection.execute(f'pragma table_xinfo("{table}")')]
    try:
        connection.execute(f'select rowid from "{table}" limit 0')
        has_numbers = "rowid" not in map(str.lower, columns)
    except sqlite3.OperationalError:
        has_numbers = False
    if not has_numbers:
        yield from _rows(connection.execute(f'select * from "{table}"'))
        return
    values = " || char(10) || ".join(f"coalesce(\"{column}\", '')" for column in columns)
    joined = f"""
        select max(place), cast(group_concat(line, char(10)) || char(10) as blob) from (
            select rowid as place, {values} as line from "{table}" where rowid > ? order by rowid limit {_JOINED}
        )
    """
    last = _BEFORE_ALL
    try:
        while (row := connection.execute(joined, [last]).fetchone())[0] is not None:
            last, text = row
            yield text
    except sqlite3.DataError:
        # So many rows are longer than SQLite lets a value be.
        yield from _rows(connection.execute(f'select * from "{table}" where rowid > ?', [last]))


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
        # Most of the time of a store's search is spent here. The last value ends with its line too.
        yield b"\n".join(
            [
                *(
                    value if isinstance(value, bytes) else str(value).encode(errors="replace")
                    for row in rows
                    for value in row
                    if value is not None
                ),
                b"",
            ]
        )


def _content(texts: Any) -> tuple[memoryview, Array]:
    """The bytes of a column of text, one value after the other, and where each begins and the last ends."""
    import numpy as np
    import pyarrow as pa

    whole = texts.cast(pa.large_string())
    _, offsets, data = whole.buffers()
    places = np.frombuffer(offsets, dtype=np.int64)[whole.offset : whole.offset + len(whole) + 1]
    if data is None:
        return memoryview(b""), places
    return memoryview(data)[places[0] : places[-1]], places - places[0]
