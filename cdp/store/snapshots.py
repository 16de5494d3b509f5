"""Published snapshots: read-only DuckDB files in `serving/`, and the pointer to the current one.

A snapshot is written under a temporary name, flushed and renamed; the pointer is replaced in one step. Both survive a
kill at any point. Readers of store and snapshot take the file that the store's publication names, so both change at one
moment; `current.json` is for those who know only files.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from cdp.errors import (
    DISK_FULL,
    BusyError,
    CheckFailed,
    InputError,
    NotFoundError,
    ResourceError,
    tells_of_full_disk,
)
from cdp.spill import left_over, spill_folder

POINTER = "current.json"

# The identity tables that readers need, and which of their rows: who is who, and what explaining it takes. The rest of
# the schema is bookkeeping.
_ACTIVE = "select model_version from warehouse.identity.state_models where active"
IDENTITY_TABLES = {
    "identity_map": "",
    "device_map": "",
    "profiles": "",
    "identifiers": "",
    "identity_events": "",
    "edges": "",
    "refusals": "",
    "decisions": "",
    "state_features": "",
    "state_hubs": "",
    "state_models": "where active",
    "state_frequencies": f"where model_version in ({_ACTIVE})",
}

LEFTOVERS = ("snapshot-*.part", "snapshot-*.part.wal", "snapshot-*.spill")

# Rows that are read together lie together: a profile's rows are found by skipping whole blocks of the file.
ORDER = ("profile_id", "occurred_at", "entered_at", "episode_number", "created_at")


def snapshot_path(serving: Path, run_id: str) -> Path:
    """Where the snapshot of a run is."""
    if not run_id or any(character in run_id for character in "/\\\0") or run_id.startswith("."):
        raise InputError("A run id names a file, so it holds no slashes and does not begin with a dot.")
    return serving / f"snapshot-{run_id}.duckdb"


def write_snapshot(
    source_db: Path, target_dir: Path, run_id: str, *, threads: int = 2, memory_limit: str = "2GB"
) -> Path:
    """Copy marts and identity tables of the warehouse into a new file and return its path; nothing points to it yet.

    A file of the same run is replaced. Raises CheckFailed when there are no marts and BusyError when another process
    has the warehouse open for writing.
    """
    target = snapshot_path(target_dir, run_id)
    target_dir.mkdir(parents=True, exist_ok=True)
    unfinished, spill = target.with_suffix(".part"), target.with_suffix(".spill")
    _remove(unfinished, spill)
    try:
        with duckdb.connect(str(unfinished), config={"threads": threads, "memory_limit": memory_limit}) as connection:
            # Before anything is in it: a kill leaves it as it is.
            unfinished.chmod(0o600)
            connection.execute(f"set temp_directory = {_quoted(spill)}")
            _attach(connection, source_db)
            _copy(connection)
            connection.execute("detach warehouse")
            connection.execute("checkpoint")
        _flush(unfinished)
        unfinished.replace(target)
        _flush(target_dir)
    except duckdb.IOException as error:
        raise _told(error) from None
    except duckdb.OutOfMemoryException:
        raise ResourceError("The snapshot needs more memory or spill space; raise CDP_MEMORY_LIMIT.") from None
    except (duckdb.Error, OSError) as error:
        if tells_of_full_disk(error):
            raise ResourceError(DISK_FULL) from None
        raise
    finally:
        _remove(unfinished, spill)
    return target


def point_to(serving: Path, file: Path) -> None:
    """Make a snapshot the current one, in one step."""
    if not (serving / file.name).exists():
        raise NotFoundError(f"There is no snapshot {file.name} to point to.")
    unfinished = serving / f".{POINTER}.part"
    with unfinished.open("w") as handle:
        json.dump({"file": file.name}, handle)
        handle.flush()
        os.fsync(handle.fileno())
    unfinished.replace(serving / POINTER)
    _flush(serving)


def current(serving: Path) -> Path | None:
    """The snapshot that the pointer names, or None before the first."""
    try:
        name = json.loads((serving / POINTER).read_text())["file"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{serving / POINTER} is damaged; remove it and run `cdp run` again.") from None
    return serving / Path(name).name


def prune(serving: Path, keep: int = 2) -> list[Path]:
    """Remove all but the current snapshot and the newest others, `keep` in all, and what killed runs left behind.

    A process that still reads a removed file keeps it until it follows the next publication. Returns what was removed.
    """
    pointed = current(serving)
    found = sorted(serving.glob("snapshot-*.duckdb"), reverse=True)
    others = [path for path in found if path != pointed]
    gone = others[max(keep - (1 if pointed in found else 0), 0) :]
    gone += [path for pattern in LEFTOVERS for path in serving.glob(pattern)]
    gone += left_over(serving)
    _remove(*gone)
    return gone


@contextmanager
def open_snapshot(path: Path, *, threads: int = 2, memory_limit: str = "2GB") -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection that can reach no other file. NotFoundError when the snapshot is missing."""
    connection = connect(path, threads=threads, memory_limit=memory_limit)
    try:
        yield connection
    finally:
        connection.close()


