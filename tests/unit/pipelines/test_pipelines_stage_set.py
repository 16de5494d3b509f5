"""Which seeds the models are built with."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdp.errors import ConfigurationError
from cdp.settings import load_settings
from pipelines import stage_set, transform
from pipelines.preview import remember_project


def test_the_choice_reaches_every_invocation_of_dbt(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, stage_set="b2b")
    assert '{"stage_set": "b2b"}' in transform.dbt_arguments(settings, "marts")
    assert stage_set.available(settings.dbt_project) == ["b2b", "retail"]


@pytest.mark.parametrize(("name", "told"), [("club", "b2b, retail"), ("../x", "CDP_STAGE_SET is not usable")])
def test_an_unknown_set_is_refused_with_those_there_are(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        stage_set.variables(load_settings(home=tmp_path, stage_set=name))


def test_what_production_ran_is_remembered_with_its_set(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, stage_set="b2b")
    remember_project(settings)
    assert stage_set.marked(settings.dbt_artifacts / "production") == "b2b"
    assert stage_set.marked(settings.dbt_project) == "retail"
