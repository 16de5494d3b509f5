"""What the journeys say about the reference world, through the real command line, against what its files hold.

The effects are looked up in the world's truth only here; nothing in the product knows them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.home import Home

pytestmark = pytest.mark.slow

EFFECT = {"value", "low", "high", "n_exposed", "n_compared"}


@pytest.fixture(scope="module")
def found(reference_home: Home) -> dict[str, Any]:
    return reference_home.facts("journey", "findings")


@pytest.fixture(scope="module")
def observable(world: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((world / "truth" / "facts.json").read_text())["observable"]
    return facts


def finding(found: dict[str, Any], key: str) -> dict[str, Any]:
    return next(one for one in found["findings"] if one["key"] == key)


def test_findings_have_the_promised_shape(found: dict[str, Any]) -> None:
    assert found["false_discovery_rate"] == 0.05
    for one in found["findings"]:
        assert {"key", "kind", "subject", "outcome", "effect", "basis"} <= set(one)
        assert set(one["effect"]) >= EFFECT
        assert one["effect"]["low"] <= one["effect"]["value"] <= one["effect"]["high"]
        assert one["basis"] in ("randomised", "association") and one["q_value"] <= 0.05
        assert one["adjusted"] is None or set(one["adjusted"]) >= EFFECT
        assert one["query"] in found["queries"]
    crude_and_adjusted = [
        (one["effect"]["value"], one["adjusted"]["value"]) for one in found["findings"] if one["adjusted"]
    ]
    assert any(abs(crude - adjusted) > 0.01 for crude, adjusted in crude_and_adjusted)


@pytest.mark.parametrize(
    ("key", "basis", "exposed", "compared"),
    [
        (
            "slow_ticket",
            "association",
            "no_purchase_180d_after_slow_ticket",
            "no_purchase_180d_after_fast_ticket",
        ),
        (
            "welcome_mail",
            "randomised",
            "repeat_purchase_with_welcome_mail",
            "repeat_purchase_without_welcome_mail",
        ),
    ],
)
def test_planted_effects_lie_within_their_intervals(
    found: dict[str, Any], observable: dict[str, Any], key: str, basis: str, exposed: str, compared: str
) -> None:
    effect = finding(found, key)["effect"]
    difference = observable[exposed]["rate"] - observable[compared]["rate"]
    assert effect["low"] <= difference <= effect["high"], (effect, difference)
    assert finding(found, key)["basis"] == basis
    sentence = finding(found, key)["sentence"].lower()
    assert ("raises" in sentence) == (basis == "randomised")


def test_slow_support_is_among_the_top_three_interventions(reference_home: Home) -> None:
    ranked = reference_home.facts("journey", "interventions")["interventions"]
    for one in ranked:
        assert {"key", "title", "stage", "people", "effect", "basis", "worth", "priority", "segment"} <= set(one)
        assert {"value", "low", "high", "n"} <= set(one["effect"])
        assert one["worth_is"] == "upper bound" and one["people"] > 0
    assert "slow_ticket" in [one["finding"] for one in ranked[:3]]
    assert [one["priority"] for one in ranked] == sorted((one["priority"] for one in ranked), reverse=True)


def test_interventions_can_be_made_segments_of(reference_home: Home, tmp_path: Path) -> None:
    ranked = reference_home.facts("journey", "interventions")["interventions"]
    slow = next(one for one in ranked if one["finding"] == "slow_ticket")
    (tmp_path / "segment.json").write_text(json.dumps(slow["segment"]))
    preview = reference_home.facts("segment", "preview", str(tmp_path / "segment.json"))
    assert preview["size"] > 0


def test_breaks_touchpoints_experiments_and_feeling_add_up(reference_home: Home) -> None:
    breaks = reference_home.facts("journey", "breaks")
    assert {"drop_off", "steps", "bottlenecks", "acquisition", "loops", "queries"} <= set(breaks)
    assert sum(one["is_bottleneck"] for one in breaks["bottlenecks"]) == 1
    assert any((one["from_stage"], one["to_stage"]) == ("decision", "consideration") for one in breaks["loops"])
    touchpoints = reference_home.facts("journey", "touchpoints")["types"]
    assert all(one["reach"]["n"] >= one["journeys"]["value"] for one in touchpoints)
    (mail,) = reference_home.facts("journey", "experiments")["results"]
    parts = reference_home.facts("journey", "experiments", "--by", "stage")["results"]
    assert sum(one["effect"]["n_exposed"] for one in parts) == mail["effect"]["n_exposed"]
    assert {one["basis"] for one in parts} == {"randomised"}
    chosen = reference_home.facts("journey", "experiments", "--segment", "repeat_buyers")
    assert {one["basis"] for one in chosen["results"]} == {"association"} and chosen["note"]
    feeling = reference_home.facts("journey", "feeling")
    for cell in feeling["cells"]:
        assert cell["rated"] + cell["from_text"] + cell["no_verdict"] == cell["tickets"]
        assert cell["score"]["n"] == cell["rated"] + cell["from_text"]
