"""Histories that are written at ease: nothing is lost, other databases are as they were."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from pipelines.history import written_at_ease

NORMAL, FULL = 1, 2


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return made(tmp_path / "storage" / "runs.db", "wal")


def made(file: Path, mode: str) -> Path:
    file.parent.mkdir(exist_ok=True)
    with sqlite3.connect(file) as connection:
        connection.execute(f"pragma journal_mode = {mode}")
        connection.execute("create table events (name text)")
    connection.close()
    return file


def connected(file: Path) -> Connection:
    return create_engine(f"sqlite:///{file}", poolclass=NullPool).connect()


def synchronous(file: Path) -> int:
    with connected(file) as connection:
        return int(connection.execute(text("pragma synchronous")).scalar_one())


def write(file: Path, name: str) -> None:
    with connected(file) as connection, connection.begin():
        connection.execute(text("insert into events values (:name)"), {"name": name})


def test_the_log_is_folded_back_once_and_nothing_is_lost(history: Path) -> None:
    log = history.with_name("runs.db-wal")
    with written_at_ease(history.parent):
        sizes = []
        for name in ("a", "b", "c"):
            write(history, name)
            sizes.append(log.stat().st_size)
        assert sizes == sorted(set(sizes)), "it grows: closing a connection left it"
        assert synchronous(history) == NORMAL
    assert not log.exists()
    with sqlite3.connect(history) as connection:
        assert connection.execute("select name from events").fetchall() == [("a",), ("b",), ("c",)]
    connection.close()
    assert synchronous(history) == FULL


def test_only_that_folder_and_only_write_ahead_logs(history: Path) -> None:
    beside = made(history.parent.parent / "store.sqlite", "wal")
    other = made(history.with_name("plain.db"), "delete")
    with written_at_ease(history.parent):
        write(beside, "a")
        assert not beside.with_name("store.sqlite-wal").exists()
        assert synchronous(beside) == FULL
        write(other, "a")
        write(other, "b")
        with sqlite3.connect(other) as connection:
            connection.execute("pragma journal_mode = wal")
        connection.close()
