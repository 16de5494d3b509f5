"""The contract of erasing from a store, on every store; that the bytes go is tested in `test_store_databases`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cdp.store.base import Publication, Redirect, Store
from cdp.store.erasing import Eraser, SqlEraser
from cdp.store.memory import InMemoryStore
from cdp.store.memory_erasing import InMemoryEraser
from tests.support.publications import NOW, profile_id, publish

ANN, BOB, FORMER = profile_id(1), profile_id(2), profile_id(3)
CLEANED = Publication("run-1-erased", "snapshot-clean.duckdb", NOW, {"profiles": 1}, "erased:er-1")


@pytest.fixture
def eraser(store: Store) -> Eraser:
    """The eraser of a store that holds Ann with a former id, and Bob."""
    publish(
        store, [1, 2], members={"new": [1, 2], "old": [2]},
        identifiers=[("email", "ann@b.example", 1), ("email", "both@b.example", 1), ("email", "both@b.example", 2)],
        redirects=[Redirect(FORMER, "merged", ANN)],
    )  # fmt: skip
    return InMemoryEraser(store) if isinstance(store, InMemoryStore) else SqlEraser(store.url)


def test_counts_tell_what_would_go(store: Store, eraser: Eraser) -> None:
    counted = {table: rows for table, rows in eraser.count([ANN, FORMER, profile_id(9)]).items() if rows}
    assert counted == {"identifiers": 2, "memberships": 1, "membership_changes": 1, "profiles": 2}
    assert store.get_profile(ANN) is not None and store.lookup("email", "ann@b.example") == [ANN]


def test_everything_goes_but_the_id(store: Store, eraser: Eraser) -> None:
    bob, changes = store.get_profile(BOB), store.membership_changes()
    expected = eraser.count([ANN, FORMER])
    erased = eraser.erase([ANN, FORMER], None)
    assert (dict(erased.rows), erased.tombstones) == (expected, 2)
    for one in (ANN, FORMER):
        left = store.get_profile(one)
        assert left is not None
        assert (left.status, left.merged_into, left.document, left.content_hash) == ("retired", None, None, "")
        assert store.identifiers(one) == []
    assert store.lookup("email", "ann@b.example") == []
    assert store.lookup("email", "both@b.example") == [BOB]
    assert store.segment_members("new") == [BOB] and store.segment_members("old") == [BOB]
    assert store.get_profile(BOB) == bob
    *kept, exit_of_ann = store.membership_changes()
    assert kept == [change for change in changes if change.profile_id == BOB]
    assert (exit_of_ann.profile_id, exit_of_ann.change, exit_of_ann.reason) == (ANN, "exited", "erased")


def test_the_publication_changes_with_it(store: Store, eraser: Eraser) -> None:
    before = store.current_publication()
    assert before is not None
    eraser.erase([ANN], CLEANED)
    now = store.current_publication()
    assert now is not None and now.seq > before.seq and now.published_at is not None
    assert replace(now, seq=0, published_at=None) == CLEANED
    assert eraser.erase([], None).tombstones == 0
    assert store.current_publication() == now


def test_again_and_unknown_change_nothing(store: Store, eraser: Eraser) -> None:
    eraser.erase([ANN], None)
    left = store.get_profile(ANN)
    again = eraser.erase([ANN, profile_id(9)], None)
    assert not any(again.rows.values()) and again.tombstones == 0
    assert store.get_profile(ANN) == left
    assert store.get_profile(profile_id(9)) is None


def test_thousands_in_one_call(store: Store, eraser: Eraser) -> None:
    publish(store, list(range(1, 1_301)), run="run-2", members={"new": list(range(1, 1_301))})
    erased = eraser.erase([profile_id(number) for number in range(1, 1_300)], None)
    assert erased.tombstones == 1_299
    assert store.segment_members("new") == [profile_id(1_300)]


def test_later_changes_never_reuse_a_number(store: Store, eraser: Eraser) -> None:
    last = store.membership_changes()[-1].seq
    eraser.erase([ANN, BOB], None)
    publish(store, [4], run="run-2", members={"new": [4]})
    assert [change.seq > last for change in store.membership_changes() if change.profile_id == profile_id(4)] == [True]


def test_an_erased_id_stays_retired_through_publications(store: Store, eraser: Eraser) -> None:
    eraser.erase([ANN], CLEANED)
    publish(store, [2], run="run-2", redirects=[Redirect(ANN, "retired")])
    left = store.get_profile(ANN)
    assert left is not None and (left.status, left.document) == ("retired", None)


def test_settling_leaves_what_is_there(store: Store, eraser: Eraser) -> None:
    eraser.erase([ANN], None)
    assert eraser.settle() is None
    assert store.segment_members("new") == [BOB]
