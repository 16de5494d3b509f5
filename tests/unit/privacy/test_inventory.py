"""Nothing holds personal data without saying so: tables of ingestion, identity and store, and every model."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
import yaml

from cdp.errors import ConfigurationError
from cdp.settings import PROJECT_ROOT
from cdp.store.schema import metadata
from identity import state, survivorship
from identity.config import PIPELINE
from pipelines.ingest import tables
from privacy.inventory import gaps, processing
from privacy.inventory.load import load
from privacy.inventory.model import Inventory

PROJECT = PROJECT_ROOT / "dbt_project"


@pytest.fixture(scope="module")
def inventory() -> Inventory:
    return load(PROJECT)


def columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table, column in connection.execute(
        "select table_schema || '.' || table_name, column_name from information_schema.columns"
    ).fetchall():
        found.setdefault(table, []).append(column)
    return found


def test_tables_of_ingestion_and_identity_are_declared(inventory: Inventory) -> None:
    with duckdb.connect() as connection:
        tables.ensure(connection)
        state.prepare(connection, PIPELINE)
        connection.execute(survivorship._ORIGINS)
        there = columns(connection)
        assert len(there) > 25
        assert gaps.undeclared_columns(inventory, "warehouse", there) == []
        connection.execute("alter table identity.golden add column mothers_maiden_name varchar")
        connection.execute("create table identity.whispers (profile_id varchar)")
        assert gaps.undeclared_columns(inventory, "warehouse", columns(connection)) == [
            "warehouse: identity.golden.mothers_maiden_name is not declared.",
            "warehouse: table identity.whispers is not declared.",
        ]


def test_tables_of_the_store_are_declared(inventory: Inventory) -> None:
    there = {table.name: [column.name for column in table.columns] for table in metadata.sorted_tables}
    assert gaps.undeclared_columns(inventory, "store", there) == []
    there["profiles"].remove("version")
    assert gaps.undeclared_columns(inventory, "store", there) == [
        "store: cdp/store/personal_data.py declares profiles.version, which is not there."
    ]


def test_every_model_is_declared(inventory: Inventory) -> None:
    declared = {table.name.partition(".")[2] for table in inventory.warehouse()}
    models = {path.stem for path in (PROJECT / "models").rglob("*.sql")}
    aliased = {name.removeprefix("mart_") for name in models}
    assert aliased <= declared


def test_files_have_a_class_and_strangers_are_told(inventory: Inventory, tmp_path: Path) -> None:
    for relative, key in {
        "landing/web/events/0a-events.jsonl.gz": "landing",
        "landing/pending/x.json": "landing_markers",
        "serving/snapshot-1.duckdb": "snapshots",
        "serving/spill-12/x.tmp": "serving_spill",
        "store.sqlite-wal": "store",
        "dbt/logs/dbt.log": "dbt_logs",
        "dbt/target/manifest.json": "dbt_artifacts",
        "privacy/work/a.plan": "privacy_work",
        "privacy/receipts/1.json": "privacy_records",
    }.items():
        found = gaps.find_file(inventory, relative)
        assert found is not None and found.key == key
        (tmp_path / relative).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / relative).touch()
    assert gaps.undeclared_files(inventory, tmp_path) == []
    (tmp_path / "backup").mkdir()
    for name in ("a.csv", "b.csv"):
        (tmp_path / "backup" / name).touch()
    assert gaps.undeclared_files(inventory, tmp_path) == ["files: backup/a.csv is of no declared class."]


def test_every_personal_column_has_purpose_basis_and_retention(inventory: Inventory) -> None:
    entries = inventory.entries()
    assert len(entries) > 400
    for entry in entries:
        assert entry["purposes"] and entry["legal_basis"] and entry["retention"]
        assert set(entry["purposes"]) <= set(inventory.purposes)
    personal = {(e["name"], e["column"]) for e in entries if e["personal"]}
    assert {("marts.profiles", "email"), ("identifiers", "value_key"), ("raw.*", "payload")} <= personal
    assert ("marts.map_cells", "value") not in personal


def test_records_of_processing_in_all_formats(inventory: Inventory) -> None:
    text = processing.to_markdown(inventory)
    assert "| warehouse | `marts.profiles` | contact | email, phone |" in text
    assert "`landing/**`" in text
    rows = processing.to_csv(inventory).splitlines()
    assert rows[0].startswith("place,name,column,category")
    assert len(rows) == len(inventory.entries()) + 1
    assert processing.to_json(inventory)["categories"]["birth"]["origin"] == "given"


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"secret_thoughts": ["mood"]}, "models.yml, marts.mood.mood: 'secret_thoughts' is no category"),
        ({"name": ["mood"], "key": ["mood"]}, "models.yml, marts.mood: column mood is declared twice"),
    ],
)
def test_wrong_declarations_are_told(tmp_path: Path, columns: dict[str, list[str]], told: str) -> None:
    models = tmp_path / "models" / "marts"
    models.mkdir(parents=True)
    (models / "mood.sql").write_text("select 1 as mood")
    meta = {"personal_data": {"rows": ["none"], "columns": columns}}
    (models / "models.yml").write_text(yaml.safe_dump({"models": [{"name": "mood", "config": {"meta": meta}}]}))
    with pytest.raises(ConfigurationError, match=told):
        load(tmp_path)
