"""An explanation adds up, names the way between two records, and shows no values."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from cdp.domain.decisions import Author, StandingLink
from cdp.errors import InputError, NotFoundError
from identity import decisions
from identity.explain import explain, side_by_side
from identity.waterfall import draw

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def resolved(shop):
    shop.populate(8)
    shop.resolve()
    return shop


def test_the_weights_add_up_to_the_edge(resolved):
    told = explain(resolved.connection, (), "web:u003", "sales:c003")
    stored = resolved.rows("select weight from identity.edges where record_a = 'sales:c003' and record_b = 'web:u003'")
    assert told.weight == pytest.approx(stored[0][0])
    assert told.start_strangers + sum(p.against_strangers + p.rarity for p in told.parts) == pytest.approx(
        told.against_strangers, abs=0.01
    )
    assert {part.field for part in told.parts} == {"given", "family", "email"}
    assert told.profile_a == told.profile_b
    assert [(step.record_a, step.record_b) for step in told.path] == [("web:u003", "sales:c003")]


def test_records_without_an_edge_are_joined_over_others(resolved):
    told = explain(resolved.connection, (), "web:u003", "support:r003")
    assert told.path
    assert told.path[0].record_a == "web:u003"
    assert told.path[-1].record_b == "support:r003"


def test_housemates_are_told_apart_by_the_household(resolved):
    told = explain(resolved.connection, (), "sales:c000", "sales:c001")
    assert told.profile_a != told.profile_b
    assert told.probability < 0.5
    assert told.path == []
    assert any("two profiles" in sentence for sentence in told.words)


def test_no_value_of_a_record_is_shown(resolved):
    text = json.dumps(explain(resolved.connection, (), "sales:c003", "web:u003").to_json()).lower()
    for value in ("dora", "birnbaum", "gmail", "2065551"):
        assert value not in text


def test_values_are_shown_on_request_side_by_side(resolved):
    shown = {
        compared.field: (compared.a, compared.b)
        for compared in side_by_side(resolved.connection, "web:u003", "pos:p003")
    }
    assert shown["given"] == ("dora", "dora") and shown["family"] == ("birnbaum", "birnbaum")
    assert shown["email"] == ("dorabirnbaum3@gmail.com", None) and shown["postcode"] == (None, "98101")
    assert "phone" not in shown


def test_decisions_between_the_profiles_are_told_with_when_they_count(resolved):
    author = Author("reviewer", NOW)
    decision = decisions.answer(resolved.log, resolved.connection, "sales:c003", "pos:p003", same=False, author=author)
    standing = resolved.log.rulings().links
    elsewhere = StandingLink("other", "never", "sales:c000", "sales:c001")

    def effective(links):
        told = explain(resolved.connection, links, "sales:c003", "pos:p003")
        return [(ruling.decision_id, ruling.effective) for ruling in told.decisions]

    assert effective((*standing, elsewhere)) == [(decision.decision_id, "next run")]
    resolved.resolve()
    assert effective(standing) == [(decision.decision_id, "now")]
    told = explain(resolved.connection, standing, "sales:c003", "pos:p003")
    assert told.path == [] and any("never one person" in sentence for sentence in told.words)
    assert [(r.reason, {r.record_a, r.record_b}) for r in told.refusals if r.reason == "never-link"]
    assert effective(()) == [(decision.decision_id, "until the next run")]


def test_a_decision_is_a_step_of_the_way(resolved):
    author = Author("reviewer", NOW)
    decision = decisions.answer(resolved.log, resolved.connection, "sales:c000", "sales:c003", same=True, author=author)
    resolved.resolve()
    told = explain(resolved.connection, resolved.log.rulings().links, "sales:c000", "sales:c003")
    assert [step.by for step in told.path] == [f"decision {decision.decision_id}"]


def test_unknown_records_are_told(resolved):
    with pytest.raises(NotFoundError):
        explain(resolved.connection, (), "sales:c003", "sales:none")
    with pytest.raises(NotFoundError):
        side_by_side(resolved.connection, "sales:none", "sales:c003")
    with pytest.raises(InputError):
        explain(resolved.connection, (), "sales:c003", "sales:c003")


def test_a_snapshot_of_an_older_version_is_told(resolved):
    resolved.connection.execute("drop table identity.state_features")
    with pytest.raises(NotFoundError, match="cdp run"):
        explain(resolved.connection, (), "sales:c003", "web:u003")


def test_the_waterfall_is_a_picture_of_the_weights_without_values(resolved):
    told = explain(resolved.connection, (), "sales:c003", "web:u003")
    svg = draw(told)
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    for part in told.parts:
        assert part.field in svg
    assert f"{told.weight:+.1f}" in svg
    for value in ("dora", "birnbaum", "gmail", "2065551"):
        assert value not in svg.lower()
