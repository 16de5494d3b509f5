"""A file is written anew with all that stays, in a format that has no room for memory of what goes."""

from __future__ import annotations

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
        connection.execute(
            "create table ops.batches as select range as batch_seq, 'source-' || range as source from range(300000)"
        )
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


def test_what_stays_is_the_same(old: Path, tmp_path: Path) -> None:
    found = rewritten(old, tmp_path / "new.duckdb")
    assert found["marts.profiles"] == [(STAYS,)]
    assert found["ops.batches"] == [(number, f"source-{number}") for number in range(300_000)]
    assert found["view"] == [(300_000,)]
    assert (tmp_path / "new.done").stat().st_mode & 0o777 == 0o600


def test_text_is_packed_without_room_for_other_memory(old: Path, tmp_path: Path) -> None:
    """In blocks of the kinds FSST and Dictionary the unused part is whatever was in memory."""
    rewritten(old, tmp_path / "new.duckdb")
    with duckdb.connect(str(tmp_path / "new.done")) as connection:
        # What is written to the file later on is packed alike.
        connection.execute("create table ops.later as select * from ops.batches; checkpoint")
        packed = {
            row[0]
            for name in ("ops.batches", "ops.later")
            for row in connection.execute(
                f"select compression from pragma_storage_info('{name}') where segment_type = 'VARCHAR'"
            ).fetchall()
        }
    assert packed == {"DICT_FSST"}
