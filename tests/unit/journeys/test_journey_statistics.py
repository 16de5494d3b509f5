from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from journeys import statistics


def test_wilson_matches_published_example():
    # Newcombe 1998, table I: 81 of 263.
    low, high = statistics.wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_newcombe_matches_published_example():
    # Newcombe 1998 (differences), table II, method 10: 56/70 - 48/80.
    low, high = statistics.difference(56, 70, 48, 80)
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


def test_nothing_observed_means_nothing_known():
    assert statistics.wilson(0, 0) == (0.0, 1.0)
    assert statistics.difference(0, 0, 5, 10) == (-1.0, 1.0)


@settings(deadline=None)
@given(st.integers(1, 400), st.data())
def test_wilson_holds_the_share(n, data):
    hits = data.draw(st.integers(0, n))
    low, high = statistics.wilson(hits, n)
    assert 0 <= low <= hits / n + 1e-12
    assert hits / n - 1e-12 <= high <= 1


def test_benjamini_hochberg_matches_hand_calculation():
    adjusted = statistics.benjamini_hochberg([0.01, 0.04, 0.03, 0.5])
    assert adjusted == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=30))
def test_benjamini_hochberg_keeps_order_and_bounds(p_values):
    adjusted = statistics.benjamini_hochberg(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    assert [adjusted[index] for index in order] == sorted(adjusted)


def test_slope_without_covariates_is_the_difference_of_means():
    random = np.random.default_rng(3)
    exposed = (random.random(500) < 0.3).astype(float)
    outcome = (random.random(500) < 0.2 + 0.3 * exposed).astype(float)
    slope = statistics.cluster_slope(outcome, exposed, np.empty((500, 0)), np.arange(500))
    assert slope is not None
    assert slope.value == pytest.approx(outcome[exposed == 1].mean() - outcome[exposed == 0].mean())
    assert slope.low < slope.value < slope.high


def test_slope_removes_a_confounder():
    random = np.random.default_rng(4)
    confounder = (random.random(20_000) < 0.5).astype(float)
    exposed = (random.random(20_000) < 0.2 + 0.5 * confounder).astype(float)
    outcome = (random.random(20_000) < 0.2 + 0.4 * confounder).astype(float)
    crude = statistics.cluster_slope(outcome, exposed, np.empty((20_000, 0)), np.arange(20_000))
    held = statistics.cluster_slope(outcome, exposed, confounder[:, None], np.arange(20_000))
    assert crude is not None and held is not None
    assert crude.low > 0.1
    assert held.low < 0 < held.high


def test_clustered_errors_do_not_count_one_person_many_times():
    random = np.random.default_rng(5)
    people = np.repeat(np.arange(60), 20)
    exposed = np.repeat((np.arange(60) % 2).astype(float), 20)
    outcome = np.repeat((random.random(60) < 0.5).astype(float), 20)
    clustered = statistics.cluster_slope(outcome, exposed, np.empty((1200, 0)), people)
    naive = statistics.cluster_slope(outcome, exposed, np.empty((1200, 0)), np.arange(1200))
    assert clustered is not None and naive is not None
    assert clustered.error > 3 * naive.error


def test_slope_is_none_when_exposure_is_a_covariate_or_people_are_few():
    exposed = np.array([0.0, 1.0] * 50)
    outcome = np.arange(100) % 3 == 0
    assert statistics.cluster_slope(outcome.astype(float), exposed, np.empty((100, 0)), np.arange(100) % 5) is None
    assert statistics.cluster_slope(np.empty(0), np.empty(0), np.empty((0, 0)), np.empty(0, dtype=np.int64)) is None


def test_slope_is_none_when_the_covariates_tell_the_exposure():
    random = np.random.default_rng(8)
    kinds = np.eye(4)[random.integers(0, 4, 400)]
    exposed, outcome = kinds[:, 1] + kinds[:, 3], random.random(400)
    assert statistics.cluster_slope(outcome, exposed, kinds, np.arange(400)) is None
    assert statistics.cluster_slope(outcome, exposed, kinds[:, :1], np.arange(400)) is not None


def test_slope_equals_the_whole_sandwich_of_a_plain_least_squares():
    """Liang and Zeger written out, with every column's scores, on categories of which one repeats the others."""
    random = np.random.default_rng(9)
    n, people = 3000, random.integers(0, 400, 3000)
    kinds = np.column_stack([np.eye(5)[random.integers(0, 5, n)], np.eye(7)[random.integers(0, 7, n)]])
    exposed = (random.random(n) < 0.2 + 0.1 * kinds[:, 0]).astype(float)
    outcome = (random.random(n) < 0.3 + 0.2 * kinds[:, 0] + 0.1 * exposed + 0.2 * (people % 2)).astype(float)
    design = np.column_stack([exposed, np.ones(n), kinds[:, 1:5], kinds[:, 6:]])
    beta, *_ = np.linalg.lstsq(design, outcome, rcond=None)
    residual = outcome - design @ beta
    bread = np.linalg.inv(design.T @ design)
    meat = np.zeros_like(bread)
    for who in np.unique(people):
        score = design[people == who].T @ residual[people == who]
        meat += np.outer(score, score)
    groups = len(np.unique(people))
    factor = groups / (groups - 1) * (n - 1) / (n - design.shape[1])
    clustered = np.sqrt((bread @ meat @ bread)[0, 0] * factor)
    classical = np.sqrt(residual @ residual / (n - design.shape[1]) * bread[0, 0])
    slope = statistics.cluster_slope(outcome, exposed, kinds, people)
    assert slope is not None and slope.clusters == groups
    assert slope.value == pytest.approx(beta[0], rel=1e-9)
    assert slope.error == pytest.approx(max(clustered, classical), rel=1e-9)


@pytest.mark.parametrize(("n", "share", "rate"), [(900, 0.05, 0.12), (240, 0.25, 0.15), (300, 0.3, 0.5)])
def test_small_p_values_are_rare_where_nothing_is_true(n, share, rate):
    """Rare exposures and rare outcomes too; a correction for many tests lives from the small p values being right."""
    random = np.random.default_rng(11)
    values = []
    for _ in range(1500):
        exposed = (random.random(n) < share).astype(float)
        slope = statistics.cluster_slope(
            (random.random(n) < rate).astype(float), exposed, np.eye(4)[random.integers(0, 4, n)], np.arange(n) // 2
        )
        values.append(slope.p_value)
    for level in (0.05, 0.005):
        assert sum(value <= level for value in values) <= binom.ppf(0.99, len(values), level)


def test_collinear_covariates_are_dropped():
    random = np.random.default_rng(6)
    exposed = (random.random(300) < 0.5).astype(float)
    twice = np.column_stack([np.ones(300), random.random(300)])
    twice = np.column_stack([twice, 2 * twice])
    slope = statistics.cluster_slope(random.random(300), exposed, twice, np.arange(300))
    assert slope is not None and np.isfinite(slope.error)
