"""A database in memory for work that must not touch the warehouse.

Splink's tables hold personal data and are left behind by it. Memory, threads and room to spill are those of the
warehouse's connection; the database is gone when the block ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from cdp.spill import spill_folder

_INHERITED = ("threads", "memory_limit", "temp_directory", "max_temp_directory_size")


@contextmanager
def scratch(like: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to an empty database in memory, with the limits of `like`."""
    columns = ", ".join(f"current_setting('{name}')" for name in _INHERITED)
    values = like.execute(f"select {columns}").fetchall()[0]
    config = {name: value for name, value in zip(_INHERITED, values, strict=True) if _is_set(value)}
    if "temp_directory" in config:
        config["temp_directory"] = str(spill_folder(Path(config["temp_directory"]).parent))
    connection = duckdb.connect(":memory:", config=config)
    try:
        # A progress bar would be drawn on standard output, where facts are printed.
        connection.execute("set enable_progress_bar = false; set preserve_insertion_order = false")
        yield connection
    finally:
        connection.close()


def _is_set(value: object) -> bool:
    # An unbounded spill is reported in words that the setting itself does not take.
    return value not in (None, "") and not str(value).startswith("90%")
