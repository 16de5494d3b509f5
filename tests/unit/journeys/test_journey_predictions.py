"""Predictions against worlds whose hazards are known, and their words and tables on small journeys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pytest

from journeys.predictions import checks, drivers, landmarks
from journeys.predictions.covariates import COVARIATES
from journeys.predictions.estimate import estimate
from journeys.predictions.hazards import HORIZON_DAYS, learn, outcomes, predict
from journeys.predictions.landmarks import KINDS, Rows

STAGES = ("start", "goal", "gone")
FORWARD, BACK, LAPSE, RESTART = range(4)
PURCHASES = next(index for index, one in enumerate(COVARIATES) if one.key == "purchases")
TICKETS = next(index for index, one in enumerate(COVARIATES) if one.key == "tickets")


def simulated(seed: int, people: int = 4000, effect: float = 0.8) -> tuple[Rows, np.ndarray]:
    """People in one stage with constant daily hazards of going forward and of lapsing; a ticket multiplies the latter.

    One row a person, at a landmark 90 to 180 days ago; returns the rows and each one's true chance of lapsing in time.
    """
    random = np.random.default_rng(seed)
    tickets = random.integers(0, 3, people).astype(float)
    forward = np.full(people, 0.004)
    lapse = 0.003 * np.exp(effect * tickets)
    wait = random.exponential(1 / (forward + lapse))
    lapses = random.random(people) < lapse / (forward + lapse)
    x = np.zeros((people, len(COVARIATES)))
    x[:, TICKETS] = tickets
    x[:, PURCHASES] = random.integers(0, 5, people)
    age = random.choice([90, 120, 150, 180], people)
    happened = wait <= age
    rows = Rows(
        stages=STAGES,
        age=age.astype(np.int64),
        stage=np.zeros(people, dtype=np.int64),
        band=random.integers(0, 6, people),
        silence=random.uniform(0, 60, people),
        x=x,
        days_left=np.where(happened, wait, np.inf),
        kind=np.where(happened, np.where(lapses, LAPSE, FORWARD), -1),
        target=np.where(happened, np.where(lapses, 2, 1), -1),
        person=np.arange(people),
        touched=np.ones(people, dtype=bool),
        profile_id=np.array([f"p{n}" for n in range(people)], dtype=object),
    )
    total = forward + lapse
    return rows, lapse / total * (1 - np.exp(-total * HORIZON_DAYS))


def test_known_hazards_are_found_again() -> None:
    rows, truth = simulated(1)
    model = learn(rows)
    lapse, forward = model.causes[LAPSE], model.causes[FORWARD]
    ratios = dict(zip((COVARIATES[index].key for index in lapse.used), np.exp(lapse.coefficients), strict=True))
    assert ratios["tickets"] == pytest.approx(np.exp(0.8), rel=0.1)
    assert ratios["purchases"] == pytest.approx(1.0, abs=0.12), "what has no effect gets none"
    others = dict(zip((COVARIATES[index].key for index in forward.used), np.exp(forward.coefficients), strict=True))
    assert others["tickets"] == pytest.approx(1.0, abs=0.15), "an effect on one move is not one on another"
    predicted = predict(model, rows).at_horizon()[:, LAPSE]
    assert np.abs(predicted - truth).mean() < 0.025
    assert predicted.mean() == pytest.approx(truth.mean(), abs=0.015)


def test_probabilities_of_all_moves_and_of_staying_sum_to_one() -> None:
    rows, _ = simulated(2, people=800)
    found = predict(learn(rows), rows)
    total = found.at_horizon().sum(axis=1) + found.stay
    assert np.allclose(total, 1.0)
    assert (np.diff(found.incidence, axis=2) >= -1e-12).all(), "probability only grows with time"


def test_competing_moves_are_not_taken_for_censoring() -> None:
    """Counting people who went forward as lost would overstate the risk of lapsing (1 - Kaplan-Meier)."""
    rows, _ = simulated(3, people=4000, effect=0.0)
    day, kind = outcomes(rows, 0)
    naive = 1 - np.exp(-(kind == LAPSE).sum() / day.sum() * HORIZON_DAYS)
    predicted = predict(learn(rows), rows).at_horizon()[:, LAPSE].mean()
    assert predicted < naive - 0.02
    assert predicted == pytest.approx((kind == LAPSE).mean(), abs=0.01)


def test_predictions_made_at_a_cut_come_true() -> None:
    """Calibration on people whom the model has not seen, from a world without drift."""
    seen, _ = simulated(4)
    unseen, _ = simulated(5)
    rows = _joined(replace(seen, age=seen.age + 90), replace(unseen, age=np.full(len(unseen), 90)))
    _, found = checks.time_split(rows)
    whole = {(c.kind, c.stage): c for c in found if c.tenth == 0}
    lapse = whole["lapse", "all"]
    assert lapse.n == len(unseen)
    assert lapse.low <= lapse.predicted <= lapse.high
    assert lapse.calibration_error is not None and lapse.chance_error is not None
    assert lapse.calibration_error < 3 * lapse.chance_error
    assert lapse.concordance is not None and lapse.concordance > 0.6
    assert lapse.brier is not None and lapse.brier_base is not None and lapse.brier < lapse.brier_base
    tenths = [c for c in found if (c.kind, c.stage) == ("lapse", "all") and c.tenth]
    assert [c.tenth for c in tenths] == list(range(1, 11))
    assert sum(c.n for c in tenths) == lapse.n


def test_a_wrong_model_is_found_out() -> None:
    """The check must be able to fail: predictions for a world where people lapse three times as fast are off."""
    seen, _ = simulated(6)
    unseen, _ = simulated(7, effect=0.0)
    rows = _joined(replace(seen, age=seen.age + 90), replace(unseen, age=np.full(len(unseen), 90)))
    _, found = checks.time_split(rows)
    lapse = next(c for c in found if (c.kind, c.stage, c.tenth) == ("lapse", "all", 0))
    assert lapse.predicted > lapse.high
    assert lapse.calibration_error is not None and lapse.chance_error is not None
    assert lapse.calibration_error > 3 * lapse.chance_error


def test_nothing_of_the_future_is_learnt() -> None:
    rows, _ = simulated(8, people=600)
    until = 100
    day, _ = outcomes(rows, until)
    assert (day <= np.maximum(rows.age - until, 0)).all()
    changed = replace(rows, kind=np.where(rows.days_left > rows.age - until, BACK, rows.kind))
    before, after = learn(rows, until), learn(changed, until)
    for one, other in zip(before.causes, after.causes, strict=True):
        assert np.array_equal(one.baseline, other.baseline) and np.array_equal(one.coefficients, other.coefficients)


def test_few_people_or_none_give_no_prediction() -> None:
    rows, _ = simulated(9, people=20)
    found = predict(learn(rows), rows)
    assert np.isnan(found.at_horizon()).all() and np.isnan(found.stay).all()
    nobody = rows.where(np.zeros(20, dtype=bool))
    model = learn(nobody)
    assert predict(model, nobody).stay.shape == (0,)
    assert checks.time_split(nobody)[1] == []


def test_few_events_use_few_covariates() -> None:
    rows, _ = simulated(10, people=300)
    rare = np.cumsum(rows.kind == LAPSE) <= 15
    model = learn(rows.where((rows.kind != LAPSE) | rare))
    assert len(model.causes[LAPSE].used) == 1


def test_neighbouring_bands_are_joined_until_they_hold_enough() -> None:
    rows, _ = simulated(11, people=100)
    model = learn(replace(rows, band=np.minimum(rows.band, 5)))
    groups = model.groups[0][:6]
    counts = np.bincount(groups[rows.band])
    assert (counts >= 30).all() and (np.diff(groups) >= 0).all()


def test_drivers_name_what_raises_and_lowers_the_risk() -> None:
    rows, _ = simulated(12)
    model = learn(rows)
    found = drivers.contributions(model, model.causes[LAPSE], rows, rows)
    told = drivers.told(found, rows, np.array([60, 60, 0])).to_pylist()
    worst = int(np.argmax(rows.x[:, TICKETS]))
    by_key = {one["driver"]: one for one in told[worst]}
    assert by_key["tickets"]["effect"] == "raises" and by_key["tickets"]["factor"] > 1.5
    assert by_key["tickets"]["words"] == "2 support tickets in the last 180 days"
    spared = int(np.argmin(rows.x[:, TICKETS]))
    lowered = {one["driver"]: one for one in told[spared]}["tickets"]
    assert lowered["effect"] == "lowers" and lowered["words"].startswith("no support ticket")
    assert all(len(one) <= drivers.MOST_DRIVERS for one in told)


def _joined(left: Rows, right: Rows) -> Rows:
    fields = {
        name: np.concatenate([getattr(left, name), getattr(right, name)])
        for name in ("age", "stage", "band", "silence", "x", "days_left", "kind", "target", "touched", "profile_id")
    }
    return Rows(stages=STAGES, person=np.arange(len(left) + len(right)), **fields)


World = Callable[..., duckdb.DuckDBPyConnection]


@pytest.fixture(scope="module")
def make(make_world: World) -> World:
    """Small journeys with the column that says what is a sign of life."""

    def made(people: int) -> duckdb.DuckDBPyConnection:
        connection = make_world(3, people=people)
        connection.execute("alter table marts.touchpoints add column if not exists is_activity boolean default true")
        return connection

    return made


class TestTables:
    """The tables on journeys in a database."""

    @pytest.fixture(scope="class")
    def predicted(self, make: World, as_of: datetime) -> duckdb.DuckDBPyConnection:
        connection = make(500)
        report = estimate(connection, as_of)
        assert report.learnt and report.profiles == 500
        return connection

    def test_everybody_has_one_row_that_adds_up_or_a_reason(self, predicted: duckdb.DuckDBPyConnection) -> None:
        rows = predicted.execute("""
            select
                count(*), count(distinct profile_id),
                count(*) filter ((stay_probability is null) <> (reason is not null)),
                max(abs(stay_probability + coalesce(forward_probability, 0) + coalesce(back_probability, 0)
                    + coalesce(restart_probability, 0) + coalesce(lapse_risk, 0) - 1)),
                count(*) filter (stage = 'lapsed' and lapse_risk is not null)
            from marts.predictions
        """).fetchall()[0]
        assert rows[:3] == (500, 500, 0)
        assert rows[3] < 0.001
        assert rows[4] == 0, "who has lapsed cannot lapse"

    def test_same_inputs_are_not_learnt_again_unless_asked(
        self, predicted: duckdb.DuckDBPyConnection, as_of: datetime
    ) -> None:
        before = predicted.execute("select * from marts.predictions order by all").fetchall()
        assert estimate(predicted, as_of).learnt is False
        assert estimate(predicted, as_of, anew=True).learnt is True
        assert predicted.execute("select * from marts.predictions order by all").fetchall() == before
        assert estimate(predicted, as_of + timedelta(days=1)).learnt is True

    def test_the_ids_of_people_do_not_matter(
        self, make: World, predicted: duckdb.DuckDBPyConnection, as_of: datetime
    ) -> None:
        estimate(predicted, as_of)
        renamed = make(500)
        tables = ("profiles", "touchpoints", "purchases", "tickets", "stage_episodes")
        for table in tables:
            renamed.execute(f"update marts.{table} set profile_id = md5(profile_id)")
        estimate(renamed, as_of)
        sql = "select {id}, * exclude (profile_id) from marts.predictions order by all"
        assert (
            renamed.execute(sql.format(id="profile_id")).fetchall()
            == predicted.execute(sql.format(id="md5(profile_id)")).fetchall()
        )

    def test_an_empty_snapshot_gives_empty_tables(self, make: World, as_of: datetime) -> None:
        empty = make(60)
        for table in ("profiles", "touchpoints", "purchases", "tickets", "stage_episodes"):
            empty.execute(f"delete from marts.{table}")
        report = estimate(empty, as_of)
        assert (report.profiles, report.predicted, report.calibration_error) == (0, 0, None)
        assert empty.execute("select count(*) from marts.predictions").fetchall() == [(0,)]
        assert "Too little history" in empty.execute("select reason from marts.prediction_runs").fetchall()[0][0]

    def test_a_young_shop_gets_reasons(self, make: World, as_of: datetime) -> None:
        young = make(60)
        report = estimate(young, datetime(2024, 1, 20, tzinfo=as_of.tzinfo))
        assert report.predicted == 0
        reasons = young.execute("select distinct reason from marts.predictions where reason is not null").fetchall()
        assert reasons and all(reason.endswith(".") for (reason,) in reasons)

    def test_a_landmark_knows_nothing_of_what_came_after(self, make: World, as_of: datetime) -> None:
        world = make(120)
        whole = landmarks.past(world, as_of, 120)
        cut = as_of - timedelta(days=180)
        then = landmarks.present(world, cut)
        seen = whole.where(whole.age == 180)
        order, other = np.argsort(then.profile_id), np.argsort(seen.profile_id)
        known = [index for index, one in enumerate(COVARIATES) if one.key not in ("slow_tickets", "ratings")]
        assert list(then.profile_id[order]) == list(seen.profile_id[other])
        assert np.array_equal(then.x[order][:, known], seen.x[other][:, known])
        assert np.array_equal(then.band[order], seen.band[other])


def test_kinds_are_those_of_the_episodes() -> None:
    assert set(KINDS) == {"forward", "back", "lapse", "restart"}
