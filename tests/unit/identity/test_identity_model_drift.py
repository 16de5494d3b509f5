"""Models are kept, renewed by decision only, and their drift is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from identity import model_drift, model_store
from identity.model import Shares, prior_model


@pytest.fixture
def model():
    return prior_model(500, (), {"email": 200}, {})


def test_equal_models_do_not_drift(model):
    drift = model_drift.between(model, model)
    assert drift.largest_move == 0
    assert len(drift.levels) == sum(len(comparison.levels) for comparison in model.comparisons())


def test_the_most_moved_level_comes_first(model):
    shares = model.shares["birth"]
    m = (shares.m[0] / 8, *shares.m[1:-1], shares.m[-1] + shares.m[0] * 7 / 8)
    moved = replace(model, shares={**model.shares, "birth": Shares(m, shares.u, shares.h)}, records=900)
    drift = model_drift.between(model, moved)
    assert drift.levels[0].field == "birth"
    halved = next(level for level in drift.levels if level.level == "same birth date")
    assert halved.strangers_after - halved.strangers_before == pytest.approx(-3, abs=0.01)
    assert halved.home_after - halved.home_before == pytest.approx(-3, abs=0.01)
    assert (drift.records_before, drift.records_after) == (500, 900)
    assert all(level.moved < 0.01 for level in drift.levels if level.field != "birth")
    json.dumps(drift.to_json())


def test_a_renewed_model_keeps_the_old_one_and_the_ids(shop):
    shop.populate(20)
    first = shop.resolve()
    before = shop.ids()
    assert model_drift.latest(shop.connection) is None
    shop.add("pos", "x", first_name="Tilda", last_name="Tannhauser")
    assert shop.resolve().model_version == first.model_version, "new records alone make no new model"
    report = shop.resolve(renew_model=True)
    assert report.model_version != first.model_version
    assert {key: profile for key, profile in shop.ids().items() if key in before} == before
    kept = model_drift.kept(shop.connection)
    assert [model["active"] for model in kept] == [True, False]
    assert {model["version"] for model in kept} == {first.model_version, report.model_version}
    drift = model_drift.latest(shop.connection)
    assert (drift.before, drift.after) == (first.model_version, report.model_version)
    assert report.model_moved == drift.largest_move
    assert model_store.active(shop.connection).version == report.model_version
