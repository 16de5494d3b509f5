"""Dagster's run history, written without waiting for the disk after each event.

A run tells Dagster of several hundred events. Its SQLite storage opens a database anew for each, waits until the disk
has it, and on closing folds the write-ahead log back, which waits twice more: seconds of every run. Here the log is
folded back once, when the run ends, and SQLite waits then. The databases stay consistent whatever happens (SQLite's own
words on `synchronous = NORMAL` in WAL mode); a power cut may cost the last events of the history, no data of customers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine


@contextmanager
def written_at_ease(storage: Path) -> Iterator[None]:
    """While this is entered, SQLite databases under the folder `storage` that SQLAlchemy opens are written at ease."""
    folder = f"{storage.resolve()}/"
    held: dict[str, sqlite3.Connection] = {}

    def prepare(connection: Any, _: Any) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        file = connection.execute("pragma database_list").fetchall()[0][2]
        if not file.startswith(folder):
            return
        connection.execute("pragma synchronous = normal")
        if file not in held and connection.execute("pragma journal_mode").fetchall() == [("wal",)]:
            # The log is folded back when the last connection closes, so one that has read from it stays open.
            held[file] = sqlite3.connect(file, check_same_thread=False)
            held[file].execute("select count(*) from sqlite_master").fetchall()

    event.listen(Engine, "connect", prepare)
    try:
        yield
    finally:
        event.remove(Engine, "connect", prepare)
        for connection in held.values():
            connection.close()
