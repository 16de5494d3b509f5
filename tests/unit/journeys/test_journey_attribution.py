from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.errors import InputError
from journeys.attribution import markov, report, rules, shapley, shares
from journeys.attribution.model import ChannelPath
from journeys.scope import Scope

NOW = datetime(2026, 1, 1, tzinfo=UTC)
# (A) "Markov chain attribution – simple explanation": google 2, mailing 1, google > mailing 1, google lost 1.
EXAMPLE_A = [
    ChannelPath(("google",), conversions=2, nulls=1),
    ChannelPath(("mailing",), conversions=1),
    ChannelPath(("google", "mailing"), conversions=1),
]
# (B) the three-path example of several public unit tests.
EXAMPLE_B = [
    ChannelPath(("C1", "C2", "C3"), conversions=1),
    ChannelPath(("C1",), nulls=1),
    ChannelPath(("C2", "C3"), nulls=1),
]
paths_of_anything = st.lists(
    st.builds(
        ChannelPath,
        channels=st.lists(st.sampled_from("abcde"), min_size=1, max_size=6).map(tuple),
        conversions=st.integers(0, 5).map(float),
        value=st.integers(0, 100).map(float),
        nulls=st.integers(0, 5).map(float),
    ),
    min_size=1,
    max_size=12,
)


def test_example_a_markov():
    assert markov.conversion_probability(EXAMPLE_A) == pytest.approx(0.8)
    assert markov.removal_effects(EXAMPLE_A) == pytest.approx({"google": 0.75, "mailing": 0.5})
    assert markov.attribute(EXAMPLE_A) == pytest.approx({"google": 2.4, "mailing": 1.6})


def test_example_b_markov():
    assert markov.conversion_probability(EXAMPLE_B) == pytest.approx(1 / 3)
    assert markov.removal_effects(EXAMPLE_B) == pytest.approx({"C1": 0.5, "C2": 1, "C3": 1})
    assert markov.attribute(EXAMPLE_B) == pytest.approx({"C1": 0.2, "C2": 0.4, "C3": 0.4})


def test_example_c_shapley():
    names = ("Facebook", "Google", "LinkedIn")
    facebook, google, linkedin = names
    ratios = {
        frozenset({facebook}): 0.18,
        frozenset({google}): 0.04,
        frozenset({linkedin}): 0.08,
        frozenset({facebook, google}): 0.10,
        frozenset({facebook, linkedin}): 0.26,
        frozenset({google, linkedin}): 0.07,
        frozenset(names): 0.27,
    }
    assert shapley.values(list(names), shapley.cumulated(ratios)) == pytest.approx(
        {facebook: 0.45, google: 0.215, linkedin: 0.335}
    )


def test_example_d_rules():
    path = [ChannelPath(("Direct", "Organic_Search", "Direct"), conversions=1, value=140)]

    def by_touch(rule):
        return [140 * share for share in rules.RULES[rule](path[0])]

    assert by_touch("first") == pytest.approx([140, 0, 0])
    assert by_touch("last") == pytest.approx([0, 0, 140])
    assert by_touch("linear") == pytest.approx([140 / 3] * 3)
    assert by_touch("position") == pytest.approx([56, 28, 56])
    assert rules.attribute(path, "position", of_value=True) == pytest.approx({"Direct": 112, "Organic_Search": 28})


def test_time_decay_halves_per_half_life():
    path = ChannelPath(("a", "b"), conversions=1, ages=(7.0, 0.0))
    assert rules.time_decay(path) == pytest.approx([1 / 3, 2 / 3])


@given(paths_of_anything, st.sampled_from(report.MODELS), st.booleans())
def test_shares_sum_to_the_total(paths, model, of_value):
    total = sum(path.value if of_value else path.conversions for path in paths)
    credit = report.credit(paths, model, of_value=of_value)
    if model == "markov" and not any(path.conversions for path in paths):
        assert sum(credit.values()) == 0
    else:
        assert sum(credit.values()) == pytest.approx(total)
    assert all(share >= -1e-9 for share in credit.values())


@given(paths_of_anything)
def test_shapley_of_paths_equals_the_sum_over_subsets(paths):
    channels = sorted({channel for path in paths for channel in path.channels})

    def worth(coalition):
        return sum(path.conversions for path in paths if set(path.channels) <= coalition)

    assert shapley.attribute(paths) == pytest.approx(shapley.values(channels, worth))


