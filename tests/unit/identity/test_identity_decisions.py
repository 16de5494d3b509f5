"""People decide: merges and splits hold, contradict nothing silently, and can be taken back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cdp.domain.decisions import NEVER, Author
from cdp.errors import ConflictError, InputError, NotFoundError
from identity import decisions

AUTHOR = Author("reviewer", datetime(2026, 1, 2, tzinfo=UTC), "seen the papers")


@pytest.fixture
def decided(shop):
    shop.populate(8)
    shop.resolve()
    return shop


def merge(shop, a, b, author=AUTHOR):
    return decisions.merge(shop.log, shop.connection, a, b, author)


def split(shop, profile, records):
    return decisions.split(shop.log, shop.connection, profile, records, AUTHOR)


def answer(shop, a, b, same):
    return decisions.answer(shop.log, shop.connection, a, b, same=same, author=AUTHOR)


def withdraw(shop, decision):
    return decisions.withdraw(shop.log, decision.decision_id, AUTHOR)


def members(shop, key):
    profile = shop.profile(key)
    return sorted(k for k, p in shop.ids().items() if p == profile)


def test_a_merge_holds_and_its_withdrawal_restores_both_ids(decided):
    before = decided.ids()
    decision = merge(decided, before["sales:c000"], before["sales:c003"])
    assert decision.kind == "merge"
    assert decided.ids() == before, "a decision is carried out by a run"
    report = decided.resolve()
    assert report.events == {"merged": 1}
    assert decided.profile("sales:c000") == decided.profile("sales:c003") == decided.profile("web:u003")
    withdraw(decided, decision)
    assert decided.resolve().events == {"restored": 1}
    assert decided.ids() == before


def test_only_the_touched_people_are_clustered_again(shop):
    shop.populate(40)
    shop.resolve()
    decision = merge(shop, "sales:c000", "sales:c013")
    concerned = len({record for link in decision.links for record in (link.record_a, link.record_b)})
    report = shop.resolve()
    assert (report.arrived, report.pairs) == (0, 0)
    assert concerned <= report.reclustered <= concerned + 4
    assert not shop.resolve().changed


def test_a_split_freezes_both_sides(decided):
    before = decided.ids()
    whole = members(decided, "sales:c003")
    taken = ["support:r003", "web:u003"]
    decision = split(decided, before["sales:c003"], taken)
    decided.resolve()
    assert members(decided, "web:u003") == taken
    assert members(decided, "sales:c003") == [key for key in whole if key not in taken]
    withdraw(decided, decision)
    decided.resolve()
    assert decided.ids() == before


def test_decisions_hold_when_everything_is_resolved_anew(decided):
    merge(decided, "sales:c000", "sales:c003")
    split(decided, "sales:c005", ["web:u005"])
    decided.resolve()
    ids = decided.ids()
    assert decided.resolve(rebuild=True).events == {}
    assert decided.ids() == ids
    decided.resolve(renew_model=True)
    assert decided.profile("sales:c000") == decided.profile("sales:c003")
    assert decided.profile("sales:c005") != decided.profile("web:u005")


def test_a_merge_survives_the_loss_of_its_first_records(decided):
    """No evidence ties the two: what holds the survivors together is the decision."""
    one, other = members(decided, "sales:c000"), members(decided, "sales:c003")
    merge(decided, "sales:c000", "sales:c003")
    decided.resolve()
    for gone in (one[0], other[0]):
        decided.remove(gone)
        decided.resolve()
        left = ({*one, *other}) & set(decided.ids())
        assert len(left) > 1
        assert len({decided.profile(record) for record in left}) == 1


def test_a_contradiction_is_refused_with_its_path(decided):
    first = answer(decided, "sales:c000", "sales:c001", same=True)
    answer(decided, "sales:c001", "sales:c002", same=True)
    with pytest.raises(ConflictError) as refused:
        answer(decided, "sales:c000", "sales:c002", same=False)
    for named in ("sales:c000", "sales:c001", "sales:c002", first.decision_id, "Withdraw"):
        assert named in refused.value.message
    assert len(decided.log.listed()) == 2
    withdraw(decided, first)
    assert answer(decided, "sales:c000", "sales:c002", same=False).active


def test_a_merge_across_a_never_link_is_refused(decided):
    answer(decided, "sales:c000", "web:u003", same=False)
    with pytest.raises(ConflictError, match="never one person"):
        merge(decided, "sales:c000", "sales:c003")


def test_a_split_of_what_people_merged_is_refused(decided):
    merge(decided, "sales:c000", "sales:c003")
    decided.resolve()
    with pytest.raises(ConflictError, match="Withdraw one of them first"):
        split(decided, "sales:c000", ["sales:c003"])


def test_what_is_decided_already_is_told(decided):
    merged = merge(decided, "sales:c000", "sales:c003")
    with pytest.raises(ConflictError, match=f"decided already .{merged.decision_id}"):
        merge(decided, "sales:c003", "sales:c000")
    with pytest.raises(ConflictError, match="decided already"):
        answer(decided, "web:u003", "web:u000", same=True)
    apart = answer(decided, "sales:c000", "sales:c005", same=False)
    with pytest.raises(ConflictError, match=f"decided already .{apart.decision_id}"):
        answer(decided, "web:u003", "sales:c005", same=False)


def test_a_merged_id_still_names_its_profile(decided):
    ids = decided.ids()
    merge(decided, ids["sales:c000"], ids["sales:c003"])
    decided.resolve()
    lost = ({ids["sales:c000"], ids["sales:c003"]} - set(decided.ids().values())).pop()
    decision = merge(decided, lost, ids["sales:c004"])
    assert "web:u003" in {link.record_b for link in decision.links}


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda s: merge(s, "nobody", "sales:c000"), NotFoundError),
        (lambda s: merge(s, "sales:none", "sales:c000"), NotFoundError),
        (lambda s: merge(s, "sales:c000", "web:u000"), InputError),
        (lambda s: split(s, "sales:c000", ["sales:c001"]), InputError),
        (lambda s: split(s, "sales:c000", []), InputError),
        (lambda s: split(s, "sales:c003", ["sales:c003", "web:u003", "support:r003", "pos:p003"]), InputError),
        (lambda s: answer(s, "sales:c000", "sales:none", same=True), NotFoundError),
        (lambda s: answer(s, "sales:c000", "sales:c000", same=False), InputError),
        (lambda s: decisions.withdraw(s.log, "none", AUTHOR), NotFoundError),
        (lambda s: merge(s, "sales:c000", "sales:c003", Author(" ", AUTHOR.at)), InputError),
        (lambda s: merge(s, "sales:c000", "sales:c003", Author("x", AUTHOR.at, "n" * 2001)), InputError),
    ],
)  # fmt: skip
def test_mistakes_are_told_and_change_nothing(decided, call, error):
    with pytest.raises(error):
        call(decided)
    assert decided.log.listed() == []


def test_a_decision_is_withdrawn_once(decided):
    decision = answer(decided, "sales:c000", "web:u000", same=False)
    assert decision.links[0].kind == NEVER
    assert not withdraw(decided, decision).active
    with pytest.raises(ConflictError):
        withdraw(decided, decision)


def test_a_never_link_of_a_person_survives_a_bridge_and_its_withdrawal_restores_the_id(decided):
    before = decided.ids()
    decision = answer(decided, "sales:c001", "web:u001", same=False)
    decided.resolve()
    apart = decided.profile("sales:c001"), decided.profile("web:u001")
    assert apart[0] != apart[1]
    bridge = decided.add(
        "pos", "bridge", first_name="Berta", last_name="Abendroth", email="berta.abendroth1@gmail.com",
        phone="2065551037",
    )  # fmt: skip
    decided.resolve()
    assert (decided.profile("sales:c001"), decided.profile("web:u001")) == apart
    withdraw(decided, decision)
    decided.resolve()
    assert decided.profile("sales:c001") == decided.profile("web:u001") == before["sales:c001"]
    assert decided.profile(bridge) == before["sales:c001"]


def test_a_note_names_nobody(decided):
    with pytest.raises(InputError, match="by their records"):
        merge(decided, "sales:c000", "sales:c003", Author("reviewer", AUTHOR.at, "as anna.lee@example.org wrote"))
    assert decided.log.listed() == []
