"""How accurate identity is where the truth is known: the reference world, demo worlds, public data sets.

No threshold or prior was chosen on these labels. What is not installed or not here is skipped with its reason.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks import identity_public
from tests.support.home import Home, WorldHome

pytestmark = pytest.mark.slow

PAIRWISE, B_CUBED = 0.97, 0.985


def assert_accurate(home: Home, truth: Path) -> None:
    """The promised F1, and the parts of the answer that say where the rest lies."""
    found = home.facts("identity", "evaluate", "--truth", str(truth))
    assert found["pairwise"]["f1"] >= PAIRWISE, found["pairwise"]
    assert found["b_cubed"]["f1"] >= B_CUBED, found["b_cubed"]
    assert sum(pair["true"] for pair in found["by_source_pair"]) == found["pairwise"]["true"]
    keys = {record for kind in found["error_samples"].values() for pair in kind for record in pair}
    assert all(key.count(":") == 1 for key in keys), "samples are record keys"


def test_reference_world(reference_home: Home, world: Path) -> None:
    assert_accurate(reference_home, world / "truth" / "persons.csv")


def test_the_last_tenth_keeps_ids(reference_home: Home) -> None:
    """A tenth of the reference world's records, drawn by hash, comes in a second run."""
    import duckdb

    from identity import run
    from identity.config import PIPELINE

    now = datetime(2026, 1, 1, tzinfo=UTC)
    late = "hash(source || source_record_id) % 10 = 0"
    with duckdb.connect(":memory:", config={"threads": 2, "memory_limit": "2GB"}) as connection:
        connection.execute(f"attach '{reference_home.path / 'warehouse.duckdb'}' as world (read_only)")
        connection.execute("create schema intermediate")
        for table in ("int_source_records", "int_device_identifies", "int_devices", "int_marketing_addresses"):
            where = f"where not ({late})" if table == "int_source_records" else ""
            connection.execute(f"create table intermediate.{table} as from world.intermediate.{table} {where}")
        run.resolve(connection, run_id="first", now=now, config=PIPELINE)
        key = "source || ':' || source_record_id"
        sql = f"select {key}, profile_id from identity.identity_map where source <> 'marketing'"
        before = dict(connection.execute(sql).fetchall())
        connection.execute(
            f"insert into intermediate.int_source_records from world.intermediate.int_source_records where {late}"
        )
        report = run.resolve(connection, run_id="second", now=now, config=PIPELINE)
        after = dict(connection.execute(sql).fetchall())
    assert report.arrived > 1000
    kept = sum(after[record] == profile for record, profile in before.items()) / len(before)
    assert kept >= 0.994, kept


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_demo_worlds(seed: int, small_home: Callable[[int], WorldHome]) -> None:
    world, home = small_home(seed)
    assert_accurate(home, world / "truth" / "persons.csv")


@pytest.mark.skipif(not identity_public.is_installed(), reason=identity_public.ABSENT)
@pytest.mark.parametrize("name", sorted(identity_public.PROMISED))
def test_public_data_sets(name: str, tmp_path: Path) -> None:
    found = identity_public.measure(name, tmp_path)
    assert found["holds"], found
