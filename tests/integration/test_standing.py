"""Where people stand on the demo world: predictions, personas, actions and rules, from the run to the profile."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.home import Home


def rows(home: Home, sql: str) -> list[tuple[Any, ...]]:
    file = home.path / "serving" / home.facts("status")["last_run"]["snapshot_file"]
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_everybody_has_a_prediction_or_a_reason(demo_home: Home) -> None:
    card = demo_home.facts("journey", "predictions")
    profiles = demo_home.facts("status")["profiles"]
    without = sum(one["profiles"] for one in card["without_prediction"])
    assert card["coverage"]["profiles"] == profiles
    assert card["coverage"]["with_stage_prediction"] + without == profiles
    assert card["coverage"]["with_stage_prediction"] > 0.9 * profiles
    assert {model["kind"] for model in card["models"]} == {"forward", "back", "lapse", "restart"}
    assert all(model["events"] > 0 for model in card["models"])


def test_the_risk_of_lapsing_is_calibrated_and_tells_people_apart(demo_home: Home) -> None:
    card = demo_home.facts("journey", "predictions")
    lapse = next(one for one in card["checks"] if (one["kind"], one["stage"]) == ("lapse", "all"))
    assert lapse["n"] > 100 and len(lapse["tenths"]) == 10
    assert lapse["calibration_error"] < 0.12
    assert lapse["concordance"] > 0.8
    assert lapse["brier"] < 0.7 * lapse["brier_base"]


def test_everybody_has_exactly_one_persona(demo_home: Home) -> None:
    found = demo_home.facts("journey", "personas")
    assert sum(one["people"]["value"] for one in found["personas"]) == demo_home.facts("status")["profiles"]
    assert found["personas"][-1]["is_rest"] and all(one["rule"] for one in found["personas"])
    assert rows(demo_home, "select count(*) from marts.profiles where persona is null") == [(0,)]
    groups = demo_home.facts("journey", "personas", "--cluster", "--groups", "3")
    assert len(groups["clusters"]) == 3


def test_the_profile_says_what_comes_next(demo_home: Home) -> None:
    chosen = rows(
        demo_home,
        "select profile_id, next_stage, lapse_risk, len(lapse_drivers) from marts.predictions "
        "where next_stage is not null and lapse_risk > 0 order by lapse_risk desc, profile_id limit 1",
    )[0]
    document = demo_home.facts("profile", chosen[0])
    journey = document["journey"]
    assert journey["next"]["stage"] == chosen[1] and journey["next"]["within_days"] == 90
    assert journey["lapse"]["risk"] == chosen[2] and len(journey["lapse"]["drivers"]) == chosen[3] > 0
    assert journey["persona"]["title"]
    history = journey["history"]
    assert history[0]["left_at"] is None and history[0]["stage"] == document["stage"]["current"]
    assert len(history) == min(journey["episodes"], 20)


def test_next_best_actions_are_on_the_profiles(demo_home: Home) -> None:
    actions = rows(demo_home, "select profile_id, intervention, reason, evidence from marts.next_actions")
    ranked = rows(demo_home, "select intervention, people from marts.interventions order by rank")
    assert ranked, "the planted effects of the demo world lead to interventions"
    assert sum(people for _, people in ranked) == len(actions) > 0
    order = [intervention for intervention, _ in ranked]
    assert order == [one["key"] for one in demo_home.facts("journey", "interventions")["interventions"]]
    for profile_id, intervention, reason, evidence in actions[:2]:
        told = demo_home.facts("profile", profile_id)["journey"]["next_best_action"]
        assert (told["key"], told["reason"], told["evidence"]) == (intervention, reason, evidence)
        assert reason.startswith("Applies to people")


def test_segments_can_use_predictions_and_personas(demo_home: Home, tmp_path: Path) -> None:
    for name, where in (
        ("risky", "prediction.lapse_risk >= 0.5"),
        ("regulars", "trait.persona = 'regular'"),
    ):
        file = tmp_path / f"{name}.yaml"
        file.write_text(f'key: {name}\ntitle: {name}\nwhere: "{where}"\n')
        assert demo_home.facts("segment", "preview", str(file))["size"] > 0


def test_correlations_are_associations_with_n_and_intervals(demo_home: Home) -> None:
    found = demo_home.facts("journey", "correlations")
    assert found["basis"] == "association" and found["customers"] > 50
    outcomes = {cell["outcome"] for cell in found["cells"]}
    assert outcomes == {"retention", "lapse", "value", "lifetime_value"}
    for cell in found["cells"]:
        assert cell["value"]["n"] > 0
        assert (cell["difference"] is None) == (cell["reason"] is not None)
        if cell["difference"]:
            assert cell["difference"]["low"] <= cell["difference"]["value"] <= cell["difference"]["high"]


def test_rules_have_a_first_version(demo_home: Home) -> None:
    found = demo_home.facts("journey", "rules")
    assert (found["stage_set"], found["version"], len(found["versions"])) == ("retail", 1, 1)
    assert demo_home.facts("status")["stage_rules"]["version"] == 1


@pytest.mark.slow
def test_a_business_with_other_stages(demo_home: Home, demo_world: Path, tmp_path: Path) -> None:
    """The shipped set for sales to companies, on a home that was a shop's: history is derived anew and told."""
    shutil.copytree(demo_home.path, tmp_path / "home")
    home = Home(tmp_path / "home", stage_set="b2b")
    report = home.facts("run", "--from", str(demo_world))
    assert report["changed"] is True
    account = {step["step"]: step["detail"] for step in report["steps"]}
    assert "version 2" in account["rules"] and "stand elsewhere" in account["rules"]
    assert "name stages that this stage set does not have" in account["segments"]
    status = home.facts("status")
    stages = ["awareness", "engagement", "evaluation", "customer", "expansion", "partnership", "dormant"]
    assert list(status["stages"]) == stages
    assert sum(status["stages"].values()) == status["profiles"]
    assert status["stages"]["customer"] > 0 and status["stages"]["dormant"] > 0

    rules = home.facts("journey", "rules")
    newest = rules["versions"][0]
    assert newest["changes"][0] == "stage set retail → b2b"
    assert newest["compared"] == status["profiles"] and newest["not_compared"] == 0
    assert newest["stage_differs"] == sum(move["profiles"] for move in newest["moves"]) > 0
    assert any(move["former"] == "lapsed" and move["present"] == "dormant" for move in newest["moves"])

    keys = {segment["key"] for segment in home.facts("segment", "list")}
    assert "vip" in keys and "stuck_in_consideration" not in keys and "vip_at_risk" not in keys
    card = home.facts("journey", "predictions")
    assert card["coverage"]["with_stage_prediction"] > 0
    out = tmp_path / "map.json"
    home.cdp("journey", "map", "--out", str(out))
    assert [column["stage"] for column in json.loads(out.read_text())["stages"]] == stages
    unchanged = home.facts("run", "--from", str(demo_world))
    assert unchanged["changed"] is False
    wrong = Home(home.path, stage_set="club").cdp("run", "--from", str(demo_world), check=False)
    assert wrong.returncode == 1 and "there are: b2b, retail" in wrong.stderr
