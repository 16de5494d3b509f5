"""A state home after a run holds nothing that the inventory does not know."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from tests.support.home import Home


def test_everything_a_run_makes_is_declared(demo_home: Home, tmp_path: Path) -> None:
    assert demo_home.facts("privacy", "inventory", "--check") == {"gaps": []}
    home = Home(tmp_path / "home")
    shutil.copytree(demo_home.path, home.path)
    with duckdb.connect(str(home.path / "warehouse.duckdb")) as connection:
        connection.execute("alter table marts.profiles add column shoe_size integer")
    (home.path / "backup").mkdir()
    (home.path / "backup" / "old.csv").write_text("email\n")
    refused = home.cdp("privacy", "inventory", "--check", check=False)
    assert refused.returncode == 1
    assert "marts.profiles.shoe_size is not declared" in refused.stderr
    assert "backup/old.csv is of no declared class" in refused.stderr
