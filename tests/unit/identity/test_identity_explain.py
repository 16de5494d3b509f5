"""An explanation adds up, names the way between two records, and shows no values."""

from __future__ import annotations

import json

import pytest

from cdp.errors import NotFoundError
from identity.explain import explain


@pytest.fixture
def resolved(shop):
    shop.populate(8)
    shop.resolve()
    return shop


def test_the_weights_add_up_to_the_edge(resolved):
    told = explain(resolved.connection, "web:u003", "sales:c003")
    stored = resolved.rows("select weight from identity.edges where record_a = 'sales:c003' and record_b = 'web:u003'")
    assert told.weight == pytest.approx(stored[0][0])
    assert told.start_strangers + sum(p.against_strangers + p.rarity for p in told.parts) == pytest.approx(
        told.against_strangers, abs=0.01
    )
    assert {part.field for part in told.parts} == {"given", "family", "email"}
    assert told.profile_a == told.profile_b
    assert [(step.record_a, step.record_b) for step in told.path] == [("web:u003", "sales:c003")]


def test_records_without_an_edge_are_joined_over_others(resolved):
    told = explain(resolved.connection, "web:u003", "support:r003")
    assert told.path
    assert told.path[0].record_a == "web:u003"
    assert told.path[-1].record_b == "support:r003"


def test_housemates_are_told_apart_by_the_household(resolved):
    told = explain(resolved.connection, "sales:c000", "sales:c001")
    assert told.profile_a != told.profile_b
    assert told.probability < 0.5
    assert told.path == []
    assert any("two profiles" in sentence for sentence in told.words)


def test_no_value_of_a_record_is_shown(resolved):
    text = json.dumps(explain(resolved.connection, "sales:c003", "web:u003").to_json()).lower()
    for value in ("dora", "birnbaum", "gmail", "2065551"):
        assert value not in text


def test_unknown_records_are_told(resolved):
    with pytest.raises(NotFoundError):
        explain(resolved.connection, "sales:c003", "sales:none")
