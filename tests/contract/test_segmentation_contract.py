"""What every store promises about segments over time: versions, stays, the change feed, holds and erasure."""

from __future__ import annotations

from typing import Any

import pytest

from cdp.errors import ConflictError, NotFoundError, VersionMismatch
from cdp.store.base import Redirect, Store
from cdp.store.segmentation import OutdatedError
from tests.support.publications import NOW, profile_id, publish, segment
from tests.support.segmentation import basis, later, merged, numbers, save, told, version


class TestVersions:
    def test_each_change_is_a_version_of_its_own(self, store: Store) -> None:
        publish(store, [1])
        save(store, "mine", [1])
        save(store, "mine", [], number=2)
        found = store.segmentation.versions("mine")
        assert found == [version("mine", 2), version("mine", 1)]
        assert store.segmentation.definitions() == [found[0]]
        assert store.segmentation.definition("mine") == found[0]
        assert store.segmentation.versions("mine", before=2) == [found[1]]
        assert store.segmentation.versions("mine", limit=1) == [found[0]]
        assert store.segmentation.definition("other") is None and store.segmentation.versions("other") == []

    def test_a_deleted_segment_is_gone_and_its_versions_stay(self, store: Store) -> None:
        publish(store, [1], members={"shipped": [1]})
        save(store, "mine", [1])
        end = version("mine", 2, deleted=True)
        moved = store.segmentation.delete(end, expected=1, definitions={"mine": 1}, at=later(2))
        assert (moved.entered, moved.exited) == (0, 1)
        assert [row.key for row in store.list_segments()] == ["shipped"]
        assert store.segmentation.definitions() == [] and store.segmentation.definition("mine") == end
        assert store.memberships("mine") == []
        assert told(store, after=1) == [("entered", "mine", 1, "definition"), ("exited", "mine", 1, "deleted")]
        assert numbers(store.segmentation.members_at("mine", later(1))) == [1]
        assert store.segmentation.members_at("mine", later(2)) == []

    def test_a_deleted_key_can_be_used_again_and_counts_on(self, store: Store) -> None:
        publish(store, [1])
        save(store, "mine", [1])
        store.segmentation.delete(version("mine", 2, deleted=True), expected=1, definitions={"mine": 1}, at=NOW)
        row = segment("mine", origin="user")
        store.segmentation.save(
            version("mine", 3), expected=None, basis=basis(store), segments=[row], memberships=[], at=NOW
        )
        assert [one.version for one in store.segmentation.definitions()] == [3]

    def test_a_key_that_is_taken(self, store: Store) -> None:
        publish(store, [1], members={"shipped": [1]})
        save(store, "mine", [1])
        with pytest.raises(ConflictError, match="already a segment mine"):
            save(store, "mine", [])
        with pytest.raises(ConflictError, match="ships with"):
            save(store, "shipped", [])
        assert numbers(store.memberships("mine")) == [1] == numbers(store.memberships("shipped"))

    def test_a_version_that_is_not_the_current_one(self, store: Store) -> None:
        publish(store, [1])
        save(store, "mine", [1])
        save(store, "mine", [1], number=2)
        with pytest.raises(VersionMismatch, match="at version 2, not 1"):
            save(store, "mine", [], number=2)
        with pytest.raises(VersionMismatch):
            store.segmentation.delete(version("mine", 3, deleted=True), expected=1, definitions={"mine": 2}, at=NOW)
        assert numbers(store.memberships("mine")) == [1]

    def test_what_is_not_there_cannot_be_changed(self, store: Store) -> None:
        publish(store, [1])
        with pytest.raises(NotFoundError):
            save(store, "mine", [], number=2)
        with pytest.raises(NotFoundError):
            store.segmentation.delete(version("mine", 2, deleted=True), expected=1, definitions={}, at=NOW)

    def test_an_evaluation_of_something_older_is_refused(self, store: Store) -> None:
        publish(store, [1])
        old = basis(store)
        publish(store, [1], run="run-2")
        given: dict[str, Any] = {"segments": [segment("mine", origin="user")], "memberships": [], "at": NOW}
        with pytest.raises(OutdatedError):
            store.segmentation.save(version("mine", 1), expected=None, basis=old, **given)
        old = basis(store)
        save(store, "other", [1])
        with pytest.raises(OutdatedError):
            store.segmentation.save(version("mine", 1), expected=None, basis=old, **given)
        assert [one.key for one in store.segmentation.definitions()] == ["other"]

    def test_a_publication_that_did_not_see_a_definition_is_refused(self, store: Store) -> None:
        publish(store, [1])
        save(store, "mine", [1])
        with pytest.raises(OutdatedError):
            publish(store, [1], run="run-2", definitions={})
        with pytest.raises(OutdatedError):
            publish(store, [1], run="run-2", definitions={"mine": 2})
        current = store.current_publication()
        assert current is not None and current.run_id == "run-1"
        publish(store, [1], run="run-2", members={"mine": [1]}, definitions={"mine": 1})


