"""The contract of the log of decisions, on every store."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from cdp.domain.decisions import ALWAYS, NEVER, Author, HubEdit, Link, StandingLink
from cdp.errors import ConflictError, NotFoundError
from cdp.store import open_store
from cdp.store.base import Store
from tests.support.publications import NOW

ANNA = Author("anna", NOW, "seen the papers")
TIED = [Link(ALWAYS, "sales:1", "web:1"), Link(ALWAYS, "pos:1", "sales:1")]


def anything(_: Sequence[StandingLink]) -> None:
    """A guard that lets everything pass."""


def ids(store: Store) -> list[str]:
    return [decision.decision_id for decision in store.decisions.listed()]


class TestWriting:
    def test_a_decision_comes_back_as_it_was_written(self, store: Store) -> None:
        written = store.decisions.write("merge", TIED, ANNA, anything)
        assert written.links == (Link(ALWAYS, "pos:1", "sales:1"), Link(ALWAYS, "sales:1", "web:1"))
        assert written.active and written.author == ANNA and written.kind == "merge"
        assert store.decisions.get(written.decision_id) == written
        assert store.decisions.get("no-such") is None

    def test_the_guard_sees_what_holds_and_what_it_refuses_is_not_kept(self, store: Store) -> None:
        first = store.decisions.write("merge", TIED, ANNA, anything)
        second = store.decisions.write("different", [Link(NEVER, "sales:1", "sales:2")], ANNA, anything)
        store.decisions.withdraw(second.decision_id, ANNA)
        seen: list[StandingLink] = []

        def refuse(links: Sequence[StandingLink]) -> None:
            seen.extend(links)
            raise ConflictError("no")

        with pytest.raises(ConflictError, match="no"):
            store.decisions.write("same", [Link(ALWAYS, "a:1", "a:2")], ANNA, refuse)
        assert seen == [StandingLink(first.decision_id, link.kind, link.record_a, link.record_b) for link in
                        first.links]  # fmt: skip
        assert ids(store) == [second.decision_id, first.decision_id]

    def test_the_newest_comes_first_in_pages(self, store: Store) -> None:
        written = [
            store.decisions.write("different", [Link(NEVER, f"a:{n}", f"b:{n}")], Author("x", NOW), anything)
            for n in range(5)
        ]
        store.decisions.withdraw(written[3].decision_id, ANNA)
        page = store.decisions.listed(limit=2)
        assert [decision.decision_id for decision in page] == [written[4].decision_id, written[3].decision_id]
        rest = store.decisions.listed(before=page[-1].seq, limit=10)
        assert rest == [written[2], written[1], written[0]]
        assert written[3].decision_id not in [d.decision_id for d in store.decisions.listed(active_only=True)]

    def test_keys_and_notes_in_any_script(self, store: Store) -> None:
        author = Author("Ünal 李", NOW, "שלום\n'; drop table identity_decisions; --")
        link = Link.between(ALWAYS, "web:é", "web:\U0001f600")
        written = store.decisions.write("same", [link], author, anything)
        assert store.decisions.get(written.decision_id) == replace(written, author=author, links=(link,))


class TestWithdrawing:
    def test_it_is_kept_with_who_and_why_and_holds_no_more(self, store: Store) -> None:
        decision = store.decisions.write("merge", TIED, ANNA, anything)
        later = Author("bert", NOW + timedelta(days=1), "an error")
        withdrawn = store.decisions.withdraw(decision.decision_id, later)
        assert withdrawn == replace(decision, withdrawn=later) == store.decisions.get(decision.decision_id)
        assert not withdrawn.active
        assert store.decisions.rulings().links == ()

    def test_only_once_and_only_what_there_is(self, store: Store) -> None:
        decision = store.decisions.write("merge", TIED, ANNA, anything)
        store.decisions.withdraw(decision.decision_id, ANNA)
        with pytest.raises(ConflictError, match="withdrawn before"):
            store.decisions.withdraw(decision.decision_id, ANNA)
        with pytest.raises(NotFoundError, match="cdp identity decisions"):
            store.decisions.withdraw("no-such", ANNA)


class TestHubs:
    def test_the_last_edit_of_a_value_counts(self, store: Store) -> None:
        for kind, value, action in (
            ("phone", "+1206", "block"), ("email", "info@shop.example", "block"), ("phone", "+1206", "allow"),
            ("email", "info@shop.example", "learn"), ("address", "1 main street", "block"),
        ):  # fmt: skip
            store.decisions.edit_hub(HubEdit(kind, value, action, ANNA))  # type: ignore[arg-type]
        assert store.decisions.rulings().hub_edits == (
            HubEdit("address", "1 main street", "block", ANNA),
            HubEdit("phone", "+1206", "allow", ANNA),
        )


class TestForgetting:
    def test_an_erased_record_leaves_no_trace(self, store: Store) -> None:
        merged = store.decisions.write("merge", TIED, ANNA, anything)
        alone = store.decisions.write("different", [Link(NEVER, "pos:1", "pos:2")], ANNA, anything)
        store.decisions.withdraw(alone.decision_id, ANNA)
        store.decisions.edit_hub(HubEdit("email", "one@shop.example", "allow", ANNA))
        store.decisions.edit_hub(HubEdit("email", "two@shop.example", "allow", ANNA))
        assert store.decisions.forget(["pos:1", "none:1"], ["one@shop.example"]) == 3
        assert ids(store) == [merged.decision_id]
        assert [(link.record_a, link.record_b) for link in store.decisions.rulings().links] == [("sales:1", "web:1")]
        assert [edit.value for edit in store.decisions.rulings().hub_edits] == ["two@shop.example"]
        assert store.decisions.forget([]) == 0


def test_of_many_writers_at_once_the_guard_lets_one_pass(database_url: str) -> None:
    """The guard and the write are one transaction: nobody decides against what another is writing."""

    def only_one(links: Sequence[StandingLink]) -> None:
        if links:
            raise ConflictError("taken")

    def write(_: int) -> bool:
        with open_store(database_url) as store:
            try:
                store.decisions.write("same", [Link(ALWAYS, "a:1", "b:1")], ANNA, only_one)
            except ConflictError as error:
                assert error.message == "taken"
                return False
            return True

    open_store(database_url).close()
    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(write, range(6))) == 1
