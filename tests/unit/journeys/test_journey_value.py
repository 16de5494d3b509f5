from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cdp.errors import InputError
from journeys.scope import Scope
from journeys.value import bgnbd, gamma_gamma, lifetime, uncertainty

NOW = datetime(2026, 1, 1, tzinfo=UTC)


SETS = Path(__file__).resolve().parents[3] / ".venv" / "public-data"
CDNOW = "lib/python3*/site-packages/lifetimes/datasets/cdnow_customers_summary_with_transactions.csv"


@pytest.fixture(scope="module")
def cdnow():
    """The CDNOW summary of 2,357 customers, in weeks; it travels with the `lifetimes` wheel (read, never imported)."""
    found = next(SETS.glob(CDNOW), None)
    if found is None:
        pytest.skip("the public data sets are not installed here (make public-data)")
    return pd.read_csv(found).rename(columns={"x": "frequency", "t_x": "recency", "zbar": "monetary_value"})


def columns(frame, *names):
    return tuple(frame[name].to_numpy(dtype=np.float64) for name in names)


def test_bgnbd_fits_the_published_parameters(cdnow):
    model = bgnbd.fit(*columns(cdnow, "frequency", "recency", "T"))
    assert (model.r, model.alpha, model.a, model.b) == pytest.approx((0.2426, 4.4135, 0.7929, 2.4258), rel=2e-3)


def test_gamma_gamma_fits_the_published_parameters(cdnow):
    returning = cdnow[cdnow["frequency"] > 0]
    model = gamma_gamma.fit(*columns(returning, "frequency", "monetary_value"))
    assert len(returning) == 946
    assert (model.p, model.q, model.v) == pytest.approx((6.25, 3.74, 15.45), rel=3e-3)


def test_expected_purchases_match_the_published_example():
    model = bgnbd.BgNbd(0.243, 4.414, 0.793, 2.426)
    one = model.expected_purchases(39.0, np.array([2.0]), np.array([30.43]), np.array([38.86]))
    assert one[0] == pytest.approx(1.226, abs=2e-3)


def simulate(r, alpha, a, b, people, seed):
    """Customers of the model's own story: gamma rates, a coin after every purchase."""
    random = np.random.default_rng(seed)
    age = random.uniform(20, 80, people)
    rate, quits = random.gamma(r, 1 / alpha, people), random.beta(a, b, people)
    frequency, recency = np.zeros(people), np.zeros(people)
    for who in range(people):
        time = 0.0
        while True:
            time += random.exponential(1 / rate[who])
            if time > age[who]:
                break
            frequency[who] += 1
            recency[who] = time
            if random.random() < quits[who]:
                break
    return frequency, recency, age


def test_bgnbd_recovers_what_it_was_simulated_with():
    model = bgnbd.fit(*simulate(0.8, 6.0, 0.7, 2.5, 6000, 1))
    assert model.r == pytest.approx(0.8, rel=0.15)
    assert model.alpha == pytest.approx(6.0, rel=0.2)
    assert model.a / (model.a + model.b) == pytest.approx(0.7 / 3.2, rel=0.2)


def test_gamma_gamma_recovers_what_it_was_simulated_with():
    random = np.random.default_rng(2)
    frequency = 1.0 + random.poisson(2, 6000)
    rate = random.gamma(4.0, 1 / 15.0, 6000)
    mean = random.gamma(6.0 * frequency) / (rate * frequency)
    model = gamma_gamma.fit(frequency, mean)
    assert model.p * model.v / (model.q - 1) == pytest.approx(6.0 * 15.0 / 3.0, rel=0.1)


def test_time_unit_does_not_matter():
    frequency, recency, age = simulate(0.8, 6.0, 0.7, 2.5, 1500, 3)
    weeks, days = bgnbd.fit(frequency, recency, age), bgnbd.fit(frequency, recency * 7, age * 7)
    assert days.alpha == pytest.approx(weeks.alpha * 7, rel=1e-3)
    assert days.r == pytest.approx(weeks.r, rel=1e-3)


def test_the_longer_silent_the_less_alive():
    model = bgnbd.BgNbd(0.243, 4.414, 0.793, 2.426)
    alive = model.alive(np.full(3, 5.0), np.array([35.0, 20.0, 5.0]), np.full(3, 38.0))
    assert alive[0] > alive[1] > alive[2] > 0
    assert model.alive(np.zeros(1), np.zeros(1), np.full(1, 38.0))[0] == 1


def test_value_over_the_marts(world):
    summary, customers = lifetime.estimate(world, Scope(until=NOW), horizon_days=180)
    buyers = world.execute("select count(distinct profile_id) from marts.purchases").fetchone()[0]
    assert summary.customers.value == buyers == len(customers)
    assert customers["alive"].between(0, 1).all()
    assert (customers["lifetime_value"] >= 0).all()
    assert summary.expected_revenue.value == pytest.approx(customers["lifetime_value"].sum())
    for measure in (summary.alive, summary.expected_purchases, summary.expected_revenue, summary.mean_value):
        assert measure.low < measure.value < measure.high and measure.n == buyers
    assert summary.mean_value.high == pytest.approx(summary.expected_revenue.high / buyers)


def test_intervals_shrink_with_more_customers(make_world):
    def width(people):
        summary, _ = lifetime.estimate(make_world(4, people=people), Scope(until=NOW))
        return (summary.mean_value.high - summary.mean_value.low) / summary.mean_value.value

    assert width(1200) < width(150)


def test_draws_have_the_spread_of_the_likelihood():
    """A normal loss with known curvature: the draws must have its standard deviations and correlation."""
    precision = np.array([[4.0, 1.0], [1.0, 2.0]])
    centre = np.array([0.3, -0.2])

    def loss(at):
        return 0.5 * float((at - centre) @ precision @ (at - centre))

    drawn = uncertainty.draws(loss, centre, rounds=20_000)
    assert np.cov(drawn.T) == pytest.approx(np.linalg.inv(precision), abs=0.02)
    flat = uncertainty.draws(lambda at: 50 * float(at[0] ** 2), centre, rounds=20_000)
    assert flat.std(axis=0) == pytest.approx([0.1, 0.1**-0.5], rel=0.05)
    assert uncertainty.draws(lambda at: float("inf"), centre) is None


def test_too_few_customers_are_said_not_guessed(make_world):
    with pytest.raises(InputError, match="bought again"):
        lifetime.estimate(make_world(3, people=8), Scope(until=NOW))
    with pytest.raises(InputError, match="none here"):
        bgnbd.fit(np.zeros(5), np.zeros(5), np.ones(5))
