"""SQLMesh reads this dbt project as it is; only named development environments are planned (see pipelines/preview.py)."""

from pathlib import Path

from sqlmesh.core.config import ModelDefaultsConfig
from sqlmesh.dbt.loader import sqlmesh_config

config = sqlmesh_config(
    Path(__file__).parent, model_defaults=ModelDefaultsConfig(dialect="duckdb", start="2020-01-01")
)
