"""Findings where the truth is known: what was planted is found, and where nothing was planted little is.

Three demo worlds with all effects through whole runs; twenty with none, and one with all beside them, through the steps
that findings need.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from scipy.stats import binom

from tests.support.home import WorldHome
from tests.support.unpublished import findings_of

pytestmark = pytest.mark.slow

SEEDS = (1, 2, 3)
NULL_SEEDS = range(1, 21)
PEOPLE = 1200
# The rate that findings state, and how sure a breach of it must be.
RATE, SURE = 0.05, 0.99
DEVICES = ("desktop", "mobile", "tablet")
CHANNELS = ("organic", "paid_search", "social", "email", "direct")
# What every world of this size has enough of; whether the rest can be tested depends on what happened in it.
ALWAYS = {
    "slow_ticket", "bad_rating", "payment_failed", "error_page", "welcome_mail",
    *(f"device:{device}" for device in DEVICES), *(f"acquisition:{channel}" for channel in CHANNELS),
}  # fmt: skip
SOMETIMES = {
    "checkout_error",
    *(f"{key}:{device}" for key in ("payment_failed", "payment_failed_device") for device in DEVICES),
}

# What interventions answer to: making the checkout work on mobile is one more answer to its failing payments.
CAUSES = {
    "slow_ticket": "slow_support",
    "welcome_mail": "welcome_mail",
    "payment_failed": "failed_payment_mobile",
    "device:mobile": "failed_payment_mobile",
}


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


def test_interventions_begin_with_what_was_planted(planted: WorldHome) -> None:
    """The first three causes to act on are the three planted ones; two interventions may answer one of them."""
    ranked = planted.home.facts("journey", "interventions")["interventions"]
    causes = list(dict.fromkeys(CAUSES.get(one["finding"], one["finding"]) for one in ranked))
    assert set(causes[:3]) == {"slow_support", "failed_payment_mobile", "welcome_mail"}, causes
    assert {one["basis"] for one in ranked if one["finding"] == "welcome_mail"} == {"randomised"}
    assert {one["basis"] for one in ranked if one["finding"] != "welcome_mail"} == {"association"}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What findings say of twenty worlds without effects, and last of one with all of them, equally large."""
    worlds = [*(("null", seed) for seed in NULL_SEEDS), ("small", NULL_SEEDS[0])]
    return findings_of(worlds, PEOPLE, tmp_path_factory.mktemp("many-worlds"))


@pytest.fixture(scope="module")
def null_worlds(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return answers[:-1]


def test_the_same_steps_find_what_was_planted(answers: list[dict[str, Any]]) -> None:
    found = {one["key"]: one for one in answers[-1]["findings"]}
    assert {"slow_ticket", "payment_failed", "payment_failed:mobile", "welcome_mail"} <= set(found)
    assert all(best(found[key])["low"] > 0 for key in ("slow_ticket", "payment_failed:mobile", "welcome_mail"))


def test_null_worlds_are_asked_everything(null_worlds: list[dict[str, Any]]) -> None:
    for found in null_worlds:
        every = {one["key"]: one["reason"] for one in (*found["findings"], *found["not_found"])}
        assert {*ALWAYS, "checkout_error"} <= set(every) <= ALWAYS | SOMETIMES
        keys = {one["key"] for one in asked(found)}
        assert keys >= ALWAYS, ALWAYS - keys
        assert keys == {key for key, reason in every.items() if reason is None}, "what is not tested says why"
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