def test_sampled_shapley_is_near_the_exact_one():
    channels = [f"c{n:02d}" for n in range(14)]
    weights = {channel: float(index + 1) for index, channel in enumerate(channels)}

    def worth(coalition):
        return sum(weights[channel] for channel in coalition) + (5.0 if {"c00", "c01"} <= coalition else 0.0)

    found = shapley.values(channels, worth, orders=400)
    assert sum(found.values()) == pytest.approx(worth(frozenset(channels)))
    assert found["c13"] == pytest.approx(14)
    assert found["c00"] == pytest.approx(1 + 2.5, abs=0.6)


def test_a_channel_that_is_always_needed_has_full_removal_effect():
    paths = [ChannelPath(("a", "b"), conversions=3), ChannelPath(("c", "b"), conversions=1, nulls=2)]
    assert markov.removal_effects(paths)["b"] == pytest.approx(1)
    assert markov.removal_effects(paths)["a"] < 1


def test_self_moves_change_nothing_when_collapsed():
    once = [ChannelPath(("a", "b"), conversions=1, nulls=1)]
    twice = [ChannelPath(("a", "a", "b"), conversions=1, nulls=1)]
    assert markov.attribute(once) == pytest.approx(markov.attribute(twice))


def test_report_over_the_marts_sums_to_the_purchases(world):
    found = report.attribute(world, Scope(until=NOW))
    purchases = world.execute("select count(*), sum(amount) from marts.purchases").fetchone()
    assert found.conversions.value + found.unattributed.value == purchases[0]
    for model in report.MODELS:
        assert sum(row.conversions[model].value for row in found.channels) == pytest.approx(found.conversions.value)
        assert sum(row.value[model].value for row in found.channels) == pytest.approx(found.value.value)
        for row in found.channels:
            assert row.conversions[model].low <= row.conversions[model].value <= row.conversions[model].high
            assert row.conversions[model].n == found.conversions.value
    assert found.queries["paths"].models


@settings(max_examples=30, deadline=None)
@given(paths_of_anything)
def test_credits_with_intervals_equal_the_plain_ones(paths):
    counted, valued = shares.credits(paths, report.MODELS)
    for model in report.MODELS:
        for found, of_value in ((counted[model], False), (valued[model], True)):
            plain = report.credit(paths, model, of_value=of_value)
            assert dict(zip(found.channels, found.value, strict=True)) == pytest.approx(plain)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Journeys drawn from known shares: last touch of `a` is true for three in ten."""
    random = np.random.default_rng(5)
    held = 0
    for _ in range(100):
        hits = int(random.binomial(400, 0.3))
        paths = [ChannelPath(("a",), conversions=hits), ChannelPath(("b",), conversions=400 - hits)]
        found = shares.credits(paths, ("last",))[0]["last"]
        held += found.low[0] <= 120 <= found.high[0]
    assert held >= 90


def test_many_paths_go_through_in_chunks(monkeypatch):
    paths = [ChannelPath(("a", "b", "c")[: 1 + n % 3], conversions=1.0, value=2.0, nulls=n % 2) for n in range(40)]
    whole = shares.credits(paths, report.MODELS)[0]
    monkeypatch.setattr(shares, "_CHUNK", 7)
    cut = shares.credits(paths, report.MODELS)[0]
    for model in report.MODELS:
        assert cut[model].value == pytest.approx(whole[model].value)


def test_one_model_and_a_longer_half_life(world):
    short = report.attribute(world, Scope(until=NOW), models=("time_decay",), half_life=0.5)
    long = report.attribute(world, Scope(until=NOW), models=("time_decay", "linear"), half_life=10_000)
    assert short.models == ("time_decay",) and set(short.channels[0].value) == {"time_decay"}
    for row in long.channels:
        assert row.conversions["time_decay"].value == pytest.approx(row.conversions["linear"].value, rel=1e-2)


def test_senseless_questions_are_refused(world):
    with pytest.raises(InputError, match="at least one day"):
        report.attribute(world, Scope(until=NOW), days=0)
    with pytest.raises(InputError, match="half-life"):
        report.attribute(world, Scope(until=NOW), half_life=0)
    with pytest.raises(InputError, match="did you mean `markov`"):
        report.attribute(world, Scope(until=NOW), models=("markow",))
    with pytest.raises(InputError, match="no attribution rule"):
        rules.attribute(EXAMPLE_A, "loudest")