class TestSavedSegments:
    def test_members_are_there_at_once(self, store: Store) -> None:
        publish(store, [1, 2, 3], members={"shipped": [3]})
        moved = save(store, "mine", [1, 2], withheld=[2], at=later(1))
        assert (moved.entered, moved.exited) == (1, 0)
        assert [(numbers([m]), m.since, m.exportable) for m in store.memberships("mine")] == [
            ([1], later(1), True),
            ([2], later(1), False),
        ]
        assert numbers(store.memberships("mine", exportable=True)) == [1]
        assert numbers(store.memberships("mine", exportable=False)) == [2]
        row = next(row for row in store.list_segments() if row.key == "mine")
        assert (row.origin, row.size, row.exportable, row.version) == ("user", 2, 1, 1)
        assert numbers(store.memberships("shipped")) == [3]
        assert told(store, after=1) == [("entered", "mine", 1, "definition")]

    def test_a_change_tells_the_difference_and_reaches_those_that_depend_on_it(self, store: Store) -> None:
        publish(store, [1, 2, 3])
        save(store, "mine", [1, 2])
        save(store, "on_mine", [1, 2])
        save(store, "mine", [2, 3], number=2, at=later(2), others={"on_mine": [3]})
        assert told(store, after=4) == [
            ("exited", "mine", 1, "definition"),
            ("exited", "on_mine", 1, "definition"),
            ("exited", "on_mine", 2, "definition"),
            ("entered", "mine", 3, "definition"),
            ("entered", "on_mine", 3, "definition"),
        ]

    def test_people_who_are_gone_since_the_snapshot_are_left_out(self, store: Store) -> None:
        publish(store, [1, 2], redirects=[Redirect(profile_id(3), "retired")])
        save(store, "mine", [1, 3, 4], size=3, exportable=3)
        row = store.list_segments()[0]
        assert (numbers(store.memberships("mine")), row.size, row.exportable) == ([1], 1, 1)

    def test_facts_of_a_row_come_back(self, store: Store) -> None:
        publish(store, [1])
        save(store, "mine", [1], problem="trait x is gone", blocking=("where: top 10 %", "where.of[1]: 王"))
        row = store.list_segments()[0]
        assert (row.problem, row.blocking) == ("trait x is gone", ("where: top 10 %", "where.of[1]: 王"))


class TestPast:
    def test_who_was_in_on_a_date(self, store: Store) -> None:
        for hour, people in enumerate(([1, 2], [2, 3], [], [3])):
            publish(store, [1, 2, 3], run=f"run-{hour}", as_of=later(2 * hour), members={"new": people})
        at = store.segmentation.members_at
        assert [numbers(at("new", later(hour))) for hour in range(-1, 8)] == [
            [], [1, 2], [1, 2], [2, 3], [2, 3], [], [], [3], [3],
        ]  # fmt: skip
        assert [one.since for one in at("new", later(3))] == [NOW, later(2)]
        assert at("no-such", later(3)) == []

    def test_flags_are_those_of_the_time(self, store: Store) -> None:
        publish(store, [1, 2], members={"new": [1, 2]}, withheld=[2])
        publish(store, [1, 2], run="run-2", as_of=later(2), members={"new": [1, 2]}, withheld=[1])
        at = store.segmentation.members_at
        assert [one.exportable for one in at("new", later(1))] == [True, False]
        assert [one.exportable for one in at("new", later(2))] == [False, True]
        assert numbers(at("new", later(1), exportable=True)) == [1] == numbers(at("new", later(2), exportable=False))
        assert {one.since for one in at("new", later(2))} == {NOW}

    def test_ids_are_those_of_the_time_and_say_who_they_are_today(self, store: Store) -> None:
        publish(store, [1, 2, 3, 4], members={"new": [1, 3, 4]})
        gone = [*merged((1, 2)), Redirect(profile_id(3), "retired")]
        publish(store, [2, 4], run="run-2", as_of=later(2), members={"new": [2]}, redirects=gone)
        at = store.segmentation.members_at
        assert [(numbers([one]), one.living_id) for one in at("new", later(1))] == [
            ([1], profile_id(2)),
            ([3], None),
            ([4], profile_id(4)),
        ]
        assert numbers(at("new", later(2))) == [2]

    def test_pages(self, store: Store) -> None:
        publish(store, range(9), members={"new": range(0, 9, 2)})
        publish(store, range(9), run="run-2", as_of=later(2), members={"new": range(1, 9, 2)})
        at = store.segmentation.members_at
        first = at("new", later(1), limit=2)
        assert numbers(first) == [0, 2]
        assert numbers(at("new", later(1), after=first[-1].profile_id)) == [4, 6, 8]
        assert numbers(at("new", later(2), after=profile_id(1), limit=2)) == [3, 5]

    def test_a_now_that_is_set_back_makes_no_stays_overlap(self, store: Store) -> None:
        publish(store, [1], as_of=later(4), members={"new": [1]})
        publish(store, [1], run="run-2", as_of=later(1), members={"new": []})
        publish(store, [1], run="run-3", as_of=later(6), members={"new": [1]})
        at = store.segmentation.members_at
        assert [numbers(at("new", later(hour))) for hour in (3, 4, 5, 6)] == [[], [], [], [1]]
        assert [change.at for change in store.membership_changes()] == [later(4), later(4), later(6)]

    def test_of_a_removed_profile_nothing_is_left(self, store: Store) -> None:
        publish(store, [1, 2], members={"new": [1, 2]})
        publish(store, [2], run="run-2", as_of=later(2), members={"new": [2]})
        assert numbers(store.segmentation.members_at("new", later(1))) == [2]


