"""The inbox sensor: a run per delivery, never on a file that is still being written."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from cdp.settings import Settings, load_settings
from pipelines.build import build_definitions
from pipelines.jobs import DECISIONS_JOB, JOB, build_inbox_sensor, build_job, inbox_state


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path, inbox_dir=tmp_path / "inbox")


def look(sensor: dg.SensorDefinition, cursor: str | None) -> tuple[list[dg.RunRequest], str | None]:
    context = dg.build_sensor_context(cursor=cursor)
    data = sensor.evaluate_tick(context)
    return list(data.run_requests or []), data.cursor


def test_state_changes_with_content_and_is_empty_without_files(tmp_path: Path) -> None:
    assert inbox_state(tmp_path / "missing") == ""
    (tmp_path / "web").mkdir()
    assert inbox_state(tmp_path) == ""
    (tmp_path / "web" / "a.jsonl").write_text("{}\n")
    first = inbox_state(tmp_path)
    (tmp_path / "web" / "a.jsonl").write_text("{}\n{}\n")
    assert first and inbox_state(tmp_path) != first


def test_one_run_per_still_delivery(settings: Settings) -> None:
    @dg.asset
    def anything() -> None: ...

    sensor = build_inbox_sensor(build_job(), settings)
    settings.inbox.mkdir(parents=True)
    assert look(sensor, None)[0] == []
    (settings.inbox / "contacts.csv").write_text("a\n1\n")
    requests, cursor = look(sensor, None)
    assert requests == [], "it may still be written"
    requests, cursor = look(sensor, cursor)
    assert len(requests) == 1
    requests, cursor = look(sensor, cursor)
    assert requests == [], "once is enough"
    (settings.inbox / "contacts.csv").write_text("a\n1\n2\n")
    requests, cursor = look(sensor, cursor)
    assert requests == []
    assert len(look(sensor, cursor)[0]) == 1


def test_decisions_need_no_delivery_no_raw_and_no_staging(settings: Settings) -> None:
    """The job that carries decisions out begins at identity and ends in the publication, with all checks between."""
    job = build_definitions(settings).resolve_job_def(DECISIONS_JOB)
    groups = {key.path[0] for key in job.asset_layer.selected_asset_keys}
    assert {"identity", "marts", "serving"} <= groups
    assert not groups & {"landing", "raw", "staging", "seeds"}
    whole = build_definitions(settings).resolve_job_def(JOB)
    after = {key for key in whole.asset_layer.selected_asset_keys if key.path[0] in ("identity", "marts", "serving")}
    assert after <= job.asset_layer.selected_asset_keys
    checks = {key.name for key in job.asset_layer.asset_graph.asset_check_keys if key.asset_key in after}
    assert {"contract", "identity_map_contract"} <= checks
