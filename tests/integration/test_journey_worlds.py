"""Findings where the truth is known: what was planted is found, and where nothing was planted little is.

Whole runs over demo worlds: three with all effects, twenty with none.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from scipy.stats import binom

from tests.support.home import Home, WorldHome

pytestmark = pytest.mark.slow

SEEDS = (1, 2, 3)
NULL_SEEDS = range(1, 21)
NULL_PEOPLE = 1200
# The rate that findings state, and how sure a breach of it must be.
RATE, SURE = 0.05, 0.99
DEVICES = ("desktop", "mobile", "tablet")
CHANNELS = ("organic", "paid_search", "social", "email", "direct")
# What every world of this size has enough of; the rest of what may be asked depends on what happened in it.
ALWAYS = {
    "slow_ticket", "bad_rating", "payment_failed", "checkout_error", "error_page", "welcome_mail",
    *(f"device:{device}" for device in DEVICES), *(f"acquisition:{channel}" for channel in CHANNELS),
}  # fmt: skip
SOMETIMES = {f"{key}:{device}" for key in ("payment_failed", "payment_failed_device") for device in DEVICES}


class Planted(NamedTuple):
    """An effect of the scenario: the finding it shows in, what it may be called, and the rates of a perfect reader."""

    key: str
    basis: str
    exposed: str
    compared: str


PLANTED = (
    Planted("slow_ticket", "association", "no_purchase_180d_after_slow_ticket", "no_purchase_180d_after_fast_ticket"),
    Planted(
        "payment_failed_device:mobile",
        "association",
        "abandoned_after_payment_failed_mobile",
        "abandoned_after_payment_failed_other",
    ),
    Planted(
        "welcome_mail",
        "randomised",
        "repeat_purchase_with_welcome_mail",
        "repeat_purchase_without_welcome_mail",
    ),
)


def binomial_bound(n: int, sure: float = SURE) -> int:
    """How many of `n` independent tests of the stated rate come true at most, `sure` of the time."""
    return int(binom.ppf(sure, n, RATE))


def asked(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Every hypothesis that was tested."""
    return [one for one in (*found["findings"], *found["not_found"]) if one["q_value"] is not None]


@pytest.fixture(scope="module", params=SEEDS)
def planted(request: pytest.FixtureRequest, small_home: Callable[[int], WorldHome]) -> WorldHome:
    return small_home(request.param)


def test_all_planted_effects_are_found(planted: WorldHome) -> None:
    facts = json.loads((planted.world / "truth" / "facts.json").read_text())
    assert {"slow_ticket", "payment_failed_mobile", "welcome"} <= set(facts["planted"])
    found = planted.home.facts("journey", "findings")
    findings = {one["key"]: one for one in found["findings"]}
    for effect in PLANTED:
        assert effect.key in findings, (effect.key, sorted(findings))
        measured, finding = findings[effect.key]["effect"], findings[effect.key]
        exposed, compared = (facts["observable"][name]["rate"] for name in (effect.exposed, effect.compared))
        assert measured["low"] <= exposed - compared <= measured["high"], (effect.key, measured, exposed - compared)
        assert best(finding)["low"] > 0
        assert finding["basis"] == effect.basis
        assert ("raises" in finding["sentence"]) == (effect.basis == "randomised")
    assert {one["basis"] for one in asked(found) if one["kind"] != "experiment"} == {"association"}


def test_slow_support_is_among_the_top_three_interventions(planted: WorldHome) -> None:
    ranked = planted.home.facts("journey", "interventions")["interventions"]
    assert "slow_ticket" in [one["finding"] for one in ranked[:3]], [one["finding"] for one in ranked]
    assert {one["basis"] for one in ranked if one["finding"] == "welcome_mail"} == {"randomised"}


@pytest.fixture(scope="module")
def null_worlds(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What `cdp journey findings` says of each world without effects; the homes go as soon as they have answered."""
    from demo.generate import generate

    folder = tmp_path_factory.mktemp("null-worlds")

    def answer(seed: int) -> dict[str, Any]:
        world, home = folder / f"world-{seed}", Home(folder / f"home-{seed}")
        generate("null", seed=seed, out=world, people=NULL_PEOPLE)
        assert json.loads((world / "truth" / "facts.json").read_text())["planted"] == {}
        home.cdp("run", "--from", str(world))
        found: dict[str, Any] = home.facts("journey", "findings")
        shutil.rmtree(world)
        shutil.rmtree(home.path)
        return found

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(answer, NULL_SEEDS))


def test_null_worlds_are_asked_everything(null_worlds: list[dict[str, Any]]) -> None:
    for found in null_worlds:
        keys = {one["key"] for one in asked(found)}
        assert keys >= ALWAYS, ALWAYS - keys
        assert keys <= ALWAYS | SOMETIMES, keys - ALWAYS - SOMETIMES
        assert len(keys) == found["tested"] == len(asked(found))
        assert all(0 < best(one)["p_value"] <= one["q_value"] <= 1 for one in asked(found))


def test_false_findings_stay_within_the_stated_rate(null_worlds: list[dict[str, Any]]) -> None:
    """Nothing is true here, so every finding is false, and worlds with any may be as many as the rate allows.

    Benjamini-Hochberg promises exactly that when no hypothesis is true. Without the correction the same tests would
    break the bound, so the check can fail.
    """
    false = [one["key"] for found in null_worlds for one in found["findings"]]
    worlds = sum(bool(found["findings"]) for found in null_worlds)
    tested = sum(found["tested"] for found in null_worlds)
    assert worlds <= binomial_bound(len(null_worlds)), false
    assert len(false) <= binomial_bound(tested), false
    uncorrected = sum(any(best(one)["p_value"] <= RATE for one in asked(found)) for found in null_worlds)
    assert uncorrected > binomial_bound(len(null_worlds))


def test_p_values_of_null_worlds_are_those_of_chance(null_worlds: list[dict[str, Any]]) -> None:
    """Each hypothesis of its own, over the worlds: as often below the rate as chance has it, none all the time."""
    for key in sorted(ALWAYS):
        values = [best(one)["p_value"] for found in null_worlds for one in asked(found) if one["key"] == key]
        low = sum(value <= RATE for value in values)
        # Sure enough for all of them together.
        assert low <= binomial_bound(len(values), 1 - (1 - SURE) / len(ALWAYS)), (key, sorted(values))


def best(one: dict[str, Any]) -> dict[str, Any]:
    """The effect that was tested: adjusted where it could be."""
    effect: dict[str, Any] = one["adjusted"] or one["effect"]
    return effect
