"""Dagster's run history by age: runs that ended long ago go with their events, bytes included.

Its SQLite files are changed as they are: every table with a column `run_id` loses the rows of these runs, and the files
of one run are removed. The list of runs comes last, so that a kill leaves nothing that nobody would look for again.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from cdp.settings import Settings

_RUNS = "runs.db"
_ENDED = ("SUCCESS", "FAILURE", "CANCELED")
# As long as somebody looks at Dagster's pages a file can be busy.
_WAIT_SECONDS = 20.0


def outlived(settings: Settings, before: datetime) -> tuple[list[str], int]:
    """Ids of runs that have ended and began before a moment (UTC, without zone), and how many runs there are."""
    found: list[str] = []
    there = 0
    limit = before.isoformat(sep=" ")
    for path in _databases(settings):
        if path.name != _RUNS:
            continue
        with _opened(path) as connection:
            if "runs" in _tables_with(connection, "run_id"):
                rows = connection.execute("select run_id, status, create_timestamp from runs").fetchall()
                there += len(rows)
                found += [run for run, status, begun in rows if status in _ENDED and str(begun) < limit]
    return found, there


def delete(settings: Settings, runs: Sequence[str]) -> None:
    """Delete these runs. sqlite3.OperationalError when a file is busy for long."""
    for run in runs:
        for path in sorted(settings.dagster_home.rglob(f"{run}*")):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    for path in _databases(settings):
        with _opened(path) as connection:
            tables = _tables_with(connection, "run_id")
            connection.execute("pragma secure_delete = on")
            for table in tables:
                connection.executemany(f'delete from "{table}" where run_id = ?', [(run,) for run in runs])
            if "event_logs" in tables and "asset_event_tags" in _tables_with(connection, "event_id"):
                connection.execute("delete from asset_event_tags where event_id not in (select id from event_logs)")
            connection.commit()
            connection.execute("vacuum")
            connection.execute("pragma wal_checkpoint(truncate)")


def _databases(settings: Settings) -> list[Path]:
    """The SQLite files of the history, the list of runs last."""
    found = (settings.dagster_home / "storage").rglob("*.db")
    return sorted(found, key=lambda path: (path.name == _RUNS, path))


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, timeout=_WAIT_SECONDS)) as connection:
        yield connection


def _tables_with(connection: sqlite3.Connection, column: str) -> set[str]:
    rows = connection.execute(
        "select m.name from sqlite_master as m, pragma_table_info(m.name) as c where m.type = 'table' and c.name = ?",
        [column],
    ).fetchall()
    return {row[0] for row in rows}
