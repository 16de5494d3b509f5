"""Planted effects can be measured; without them nothing is there to measure."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest

from demo.chunk import Chunk, build
from demo.journey import BOUGHT, FAILED_AND_GAVE_UP, LAPSED
from demo.plan import Plan
from demo.scenario import STAGES, load_scenario
from demo.truth import observe

PEOPLE = 6_000
PAIRS = {
    "support": ("no_purchase_180d_after_slow_ticket", "no_purchase_180d_after_fast_ticket"),
    "payment": ("abandoned_after_payment_failed_mobile", "abandoned_after_payment_failed_other"),
    "welcome": ("repeat_purchase_with_welcome_mail", "repeat_purchase_without_welcome_mail"),
}


def make(scenario: str, seed: int) -> Chunk:
    return build(Plan(load_scenario(scenario), seed, 0, PEOPLE))


def observed(chunk: Chunk) -> dict[str, Any]:
    bought = chunk.purchases
    facts = observe(
        tickets=chunk.tickets, assigned=chunk.assigned, visits=chunk.visits, clicks=chunk.clicks, buyer=bought.actor,
        bought=bought.at,
    )  # fmt: skip
    return facts.facts()


def z_score(facts: dict[str, Any], pair: tuple[str, str]) -> float:
    """Difference of two shares in standard errors."""
    one, other = (facts[name] for name in pair)
    rate = (one["hits"] + other["hits"]) / (one["n"] + other["n"])
    return float((one["rate"] - other["rate"]) / sqrt(rate * (1 - rate) * (1 / one["n"] + 1 / other["n"])))


@pytest.fixture(scope="module")
def shop() -> Chunk:
    return make("small", 3)


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_planted_effects_show(shop: Chunk, pair: tuple[str, str]) -> None:
    assert z_score(observed(shop), pair) > 4


def test_planted_rates_are_those_of_the_scenario(shop: Chunk) -> None:
    facts, effects = shop.journey.planted.facts(), load_scenario("small").effects
    assert effects.slow_support
    assert effects.failed_payment_mobile
    for name, rate in (
        ("slow_ticket", effects.slow_support.defect_slow),
        ("fast_ticket", effects.slow_support.defect_fast),
        ("payment_failed_mobile", effects.failed_payment_mobile.abandon_mobile),
        ("payment_failed_other", effects.failed_payment_mobile.abandon_other),
    ):
        assert abs(facts[name]["rate"] - rate) < 4 * sqrt(rate * (1 - rate) / facts[name]["n"])


def test_the_null_world_has_no_effects() -> None:
    scores = []
    for seed in range(4):
        chunk = make("null", seed)
        assert chunk.journey.planted.facts() == {}
        facts = observed(chunk)
        scores += [z_score(facts, pair) for pair in PAIRS.values()]
    # Twelve standard normal numbers: none extreme, and no lean to one side.
    assert max(map(abs, scores)) < 3.5
    assert abs(sum(scores)) / sqrt(len(scores)) < 3.5


def test_journeys_go_forward_back_and_start_again(shop: Chunk) -> None:
    steps = shop.journey.steps
    same = steps.actor[1:] == steps.actor[:-1]
    moves = {(int(a), int(b)) for a, b in zip(steps.stage[:-1][same], steps.stage[1:][same], strict=True)}
    assert {(0, 1), (1, 2), (2, 3), (3, 4), (2, 1), (3, 2), (4, 3)} <= moves
    assert (np.diff(steps.day)[same] >= 1).all()
    assert (steps.stage != LAPSED).all()
    pauses = np.diff(steps.day)[same]
    assert (pauses > 90).any()
    lapsed = shop.journey.final_stage == STAGES.index("lapsed")
    assert 0.3 < lapsed.mean() < 0.95


def test_nobody_buys_without_the_means(shop: Chunk) -> None:
    steps, actors = shop.journey.steps, shop.actors
    assert (steps.actor[steps.attempt >= 0] < actors.people).all()
    assert actors.has_account[steps.actor[steps.attempt == 0]].all()
    assert actors.has_contact[steps.actor[steps.attempt == 2]].all()
    assert not (steps.recorded & (steps.outcome != BOUGHT)).any()
    assert steps.failed[steps.outcome == FAILED_AND_GAVE_UP].all()


def test_people_live_change_and_share(shop: Chunk) -> None:
    people = shop.people
    for changed, low, high in (
        (people.married, 0.005, 0.05), (people.moved, 0.06, 0.2), (people.mail_changed, 0.04, 0.12),
        (people.phone_changed, 0.04, 0.12),
    ):  # fmt: skip
        assert low < (changed < 1e6).mean() < high
    spouse = np.flatnonzero(people.position == 1)
    assert 0.5 < (people.surname[spouse] == people.surname[spouse - 1]).mean() < 0.95
    assert (people.home[spouse] == people.home[spouse - 1]).all()
    child = np.flatnonzero(people.position == 3)
    assert ((people.born[child] == people.born[child - 1]).sum()) > 0
    assert len(np.unique(people.mail[~people.shares_mail])) == (~people.shares_mail).sum()
    _, sharing = np.unique(people.phone, return_counts=True)
    assert (sharing > 1).any()
    assert (people.born < np.datetime64("2008-01-02").astype(np.int64)).all()
