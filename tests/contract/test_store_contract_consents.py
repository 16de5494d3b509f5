"""The contract of the consent ledger, on every store: entries stay as they are, and a refusal counts at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from cdp.domain.consent import Statement
from cdp.errors import NotFoundError
from cdp.store.base import Redirect, Store
from cdp.store.erasing import SqlEraser
from cdp.store.memory import InMemoryStore
from cdp.store.memory_erasing import InMemoryEraser
from privacy.consent import effective
from privacy.consent.standing import Standing
from tests.support.publications import NOW, profile_id, publish


def said(number: int, state: Any, purpose: str = "marketing", **more: Any) -> Statement:
    return Statement(profile_id(number), purpose, state, NOW, "web form", "test", **more)


def reached(store: Store, key: str = "vip") -> set[int]:
    return {int(one.profile_id[:8], 16) for one in store.memberships(key, exportable=True)}


@pytest.fixture
def shop(store: Store) -> Store:
    publish(store, [1, 2, 3], members={"vip": [1, 2, 3]})
    return store


def test_entries_come_back_as_they_were_written(shop: Store) -> None:
    full = said(
        1, "given", text_version="2026-01", proof="form 12", origin="import", records=(("pos", "9"), ("sales", "c:1"))
    )
    (first,) = shop.consents.write([full], at=NOW)
    (second,) = shop.consents.write([said(2, "objected")], at=NOW)
    assert second.seq > first.seq and first.recorded_at is not None
    assert first == replace(full, seq=first.seq, recorded_at=first.recorded_at)
    assert shop.consents.entries() == [first, second]
    assert shop.consents.entries(after=first.seq) == [second]
    assert shop.consents.entries(limit=1) == [first]
    assert shop.consents.mark() == (second.seq, 2)


@pytest.mark.parametrize(
    ("state", "purpose"), [("withdrawn", "marketing"), ("objected", "marketing"), ("restricted", "*")]
)
def test_a_refusal_is_an_exit_at_once(shop: Store, state: str, purpose: str) -> None:
    later = NOW + timedelta(hours=1)
    shop.consents.write([said(1, state, purpose)], at=later)
    assert reached(shop) == {2, 3} and len(shop.memberships("vip")) == 3
    last = shop.membership_changes()[-1]
    assert (last.profile_id, last.change, last.reason, last.at) == (profile_id(1), "exited", "consent", later)
    (row,) = shop.list_segments()
    assert (row.size, row.exportable) == (3, 2)


def test_a_refusal_of_another_purpose_changes_nothing(shop: Store) -> None:
    shop.consents.write([said(1, "withdrawn", "personalisation")], at=NOW)
    assert reached(shop) == {1, 2, 3}


def test_an_evaluation_that_knows_the_entry_decides_and_an_older_one_does_not(shop: Store) -> None:
    (one,) = shop.consents.write([said(1, "withdrawn")], at=NOW)
    publish(shop, [1, 2, 3], run="run-2", members={"vip": [1, 2, 3]}, consents=one.seq - 1)
    assert reached(shop) == {2, 3} and shop.segmentation.held("marketing") == {profile_id(1)}
    publish(shop, [1, 2, 3], run="run-3", members={"vip": [1, 2, 3]}, consents=one.seq)
    assert reached(shop) == {1, 2, 3} and shop.segmentation.held("marketing") == set()


def test_what_is_given_anew_ends_the_hold_also_of_a_merged_id(shop: Store) -> None:
    shop.consents.write([said(1, "withdrawn")], at=NOW)
    publish(
        shop, [2, 3], run="run-2", members={"vip": [2, 3]}, redirects=[Redirect(profile_id(1), "merged", profile_id(2))]
    )
    assert reached(shop) == {3}
    shop.consents.write([said(2, "given")], at=NOW)
    assert shop.segmentation.held("marketing") == set()
    assert reached(shop) == {3}, "who comes in again is said by the next evaluation"


def test_a_restriction_outlives_a_consent_and_holds_for_every_purpose(shop: Store) -> None:
    shop.consents.write([said(1, "restricted", "*"), said(1, "given")], at=NOW)
    publish(shop, [1, 2], run="run-2", members={"vip": [1, 2]}, purpose="service")
    assert reached(shop) == {2} and shop.segmentation.held("analytics") == {profile_id(1)}
    shop.consents.write([said(1, "lifted", "*")], at=NOW)
    assert shop.segmentation.held("analytics") == set()


def test_a_hold_that_waits_for_its_release_is_not_ended_by_the_ledger(shop: Store) -> None:
    shop.segmentation.withdraw([profile_id(1)], ["marketing"], at=NOW)
    shop.consents.write([said(1, "objected"), said(1, "given")], at=NOW)
    assert shop.segmentation.held("marketing") == {profile_id(1)}


def test_nothing_is_said_about_somebody_who_is_not_there(shop: Store) -> None:
    publish(shop, [1], run="run-2", redirects=[Redirect(profile_id(2), "retired")])
    for number in (2, 9):
        with pytest.raises(NotFoundError, match="no profile with this id"):
            shop.consents.write([said(1, "given"), said(number, "given")], at=NOW)
    assert shop.consents.entries() == []


def test_the_entries_of_the_erased_go_and_their_records_elsewhere(shop: Store) -> None:
    mine, hers = ("sales", "c1"), ("sales", "c2")
    shop.consents.write([said(1, "objected", records=(mine,)), said(2, "given", records=(mine, hers))], at=NOW)
    eraser = InMemoryEraser(shop) if isinstance(shop, InMemoryStore) else SqlEraser(shop.url)
    assert eraser.count([profile_id(1)])["consent_statements"] == 1
    assert eraser.erase([profile_id(1)], None).rows["consent_statements"] == 1
    assert shop.consents.forget(["sales:c1", "sales:unknown"]) == 1
    (left,) = shop.consents.entries()
    assert (left.profile_id, left.records) == (profile_id(2), (hers,))
    assert shop.consents.mark() == (left.seq, 1)


def test_records_that_refusals_stay_with_are_counted(shop: Store) -> None:
    records = (("sales", "c1"), ("sales", "c2"))
    first, _ = shop.consents.write([said(1, "objected", records=records), said(2, "given", records=records)], at=NOW)
    (last,) = shop.consents.write([said(3, "withdrawn", records=records[:1])], at=NOW)
    assert (shop.consents.places(until=first.seq), shop.consents.places(until=last.seq)) == (2, 3)
    shop.consents.forget(["sales:c1"])
    assert shop.consents.places(until=last.seq) == 1


def test_a_server_forgets_records_of_the_erased_with_the_next_snapshot(
    shop: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal of somebody who stays names the erased one's record; no entry goes with it."""
    shop.consents.write([said(1, "objected", records=(("sales", "c1"), ("sales", "c2")))], at=NOW)
    monkeypatch.setattr(effective, "states", lambda *_: pa.table({"profile_id": ["x"], "decided_by": ["ledger"]}))
    standing = Standing(shop)
    with duckdb.connect() as connection:
        standing.install(connection, "one")
        shop.consents.forget(["sales:c1"])
        standing.install(connection, "two")
    assert standing.ledger().places.to_pylist() == [
        {"seq": shop.consents.entries()[0].seq, "source": "sales", "source_record_id": "c2"}
    ]
