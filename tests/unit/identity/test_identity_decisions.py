"""People decide: merges and splits hold, contradict nothing silently, and can be taken back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cdp.errors import ConflictError, InputError, NotFoundError
from identity import decisions, review
from identity.decisions import Author


@pytest.fixture
def decided(shop):
    shop.populate(8)
    shop.resolve()
    return shop


@pytest.fixture
def author():
    return Author("reviewer", datetime(2026, 1, 2, tzinfo=UTC), "seen the papers")


def members(shop, key):
    profile = shop.profile(key)
    return sorted(k for k, p in shop.ids().items() if p == profile)


def test_a_merge_holds_and_its_withdrawal_restores_both_ids(decided, author):
    before = decided.ids()
    decision = decisions.merge(decided.connection, before["sales:c000"], before["sales:c003"], author)
    assert decision.kind == "merge"
    assert decided.resolve().events == {"merged": 1}
    assert decided.profile("sales:c000") == decided.profile("sales:c003") == decided.profile("web:u003")
    decisions.withdraw(decided.connection, decision.decision_id)
    assert decided.resolve().events == {"restored": 1}
    assert decided.ids() == before


def test_a_split_freezes_both_sides(decided, author):
    before = decided.ids()
    whole = members(decided, "sales:c003")
    taken = ["support:r003", "web:u003"]
    decision = decisions.split(decided.connection, before["sales:c003"], taken, author)
    decided.resolve()
    assert members(decided, "web:u003") == taken
    assert members(decided, "sales:c003") == [key for key in whole if key not in taken]
    decisions.withdraw(decided.connection, decision.decision_id)
    decided.resolve()
    assert decided.ids() == before


def test_a_contradiction_is_refused_with_its_path(decided, author):
    decisions.link(decided.connection, "always", "sales:c000", "sales:c001", author)
    decisions.link(decided.connection, "always", "sales:c001", "sales:c002", author)
    with pytest.raises(ConflictError) as refused:
        decisions.link(decided.connection, "never", "sales:c000", "sales:c002", author)
    for record in ("sales:c000", "sales:c001", "sales:c002"):
        assert record in refused.value.message
    assert len(decisions.list_decisions(decided.connection)) == 2


def test_a_merge_across_a_never_link_is_refused(decided, author):
    decisions.link(decided.connection, "never", "sales:c000", "web:u003", author)
    with pytest.raises(ConflictError, match="never one person"):
        decisions.merge(decided.connection, "sales:c000", "sales:c003", author)


def test_a_merged_id_still_names_its_profile(decided, author):
    ids = decided.ids()
    decisions.merge(decided.connection, ids["sales:c000"], ids["sales:c003"], author)
    decided.resolve()
    lost = ({ids["sales:c000"], ids["sales:c003"]} - set(decided.ids().values())).pop()
    decision = decisions.merge(decided.connection, lost, ids["sales:c004"], author)
    assert "web:u003" in {record for _, _, record in decision.links}


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda c, a: decisions.merge(c, "nobody", "sales:c000", a), NotFoundError),
        (lambda c, a: decisions.merge(c, "sales:none", "sales:c000", a), NotFoundError),
        (lambda c, a: decisions.merge(c, "sales:c000", "web:u000", a), InputError),
        (lambda c, a: decisions.split(c, "sales:c000", ["sales:c001"], a), InputError),
        (lambda c, a: decisions.split(c, "sales:c000", [], a), InputError),
        (lambda c, a: decisions.link(c, "maybe", "sales:c000", "sales:c001", a), InputError),
        (lambda c, a: decisions.link(c, "never", "sales:c000", "sales:c000", a), InputError),
        (lambda c, a: decisions.withdraw(c, "none"), NotFoundError),
    ],
)
def test_mistakes_are_told_and_change_nothing(decided, author, call, error):
    with pytest.raises(error):
        call(decided.connection, author)
    assert decisions.list_decisions(decided.connection) == []


def test_a_decision_is_withdrawn_once(decided, author):
    decision = decisions.link(decided.connection, "never", "sales:c000", "web:u000", author)
    assert not decisions.withdraw(decided.connection, decision.decision_id).active
    with pytest.raises(ConflictError):
        decisions.withdraw(decided.connection, decision.decision_id)


def test_the_queue_asks_open_questions_and_not_twice(shop, author):
    shop.add("sales", "a", first_name="Vera", last_name="Doppelmann", email="vera@doppelmann.de")
    shop.add("sales", "b", first_name="Vera", last_name="Doppelmann", email="vera@doppelmann.de")
    shop.add("web", "c", first_name="Vera", last_name="Doppelmann", email="vera@doppelmann.de")
    shop.resolve()
    queue = review.review_queue(shop.connection)
    assert queue[0].reason == "refused: one record per source"
    first = queue[0]
    assert not first.joined
    decisions.link(shop.connection, "never", first.record_a, first.record_b, author)
    assert (first.record_a, first.record_b) not in [
        (q.record_a, q.record_b) for q in review.review_queue(shop.connection)
    ]
    assert review.backlog(shop.connection) == len(review.review_queue(shop.connection))