class TestReach:
    """The feed tells of those whom the segment's purpose may reach."""

    def test_a_member_who_may_not_be_reached_is_not_told(self, store: Store) -> None:
        report = publish(store, [1, 2], members={"new": [1, 2]}, withheld=[2])
        assert (report.entered, told(store)) == (1, [("entered", "new", 1, "evaluated")])
        publish(store, [1, 2], run="run-2", members={"new": [1]})
        assert len(told(store)) == 1

    def test_consent_given_and_taken_back(self, store: Store) -> None:
        publish(store, [1, 2], members={"new": [1, 2]}, withheld=[2])
        publish(store, [1, 2], run="run-2", members={"new": [1, 2]}, withheld=[1])
        assert told(store, after=1) == [("exited", "new", 1, "consent"), ("entered", "new", 2, "consent")]
        assert numbers(store.memberships("new")) == [1, 2]

    def test_a_merge_into_somebody_who_objects_ends_it(self, store: Store) -> None:
        publish(store, [1, 2], members={"new": [1, 2]}, withheld=[2])
        publish(store, [2], run="run-2", members={"new": [2]}, withheld=[2], redirects=merged((1, 2)))
        assert told(store, after=1) == [("exited", "new", 1, "consent")]

    def test_a_merge_of_somebody_who_was_not_told_enters(self, store: Store) -> None:
        publish(store, [1, 2], members={"new": [1]}, withheld=[1])
        publish(store, [2], run="run-2", members={"new": [2]}, redirects=merged((1, 2)))
        assert told(store) == [("entered", "new", 2, "evaluated")]
        assert [m.since for m in store.memberships("new")] == [NOW]


class TestIdentity:
    def test_a_merge_is_no_exit_and_entry_and_says_how_it_goes_on(self, store: Store) -> None:
        publish(store, [1, 2, 3], members={"new": [1, 3]})
        report = publish(
            store, [2], run="run-2", as_of=later(2), members={"new": [2]}, redirects=merged((1, 2), (3, 2))
        )
        assert (report.entered, report.exited) == (0, 0)
        assert told(store, after=2) == [("carried", "new", 2, "identity", 1), ("carried", "new", 2, "identity", 3)]
        assert store.membership_changes(after=2)[0].at == later(2)

    def test_a_merge_that_comes_undone_gives_the_membership_back(self, store: Store) -> None:
        publish(store, [1, 2], members={"new": [1]})
        publish(store, [2], run="run-2", as_of=later(2), members={"new": [2]}, redirects=merged((1, 2)))
        report = publish(store, [1, 2], run="run-3", as_of=later(4), members={"new": [1]})
        assert (report.entered, report.exited) == (0, 0)
        assert told(store, after=2) == [("carried", "new", 1, "identity", 2)]
        assert [m.since for m in store.memberships("new")] == [NOW]
        at = store.segmentation.members_at
        assert [numbers(at("new", later(hour))) for hour in (0, 2, 4)] == [[1], [2], [1]]

    def test_after_a_chain_of_merges_too(self, store: Store) -> None:
        publish(store, [1, 2, 3], members={"new": [1]})
        publish(store, [3], run="run-2", members={"new": [3]}, redirects=merged((1, 2), (2, 3)))
        publish(store, [1, 2, 3], run="run-3", members={"new": [1]})
        assert told(store, after=1) == [("carried", "new", 3, "identity", 1), ("carried", "new", 1, "identity", 3)]

    def test_when_both_are_in_the_one_that_came_back_enters(self, store: Store) -> None:
        publish(store, [1, 2], members={"new": [1, 2]})
        publish(store, [2], run="run-2", members={"new": [2]}, redirects=merged((1, 2)))
        publish(store, [1, 2], run="run-3", members={"new": [1, 2]})
        assert told(store, after=2) == [("carried", "new", 2, "identity", 1), ("entered", "new", 1, "evaluated")]

    def test_a_part_with_a_new_id_enters_and_the_rest_stays_or_leaves(self, store: Store) -> None:
        publish(store, [1, 2], members={"new": [1, 2]})
        publish(store, [1, 2, 11, 12], run="run-2", members={"new": [1, 11, 12]})
        assert told(store, after=2) == [
            ("exited", "new", 2, "evaluated"),
            ("entered", "new", 11, "evaluated"),
            ("entered", "new", 12, "evaluated"),
        ]


def test_the_place_of_the_newest_change(store: Store) -> None:
    assert store.segmentation.last_change() == 0
    publish(store, [1, 2], members={"new": [1, 2]})
    assert store.segmentation.last_change() == store.membership_changes()[-1].seq