def connect(path: Path, *, threads: int, memory_limit: str) -> duckdb.DuckDBPyConnection:
    """Open a snapshot read-only, closed to other files and with settings that no statement can change."""
    if not path.exists():
        raise NotFoundError(f"The snapshot {path.name} is missing: run `cdp run --from DIR`.")
    spill = spill_folder(path.parent, path)
    config: dict[str, Any] = {"threads": threads, "memory_limit": memory_limit, "temp_directory": str(spill)}
    try:
        connection = duckdb.connect(str(path), read_only=True, config=config)
    except duckdb.IOException as error:
        raise _told(error) from None
    # A second connection of this process to the same file shares the first one's settings, which are locked by then.
    if connection.execute("select current_setting('lock_configuration')").fetchall() != [(True,)]:
        for setting in ("timezone = 'UTC'", "enable_external_access = false", "lock_configuration = true"):
            connection.execute(f"set global {setting}")
    return connection


def _attach(connection: duckdb.DuckDBPyConnection, source_db: Path) -> None:
    if not source_db.exists():
        raise NotFoundError(f"There is no {source_db.name} yet: run `cdp run --from DIR` first.")
    connection.execute(f"attach {_quoted(source_db)} as warehouse (read_only)")


def _copy(connection: duckdb.DuckDBPyConnection) -> None:
    columns = connection.execute(
        """
        select table_schema, table_name, list(column_name)
        from information_schema.columns
        where table_catalog = 'warehouse' and table_schema in ('marts', 'identity')
        group by table_schema, table_name
        order by table_schema, table_name
        """
    ).fetchall()
    if not any(schema == "marts" for schema, _, _ in columns):
        raise CheckFailed("There are no marts in the warehouse, so no snapshot was written.")
    for schema in ("marts", "identity"):
        connection.execute(f"create schema {schema}")
    for schema, table, names in columns:
        if schema == "marts" or table in IDENTITY_TABLES:
            order = [name for name in ORDER if name in names]
            clause = f" order by {', '.join(order)}" if "profile_id" in order else ""
            name = f'{schema}."{table}"'
            rows = IDENTITY_TABLES.get(table, "") if schema == "identity" else ""
            connection.execute(f"create table {name} as select * from warehouse.{name} {rows}{clause}")


def _told(error: duckdb.IOException) -> Exception:
    text = str(error).lower()
    if "lock" in text:
        return BusyError("The warehouse is open in another process; try again when it has ended.")
    if tells_of_full_disk(error):
        return ResourceError(DISK_FULL)
    return ResourceError("A snapshot could not be opened or written; the file may be damaged: run `cdp run` again.")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(*paths: Path) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
