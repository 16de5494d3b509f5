"""Databases that spill at the same time do not meet in one folder."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb

from cdp.engine.duckdb import DuckDBEngine
from cdp.spill import in_use, left_over, spill_folder
from cdp.store.snapshots import connect
from identity.scratch import scratch

# Process ids end below this on Linux.
NOBODY = 4194305


def test_connections_to_one_file_share_a_folder_and_others_do_not(tmp_path: Path) -> None:
    one, other = tmp_path / "one.duckdb", tmp_path / "other.duckdb"
    assert spill_folder(tmp_path, one) == spill_folder(tmp_path, tmp_path / "x" / ".." / "one.duckdb")
    assert len({spill_folder(tmp_path, path) for path in (one, other, None, None)}) == 4


def test_folders_of_killed_processes_are_left_over(tmp_path: Path) -> None:
    dead, running = tmp_path / f"spill-{NOBODY}-a", tmp_path / f"spill-{os.getppid()}-a"
    own = spill_folder(tmp_path)
    for folder in (dead, running, own, tmp_path / "spill-of-nobody", tmp_path / "models"):
        folder.mkdir()
    assert in_use(running) and not in_use(own) and not in_use(tmp_path / "models")
    assert sorted(left_over(tmp_path)) == sorted([dead, tmp_path / "spill-of-nobody"])


def test_the_folder_is_gone_when_the_database_is_closed(tmp_path: Path) -> None:
    engine = DuckDBEngine(tmp_path / "a.duckdb", tmp=tmp_path / "tmp", threads=1, memory_limit="50MB", max_spill="1GB")
    with engine.writer() as connection:
        connection.execute("create temp table t as select range as i, md5(range::varchar) as x from range(2_000_000)")
        assert any((tmp_path / "tmp").iterdir())
    assert not any((tmp_path / "tmp").iterdir())


def test_a_warehouse_and_its_scratch_spill_apart(tmp_path: Path) -> None:
    """In one folder this crashes the process, or one reads what the other wrote."""
    engine = DuckDBEngine(tmp_path / "a.duckdb", tmp=tmp_path / "tmp", threads=1, memory_limit="50MB", max_spill="1GB")
    sql = "select count(*), sum(hash(x) & 1023) from (select x from t order by x)"
    with engine.writer() as connection, scratch(connection) as beside:
        both = (connection, beside)

        def work(number: int) -> list[tuple[int, int]]:
            each: duckdb.DuckDBPyConnection = both[number]
            each.execute(
                "create temp table t as select range as i, md5((range + ?)::varchar) as x from range(1_000_000)",
                [number],
            )
            return [each.execute(sql).fetchall()[0] for _ in range(2)]

        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(work, range(2)))
    expected = [
        duckdb.execute(
            f"select count(*), sum(hash(md5((range + {n})::varchar)) & 1023) from range(1_000_000)"
        ).fetchall()
        for n in range(2)
    ]
    assert found == [[told[0]] * 2 for told in expected]


def test_snapshots_of_one_process_spill_apart(tmp_path: Path) -> None:
    folders = set()
    for name in ("one", "two"):
        path = tmp_path / f"{name}.duckdb"
        duckdb.connect(str(path)).close()
        with connect(path, threads=1, memory_limit="100MB") as connection:
            folders |= set(connection.execute("select current_setting('temp_directory')").fetchall())
    assert len(folders) == 2
