"""What every store promises about who may not be used: holds, and what an erasure leaves of memberships."""

from __future__ import annotations

from cdp.store.base import Store
from cdp.store.segmentation import Forgotten
from tests.support.publications import NOW, profile_id, publish
from tests.support.segmentation import later, merged, numbers, save, told


class TestHolds:
    def test_who_withdraws_is_out_at_once_and_stays_out(self, store: Store) -> None:
        publish(store, [1, 2], members={"new": [1, 2]})
        assert store.segmentation.withdraw([profile_id(1)], ["marketing"], at=later(1)) == 1
        assert told(store, after=2) == [("exited", "new", 1, "consent")]
        assert store.membership_changes(after=2)[0].at == later(1)
        assert numbers(store.memberships("new", exportable=True)) == [2]
        assert [(row.size, row.exportable) for row in store.list_segments()] == [(2, 1)]
        # Neither a run that had begun before nor a saved segment brings them back.
        publish(store, [1, 2], run="run-2", as_of=later(2), members={"new": [1, 2]})
        save(store, "mine", [1, 2])
        assert told(store, after=3) == [("entered", "mine", 2, "definition")]
        assert [(row.key, row.size, row.exportable) for row in store.list_segments()] == [("mine", 2, 1), ("new", 2, 1)]
        assert numbers(store.segmentation.members_at("new", NOW, exportable=True)) == [1, 2]

    def test_only_the_purposes_that_were_named(self, store: Store) -> None:
        publish(store, [1], members={"new": [1]}, purpose="analytics")
        assert store.segmentation.withdraw([profile_id(1)], ["marketing"], at=NOW) == 0
        assert store.segmentation.withdraw([profile_id(1)], ["marketing", "analytics"], at=NOW) == 1
        assert store.segmentation.withdraw([profile_id(1)], ["analytics"], at=NOW) == 0

    def test_who_is_held(self, store: Store) -> None:
        publish(store, [2, 3, 4], redirects=merged((0, 1), (1, 2)))
        store.segmentation.withdraw([profile_id(0), profile_id(4)], ["marketing"], at=NOW)
        assert store.segmentation.held("marketing") == {profile_id(number) for number in (0, 1, 2, 4)}
        assert store.segmentation.held("service") == set()

    def test_a_hold_reaches_along_a_merge(self, store: Store) -> None:
        publish(store, [1, 2], members={"new": [1, 2]})
        store.segmentation.withdraw([profile_id(1)], ["marketing"], at=NOW)
        publish(store, [2], run="run-2", members={"new": [2]}, redirects=merged((1, 2)))
        assert told(store, after=3) == [("exited", "new", 2, "consent")]

    def test_and_when_the_merge_was_before(self, store: Store) -> None:
        publish(store, [2], members={"new": [2]}, redirects=merged((1, 2)))
        assert store.segmentation.withdraw([profile_id(1)], ["marketing"], at=NOW) == 1

    def test_a_release_lets_the_next_evaluation_say(self, store: Store) -> None:
        publish(store, [1], members={"new": [1]})
        store.segmentation.withdraw([profile_id(1)], ["marketing"], at=NOW)
        store.segmentation.release([profile_id(1)], ["analytics"])
        publish(store, [1], run="run-2", members={"new": [1]})
        assert len(told(store)) == 2
        store.segmentation.release([profile_id(1)], ["marketing"])
        publish(store, [1], run="run-3", members={"new": [1]})
        assert told(store, after=2) == [("entered", "new", 1, "consent")]

    def test_of_somebody_unknown(self, store: Store) -> None:
        assert store.segmentation.withdraw([profile_id(9)], ["marketing"], at=NOW) == 0
        publish(store, [9], members={"new": [9]})
        assert told(store) == []


class TestErasure:
    def test_one_exit_a_segment_is_all_that_stays(self, store: Store) -> None:
        publish(store, [1, 2, 3], members={"new": [1, 2], "vip": [1], "old": [1]})
        publish(store, [1, 2, 3], run="run-2", as_of=later(1), members={"new": [1, 2], "vip": [1], "old": []})
        done = store.segmentation.forget([profile_id(1)], at=later(2))
        assert done == Forgotten(memberships=2, history=1, changes=4, exits=2)
        assert told(store) == [
            ("entered", "new", 2, "evaluated"),
            ("exited", "new", 1, "erased"),
            ("exited", "vip", 1, "erased"),
        ]
        assert [(row.key, row.size, row.exportable) for row in store.list_segments()] == [
            ("new", 1, 1),
            ("old", 0, 0),
            ("vip", 0, 0),
        ]
        for hour in range(4):
            assert numbers(store.segmentation.members_at("new", later(hour))) == [2]
            assert store.segmentation.members_at("old", later(hour)) == []

    def test_former_ids_are_the_person_too(self, store: Store) -> None:
        publish(store, [1, 2, 3], members={"new": [1, 2, 3]})
        publish(store, [3], run="run-2", as_of=later(1), members={"new": [3]}, redirects=merged((1, 2), (2, 3)))
        store.segmentation.withdraw([profile_id(1)], ["service"], at=later(1))
        done = store.segmentation.forget([profile_id(3)], at=later(2))
        assert (done.memberships, done.history, done.exits) == (1, 2, 1)
        assert told(store) == [("exited", "new", 3, "erased")]
        assert store.segmentation.members_at("new", NOW) == []

    def test_somebody_who_came_out_of_a_merge_with_them_stays_told(self, store: Store) -> None:
        publish(store, [1, 2], members={"new": [1]})
        publish(store, [2], run="run-2", members={"new": [2]}, redirects=merged((1, 2)))
        publish(store, [1, 2], run="run-3", members={"new": [1]})
        store.segmentation.forget([profile_id(2)], at=later(2))
        assert told(store) == [
            ("entered", "new", 1, "evaluated"),
            ("exited", "new", 1, "identity"),
            ("entered", "new", 1, "identity"),
        ]

    def test_who_was_in_nothing(self, store: Store) -> None:
        publish(store, [1])
        assert store.segmentation.forget([profile_id(1), profile_id(7)], at=NOW) == Forgotten(0, 0, 0, 0)
