"""The contract of corrections, on every store: the last one counts, nothing is changed, the erased are forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cdp.domain.corrections import Correction, Place
from cdp.errors import ConflictError, NotFoundError
from cdp.store.base import Redirect, Store
from cdp.store.erasing import SqlEraser
from cdp.store.memory import InMemoryStore
from cdp.store.memory_erasing import InMemoryEraser
from tests.support.publications import profile_id, publish

MAIL = Place("pos", "L:1", "email", "right@marked.org")
PHONE = Place("sales", "1", "phone", None)


def correction(number: int, *places: Place) -> Correction:
    return Correction(profile_id(number), places, "tester")


@pytest.fixture
def shop(store: Store) -> Store:
    publish(store, [1, 2, 3])
    return store


def test_a_correction_comes_back_as_it_was_written(shop: Store) -> None:
    wanted = replace(correction(1, PHONE, MAIL), lasts="until_changed", request="rc-1")
    first = shop.corrections.write(wanted)
    second = shop.corrections.write(correction(2, replace(MAIL, source_record_id="L2")))
    assert first.recorded_at is not None and second.seq > first.seq
    assert first.places == (MAIL, PHONE) and first.fields == ("email", "phone") and first.active
    assert shop.corrections.get(first.correction_id) == first and shop.corrections.get("nothing") is None
    assert shop.corrections.listed() == [second, first]
    assert shop.corrections.listed(request="rc-1") == [first]
    assert shop.corrections.listed(records=["pos:L:1", "web:u9"]) == [first]
    assert shop.corrections.listed(records=[]) == []
    assert shop.corrections.listed(limit=1) == [second]
    assert shop.corrections.listed(before=second.seq, limit=5) == [first]
    everything = shop.corrections.in_force()
    for records in (["pos:L:1"], ["web:u9", "pos:L:1"], []):
        assert shop.corrections.in_force(records) == [one for one in everything if one.place.record in records]


def test_the_last_correction_of_a_field_counts_and_a_withdrawal_brings_back_the_one_before(shop: Store) -> None:
    first = shop.corrections.write(correction(1, MAIL, PHONE))
    second = shop.corrections.write(correction(1, replace(MAIL, value="other@marked.org")))
    assert {(one.correction_id, one.place.field) for one in shop.corrections.in_force()} == {
        (first.correction_id, "phone"),
        (second.correction_id, "email"),
    }
    withdrawn = shop.corrections.withdraw(second.correction_id, "another")
    assert withdrawn.withdrawn is not None and withdrawn.withdrawn.recorded_by == "another"
    assert [one.place for one in shop.corrections.in_force()] == [MAIL, PHONE]
    with pytest.raises(ConflictError, match="withdrawn before"):
        shop.corrections.withdraw(second.correction_id, "another")
    with pytest.raises(NotFoundError, match="no correction"):
        shop.corrections.withdraw("nothing", "another")


def test_what_was_replaced_is_noted_once(shop: Store) -> None:
    one = shop.corrections.write(correction(1, MAIL, PHONE))
    shop.corrections.note_replaced([(one.correction_id, replace(MAIL, replaced="before"))])
    shop.corrections.note_replaced(
        [(one.correction_id, replace(MAIL, replaced="later")), ("gone", replace(MAIL, replaced="later"))]
    )
    assert [place.replaced for place in shop.corrections.listed()[0].places] == ["before", None]
    assert shop.corrections.in_force()[0].place.replaced == "before"


def test_nothing_is_corrected_of_somebody_who_is_not_there(shop: Store) -> None:
    redirects = [Redirect(profile_id(2), "retired"), Redirect(profile_id(3), "merged", profile_id(1))]
    publish(shop, [1], run="run-2", redirects=redirects)
    for number in (2, 9):
        with pytest.raises(NotFoundError, match="no profile with this id"):
            shop.corrections.write(correction(number, MAIL))
    assert shop.corrections.listed() == []


def test_the_erased_are_forgotten_by_profile_and_by_record(shop: Store) -> None:
    shop.corrections.write(correction(1, MAIL))
    kept = shop.corrections.write(correction(2, MAIL, PHONE))
    eraser = InMemoryEraser(shop) if isinstance(shop, InMemoryStore) else SqlEraser(shop.url)
    assert eraser.count([profile_id(1)])["corrections"] == 1
    assert eraser.erase([profile_id(1)], None).rows["corrections"] == 1
    assert [one.correction_id for one in shop.corrections.listed()] == [kept.correction_id]
    assert shop.corrections.forget(["pos:L:1", "web:u1"]) == 1
    assert shop.corrections.listed()[0].places == (PHONE,)
    assert shop.corrections.forget(["sales:1"]) == 1
    assert shop.corrections.listed() == [] and shop.corrections.in_force() == []
    assert eraser.settle() is None or not isinstance(shop, InMemoryStore)
