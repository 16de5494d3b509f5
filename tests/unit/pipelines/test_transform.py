"""What a failed build says, and when incremental models are rebuilt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cdp.errors import ConfigurationError
from cdp.settings import Settings, load_settings
from pipelines import transform


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path)


def results(target: Path, *failing: dict[str, object]) -> Path:
    passing = {"unique_id": "model.wayfinder.profiles", "status": "success", "message": "OK", "failures": None}
    (target / "run_results.json").write_text(json.dumps({"results": [passing, *failing]}))
    return target


def test_a_failing_test_is_named_with_its_count(tmp_path: Path) -> None:
    target = results(
        tmp_path,
        {"unique_id": "test.wayfinder.moves_add_up.1a", "status": "fail", "message": "Got 3 results", "failures": 3},
    )
    assert "test moves_add_up found 3 row(s)" in transform.explain_failure(target)


def test_a_failing_model_is_named_with_the_class_of_the_error_only(tmp_path: Path) -> None:
    message = (
        "Runtime Error in model touchpoints (models/x.sql)\n  Conversion Error: Could not convert 'ann@example.org'"
    )
    target = results(
        tmp_path,
        {"unique_id": "model.wayfinder.touchpoints", "status": "error", "message": message, "failures": None},
    )
    told = transform.explain_failure(target)
    assert "model touchpoints stopped with a Conversion Error" in told
    assert "ann" not in told


def test_an_error_in_our_sql_is_told_in_full(tmp_path: Path) -> None:
    message = 'Runtime Error in model touchpoints\n  Binder Error: Referenced column "chanel" not found\n  LINE 1: …'
    target = results(
        tmp_path,
        {"unique_id": "model.wayfinder.touchpoints", "status": "error", "message": message, "failures": None},
    )
    assert 'Referenced column "chanel" not found' in transform.explain_failure(target)


def test_without_results_the_answer_is_still_a_sentence(tmp_path: Path) -> None:
    assert transform.explain_failure(tmp_path).startswith("The models could not be built")


def test_unknown_layers_are_refused(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="staging, marts"):
        transform.dbt_arguments(settings, "snapshots")


def test_increments_need_the_models_that_built_the_rows(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    shutil.copytree(settings.dbt_project, project, ignore=shutil.ignore_patterns("target", "logs", ".cache"))
    monkeypatch.setattr(Settings, "dbt_project", property(lambda _: project))
    assert "--full-refresh" in transform.dbt_arguments(settings, "staging")
    transform.mark_built(settings, "staging")
    assert "--full-refresh" not in transform.dbt_arguments(settings, "staging")
    assert "--full-refresh" in transform.dbt_arguments(settings, "staging", full_refresh=True)
    model = project / "models/staging/web/stg_web__events.sql"
    model.write_text(model.read_text() + "\n-- another reading")
    assert "--full-refresh" in transform.dbt_arguments(settings, "staging")
    assert "--full-refresh" not in transform.dbt_arguments(settings, "marts")


def test_the_project_that_built_the_marts_is_kept_for_previews(settings: Settings) -> None:
    transform.mark_built(settings, "marts")
    kept = settings.dbt_artifacts / "production"
    assert (kept / "dbt_project.yml").read_bytes() == (settings.dbt_project / "dbt_project.yml").read_bytes()
    assert not (kept / "target").exists()
