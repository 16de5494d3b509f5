"""Snapshots: what is copied, the pointer, what is removed, and a reader that follows."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from cdp.errors import BusyError, CheckFailed, InputError, NotFoundError, ResourceError
from cdp.store import snapshots
from cdp.store.reader import SnapshotReader


def warehouse(path: Path, people: int = 3) -> Path:
    """A small warehouse whose rows lie in the wrong order."""
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts; create schema identity; create schema raw")
        connection.execute(
            f"create table marts.profiles as select 'p' || i as profile_id, i from range({people}) t(i) order by i desc"
        )
        connection.execute(
            "create table marts.touchpoints as select profile_id, timestamp '2026-01-01' - to_days(d::int) as "
            "occurred_at from marts.profiles, range(3) t(d) order by random()"
        )
        connection.execute("create view marts.journey_stages as select 'use' as stage, 4 as position")
        connection.execute("create table identity.identity_map as select 'sales' as source, 'p0' as profile_id")
        connection.execute("create table identity.state_pairs as select 1 as secret")
        connection.execute("create table raw.sales_contacts as select 1 as secret")
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return warehouse(tmp_path / "warehouse.duckdb")


@pytest.fixture
def serving(tmp_path: Path) -> Path:
    return tmp_path / "serving"


class TestWriting:
    def test_marts_and_what_readers_need_of_identity(self, source: Path, serving: Path) -> None:
        path = snapshots.write_snapshot(source, serving, "run-1")
        assert path == snapshots.snapshot_path(serving, "run-1")
        with snapshots.open_snapshot(path) as connection:
            tables = connection.execute(
                "select table_schema || '.' || table_name, table_type from information_schema.tables order by 1"
            ).fetchall()
        assert tables == [
            ("identity.identity_map", "BASE TABLE"),
            ("marts.journey_stages", "BASE TABLE"),
            ("marts.profiles", "BASE TABLE"),
            ("marts.touchpoints", "BASE TABLE"),
        ]
        assert sorted(file.name for file in serving.iterdir()) == [path.name]
        assert path.stat().st_mode & 0o777 == 0o600

    def test_half_written_it_is_its_owners_too(
        self, source: Path, serving: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        modes = []
        monkeypatch.setattr(
            snapshots, "_copy", lambda _: modes.extend(path.stat().st_mode & 0o777 for path in serving.glob("*.part"))
        )
        snapshots.write_snapshot(source, serving, "run-1")
        assert modes == [0o600]

    def test_rows_of_a_profile_lie_together(self, source: Path, serving: Path) -> None:
        with snapshots.open_snapshot(snapshots.write_snapshot(source, serving, "run-1")) as connection:
            rows = connection.execute("select profile_id, occurred_at from marts.touchpoints").fetchall()
        assert rows == sorted(rows)

    def test_the_same_run_again_replaces_the_file(self, source: Path, serving: Path) -> None:
        first = snapshots.write_snapshot(source, serving, "run-1")
        warehouse(source, people=5)
        assert snapshots.write_snapshot(source, serving, "run-1") == first
        with snapshots.open_snapshot(first) as connection:
            assert connection.execute("select count(*) from marts.profiles").fetchall() == [(5,)]

    def test_a_failure_leaves_nothing_and_the_old_pointer(self, source: Path, serving: Path) -> None:
        first = snapshots.write_snapshot(source, serving, "run-1")
        snapshots.point_to(serving, first)
        source.unlink()
        with duckdb.connect(str(source)) as connection:
            connection.execute("create schema raw; create table raw.x as select 1")
        with pytest.raises(CheckFailed, match="no marts"):
            snapshots.write_snapshot(source, serving, "run-2")
        assert sorted(f.name for f in serving.iterdir()) == ["current.json", first.name]
        assert snapshots.current(serving) == first

    def test_errors_are_sentences(self, source: Path, serving: Path, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError, match="cdp run"):
            snapshots.write_snapshot(tmp_path / "none.duckdb", serving, "run-1")
        for bad in ("", "../up", ".hidden", "a/b"):
            with pytest.raises(InputError):
                snapshots.write_snapshot(source, serving, bad)
        damaged = tmp_path / "damaged.duckdb"
        damaged.write_bytes(b"no database" * 500)
        with pytest.raises(ResourceError):
            snapshots.write_snapshot(damaged, serving, "run-1")

    def test_a_warehouse_open_elsewhere(self, source: Path, serving: Path) -> None:
        import subprocess
        import sys

        code = f"import duckdb, sys; c = duckdb.connect({str(source)!r}); print('open', flush=True); sys.stdin.read()"
        other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert other.stdout is not None and other.stdout.readline() == "open\n"
            with pytest.raises(BusyError):
                snapshots.write_snapshot(source, serving, "run-1")
        finally:
            other.communicate("")


class TestOpening:
    def test_it_reads_only_and_reaches_nothing_else(self, source: Path, serving: Path, tmp_path: Path) -> None:
        path = snapshots.write_snapshot(source, serving, "run-1")
        (tmp_path / "secret.csv").write_text("a\n1\n")
        with snapshots.open_snapshot(path) as connection:
            for forbidden in (
                "create table marts.x as select 1",
                "delete from marts.profiles",
                f"select * from read_csv('{tmp_path / 'secret.csv'}')",
                f"attach '{source}' as other (read_only)",
                "set enable_external_access = true",
                "set memory_limit = '100GB'",
                f"copy marts.profiles to '{tmp_path / 'out.csv'}'",
            ):
                with pytest.raises(duckdb.Error):
                    connection.execute(forbidden)
            assert connection.execute("select current_setting('TimeZone')").fetchall() == [("UTC",)]

    def test_arrow_tables_can_be_joined(self, source: Path, serving: Path) -> None:
        import pyarrow as pa

        with snapshots.open_snapshot(snapshots.write_snapshot(source, serving, "run-1")) as connection:
            connection.register("chosen", pa.table({"profile_id": ["p1"]}))
            assert connection.execute(
                "select count(*) from marts.profiles join chosen using (profile_id)"
            ).fetchall() == [(1,)]

    def test_a_second_connection_to_the_same_file(self, source: Path, serving: Path) -> None:
        path = snapshots.write_snapshot(source, serving, "run-1")
        with snapshots.open_snapshot(path), snapshots.open_snapshot(path) as second:
            assert second.execute("select count(*) from marts.profiles").fetchall() == [(3,)]


class TestPointer:
    def test_none_before_the_first(self, serving: Path) -> None:
        assert snapshots.current(serving) is None

    def test_it_names_what_exists(self, source: Path, serving: Path) -> None:
        path = snapshots.write_snapshot(source, serving, "run-1")
        snapshots.point_to(serving, path)
        assert snapshots.current(serving) == path
        with pytest.raises(NotFoundError):
            snapshots.point_to(serving, serving / "snapshot-none.duckdb")
        assert snapshots.current(serving) == path

    def test_a_damaged_one_is_told(self, serving: Path) -> None:
        serving.mkdir()
        (serving / "current.json").write_text("{")
        with pytest.raises(InputError, match=r"current\.json is damaged"):
            snapshots.current(serving)


class TestPruning:
    def test_the_current_and_the_newest_stay(self, source: Path, serving: Path) -> None:
        paths = [snapshots.write_snapshot(source, serving, f"run-{n}") for n in range(4)]
        snapshots.point_to(serving, paths[1])
        snapshots.prune(serving, keep=2)
        assert sorted(serving.glob("*.duckdb")) == [paths[1], paths[3]]

    def test_what_killed_runs_left_goes(self, source: Path, serving: Path) -> None:
        path = snapshots.write_snapshot(source, serving, "run-1")
        snapshots.point_to(serving, path)
        for name in ("snapshot-run-0.part", "snapshot-run-0.part.wal"):
            (serving / name).touch()
        (serving / "snapshot-run-0.spill").mkdir()
        (serving / "spill-4194305").mkdir()
        snapshots.prune(serving)
        assert sorted(f.name for f in serving.iterdir()) == ["current.json", path.name]


class TestReader:
    def count(self, reader: SnapshotReader, file: str | None = None) -> int:
        with reader.cursor(file) as cursor:
            return int(cursor.execute("select count(*) from marts.profiles").fetchall()[0][0])

    def test_it_follows_the_pointer(self, source: Path, serving: Path) -> None:
        reader = SnapshotReader(serving)
        with pytest.raises(NotFoundError, match="Nothing is published"):
            self.count(reader)
        snapshots.point_to(serving, snapshots.write_snapshot(source, serving, "run-1"))
        assert self.count(reader) == 3
        warehouse(source, people=4)
        snapshots.point_to(serving, snapshots.write_snapshot(source, serving, "run-2"))
        assert self.count(reader) == 4
        reader.close()

    def test_it_opens_the_file_that_is_named(self, source: Path, serving: Path) -> None:
        reader = SnapshotReader(serving)
        first = snapshots.write_snapshot(source, serving, "run-1")
        second = snapshots.write_snapshot(warehouse(source, people=4), serving, "run-2")
        assert [self.count(reader, path.name) for path in (first, second, first)] == [3, 4, 3]
        with pytest.raises(NotFoundError, match="missing"):
            self.count(reader, "snapshot-none.duckdb")
        assert reader.follow(first.name) == first
        reader.close()

    def test_the_former_file_is_let_go_when_its_last_query_has_ended(self, source: Path, serving: Path) -> None:
        reader = SnapshotReader(serving)
        first = snapshots.write_snapshot(source, serving, "run-1")
        second = snapshots.write_snapshot(warehouse(source, people=4), serving, "run-2")
        with reader.cursor(first.name) as slow:
            assert self.count(reader, second.name) == 4
            first.unlink()
            assert slow.execute("select count(*) from marts.profiles").fetchall() == [(3,)]
            assert self.open_files(first) == 1
        assert self.open_files(first) == 0
        reader.close()
        assert self.open_files(second) == 0

    def test_a_replaced_file_is_opened_again(self, source: Path, serving: Path) -> None:
        reader = SnapshotReader(serving)
        snapshots.write_snapshot(source, serving, "run-1")
        name = snapshots.snapshot_path(serving, "run-1").name
        assert self.count(reader, name) == 3
        snapshots.write_snapshot(warehouse(source, people=9), serving, "run-1")
        assert self.count(reader, name) == 9
        reader.close()

    def test_many_threads_across_a_swap(self, source: Path, serving: Path) -> None:
        reader = SnapshotReader(serving)
        names = [
            snapshots.write_snapshot(warehouse(source, people=people), serving, f"run-{people}").name
            for people in (3, 4)
        ]
        barrier = threading.Barrier(4)

        def work(seed: int) -> list[int]:
            barrier.wait()
            return [self.count(reader, names[(seed + turn) % 2]) - (seed + turn) % 2 for turn in range(20)]

        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(work, range(4)))
        assert {value for result in results for value in result} == {3}
        reader.close()

    def open_files(self, path: Path) -> int:
        names = []
        for handle in Path("/proc/self/fd").iterdir():
            try:
                names.append(str(handle.readlink()))
            except FileNotFoundError:
                continue
        return len({name for name in names if name.removesuffix(" (deleted)") == str(path)})
