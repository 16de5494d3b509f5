"""What people decide about identity in a run: limits stop a broken map, a new model is made only when asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from tests.support.home import Home

pytestmark = pytest.mark.slow


def test_a_broken_identity_blocks_and_the_old_publication_serves_on(
    demo_home: Home, demo_world: Path, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(demo_home.path, home.path)
    before, snapshot = home.facts("status"), home.snapshot()
    # Fifty people under one id: what a broken matcher would leave behind.
    with duckdb.connect(str(home.path / "warehouse.duckdb")) as connection:
        connection.execute(
            """
            update identity.identity_map
            set profile_id = (select min(profile_id) from identity.identity_map where source = 'sales')
            where profile_id in (select distinct profile_id from identity.identity_map
                where source = 'sales' order by all limit 200)
            """
        )
    world = tmp_path / "world"
    shutil.copytree(demo_world, world)
    customers = (world / "pos" / "customers.csv").read_text().splitlines()
    (world / "pos" / "customers.csv").write_text("\n".join(customers[:-1]) + "\n")

    completed = home.cdp("run", "--from", str(world), check=False)
    assert completed.returncode == 1
    last = completed.stderr.strip().splitlines()[-1]
    assert last.startswith("cdp: Nothing was published, identity is beyond")
    assert "largest_profile is" in last and "CDP_IDENTITY_LIMITS" in last
    assert "marts" not in {line.split(" …")[0] for line in completed.stderr.splitlines()}, "no mart was built"
    assert home.facts("status")["last_run"] == before["last_run"]
    assert home.snapshot() == snapshot
    failing = {limit["measure"] for limit in home.facts("identity", "evaluate")["limits"] if not limit["passed"]}
    assert "largest_profile" in failing


def test_a_new_model_is_made_when_asked_for_and_tells_its_drift(
    demo_home: Home, demo_world: Path, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(demo_home.path, home.path)
    first = home.facts("identity", "models")
    assert first["drift"] is None and len(first["models"]) == 1
    before = ids(home)
    report = home.facts("run", "--from", str(demo_world), "--renew-model")
    assert report["changed"] is True
    assert "cdp identity models" in next(step["detail"] for step in report["steps"] if step["step"] == "identity")
    found = home.facts("identity", "models")
    active = [model["version"] for model in found["models"] if model["active"]]
    assert len(active) == 1 and active[0] in {model["version"] for model in found["models"]}
    assert ids(home) == before, "the same data train the same model"


def ids(home: Home) -> dict[str, str]:
    with duckdb.connect(str(home.path / "warehouse.duckdb"), read_only=True) as connection:
        sql = "select source || ':' || source_record_id, profile_id from identity.identity_map"
        return dict(connection.execute(sql).fetchall())
