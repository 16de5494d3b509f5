"""dbt's connection to the warehouse, made by dbt's adapter from the project's profile."""

from __future__ import annotations

from pathlib import Path

import yaml
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.environments import create
from jinja2 import Environment

from cdp.settings import PROJECT_ROOT

LARGE = "create or replace table large as select range as a, md5(range::varchar) as b from range(600000) order by b"


def test_models_are_built_on_after_the_engine_has_spilled(tmp_path: Path) -> None:
    given = {
        "CDP_WAREHOUSE": str(tmp_path / "warehouse.duckdb"), "CDP_SPILL": str(tmp_path / "spill"), "CDP_THREADS": "1",
        "CDP_MEMORY_LIMIT": "60MB",
    }  # fmt: skip
    text = (PROJECT_ROOT / "dbt_project" / "profiles.yml").read_text()
    rendered = Environment().from_string(text).render(env_var=lambda name, default: given.get(name, default))
    profile = yaml.safe_load(rendered)["wayfinder"]["outputs"]["warehouse"]
    environment = create(DuckDBCredentials.from_dict({"database": "warehouse", **profile}))
    try:
        first = environment.handle()
        first.cursor().execute(LARGE)
        assert first.cursor().execute("select current_setting('temp_directory')").fetchall() == [(given["CDP_SPILL"],)]
        assert (tmp_path / "spill").exists(), "nothing was spilled"
        second = environment.handle()
        assert second.cursor().execute("select count(*) from large").fetchall() == [(600_000,)]
    finally:
        environment.close()
