"""A file is written anew with all that stays, and memory that held what goes is given back in between."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdp.settings import PROJECT_ROOT
from privacy.erasure import database
from privacy.inventory.load import load

CONFIG: dict[str, Any] = {"threads": 2, "memory_limit": "1GB"}
INVENTORY = load(PROJECT_ROOT / "dbt_project")
GONE, STAYS = "profile-gone", "profile-stays"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts; create schema ops")
        connection.execute(
            f"create table marts.profiles as select profile_id from (values ('{GONE}'), ('{STAYS}')) as p(profile_id)"
        )
        connection.execute("create table ops.batches as select range as batch_seq, 'x' as source from range(300000)")
        connection.execute("create view marts.counted as select count(*) as batches from ops.batches")
    path.chmod(0o600)
    return path


def rewritten(old: Path, target: Path) -> dict[str, list[tuple[Any, ...]]]:
    with database.opened(old, CONFIG) as connection:
        database.fill(connection, "erase_profiles", [GONE])
        database.rewrite(connection, INVENTORY, target)
        database.put_in_place(connection, target, target.with_suffix(".done"))
    assert sorted(path.name for path in target.parent.iterdir()) == sorted({old.name, target.stem + ".done"})
    with duckdb.connect(str(target.with_suffix(".done")), read_only=True) as connection:
        names = [
            row[0]
            for row in connection.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
        ]
        rows = {name: connection.execute(f"select * from {name} order by rowid").fetchall() for name in names}
        return rows | {"view": connection.execute("from marts.counted").fetchall()}


@pytest.mark.parametrize(("cached", "rows"), [(0, 70_000), (database.CACHED, database.ROWS)])
def test_what_stays_is_the_same_however_often_memory_is_given_back(
    old: Path, tmp_path: Path, cached: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CACHED", cached)
    monkeypatch.setattr(database, "ROWS", rows)
    found = rewritten(old, tmp_path / "new.duckdb")
    assert found["marts.profiles"] == [(STAYS,)]
    assert found["ops.batches"] == [(number, "x") for number in range(300_000)]
    assert found["view"] == [(300_000,)]
    assert (tmp_path / "new.done").stat().st_mode & 0o777 == 0o600


def test_little_of_a_file_stays_cached(old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = {}
    for cached in (0, database.CACHED):
        monkeypatch.setattr(database, "CACHED", cached)
        with database.opened(old, CONFIG) as connection:
            database.rewrite(connection, INVENTORY, tmp_path / f"new-{cached}.duckdb")
            held[cached] = database._cached(connection)
    assert held[0] < held[database.CACHED] / 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the engine has an allocator of the system")
def test_freed_memory_goes_back_to_the_system() -> None:
    def resident() -> int:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    with database.keyed(CONFIG) as connection:
        connection.execute("create temp table much as select md5(range::varchar) as text from range(3_000_000)")
        connection.execute("drop table much")
        before = resident()
        database._release(connection)
        assert before - resident() > 50 * 2**20
