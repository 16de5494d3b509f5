"""`preview` on a hand-made warehouse: only what was edited shows, rows are counted, nothing real is touched."""

from __future__ import annotations

import hashlib
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cdp.errors import CheckFailed, ConfigurationError
from cdp.settings import Settings, load_settings
from pipelines.preview import preview, remember_project
from tests.support.dbt_world import DbtWorld, sale, stamp, web

START = datetime(2024, 1, 1)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made = load_settings(home=tmp_path_factory.mktemp("preview"))
    world = DbtWorld(made.warehouse)
    world.begin()
    people = list(range(1, 21))
    world.deliver(
        {
            "sales_contacts": [{"Record ID": str(n), "Email": "", "Create Date": stamp(START)} for n in people],
            "web_events": [web(n, "Product Viewed", START + timedelta(days=n), f"m{n}") for n in people],
            "pos_transactions": [sale(n, START + timedelta(days=200), f"T{n}") for n in people if n % 2],
        }
    )
    world.identify(people)
    remember_project(made)
    return made


@pytest.fixture
def edited(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that somebody works on, while production ran the shipped one."""
    project = tmp_path / "dbt_project"
    shutil.copytree(settings.dbt_project, project)
    monkeypatch.setattr(Settings, "dbt_project", property(lambda _: project))
    return project


@pytest.fixture
def warehouse_copy(settings: Settings) -> Path:
    copy = settings.sqlmesh_state / "warehouse.duckdb"
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(settings.warehouse, copy)
    return copy


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_an_edit_shows_as_one_modified_model_with_its_rows(
    settings: Settings, edited: Path, warehouse_copy: Path
) -> None:
    before = hashlib.sha256(settings.warehouse.read_bytes()).digest()
    replace(
        edited / "models/marts/journey/stage_transitions.sql",
        "select * from transitions",
        "select * from transitions where move <> 'lapse'",
    )
    report = preview(settings, "dev", warehouse=warehouse_copy)
    changes = {change.model: change for change in report.changes}
    assert set(changes) == {"marts.stage_transitions", "marts.map_cells"}
    modified = changes["marts.stage_transitions"]
    assert (modified.change, modified.breaking) == ("modified", True)
    assert modified.rows is not None
    assert modified.rows.only_before == modified.rows.before - modified.rows.after > 0
    assert (modified.rows.only_after, modified.rows.changed) == (0, 0)
    assert changes["marts.map_cells"].change == "affected"
    assert report.models > 30
    # without the lapses the transitions no longer add up with the episodes, and the project's own test says so
    assert report.broken_tests == ["moves_add_up finds 1 row(s)"]
    assert "modified  marts.stage_transitions" in "\n".join(report.lines())
    assert hashlib.sha256(settings.warehouse.read_bytes()).digest() == before
    assert not (edited / "target").exists() and not (edited / ".cache").exists()


def test_a_model_that_cannot_be_built_is_named_without_values(
    settings: Settings, edited: Path, warehouse_copy: Path
) -> None:
    replace(
        edited / "models/marts/people/source_records.sql",
        "coalesce(records.created_at",
        "cast(identity_map.source_record_id as integer) as wrong, coalesce(records.created_at",
    )
    with pytest.raises(CheckFailed, match=r"marts\.source_records \(ConversionException\)") as caught:
        preview(settings, "dev", warehouse=warehouse_copy)
    assert "@example.org" not in caught.value.message


@pytest.mark.parametrize("name", ["prod", "Production", " PROD ", "", "baseline", "my env", "1st"])
def test_production_and_unusable_names_are_refused(settings: Settings, name: str) -> None:
    with pytest.raises(ConfigurationError):
        preview(settings, name, warehouse=settings.sqlmesh_state / "warehouse.duckdb")


def test_the_warehouse_itself_is_refused(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="copy"):
        preview(settings, "dev", warehouse=settings.warehouse)
