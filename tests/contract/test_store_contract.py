"""What every store promises, whatever it is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, timedelta

import pytest

from cdp.errors import CheckFailed
from cdp.store.base import (
    IdentifierRow,
    ProfileDocument,
    Publication,
    Redirect,
    Store,
)
from tests.support.publications import NOW, profile_id, publish, segment


def changes(store: Store, after: int = 0) -> list[tuple[str, str, str]]:
    return [(c.change, c.segment_key, c.profile_id) for c in store.membership_changes(after=after)]


class TestPublication:
    def test_nothing_is_published_at_first(self, store: Store) -> None:
        assert store.current_publication() is None
        assert store.get_profile(profile_id(1)) is None
        assert store.lookup("email", "a@b.example") == []
        assert store.list_segments() == []
        assert store.segment_members("new") == []
        assert store.membership_changes() == []

    def test_the_last_one_is_current(self, store: Store) -> None:
        publish(store, [1], run="run-1")
        report = publish(store, [1], run="run-2", as_of=NOW + timedelta(days=1))
        current = store.current_publication()
        assert current is not None
        assert (current.run_id, current.snapshot_file) == ("run-2", "snapshot-run-2.duckdb")
        assert current.as_of == NOW + timedelta(days=1) and current.as_of.tzinfo is UTC
        assert current.counts == {"profiles": 1}
        assert current.fingerprint == "fingerprint of run-2"
        assert current.seq == report.seq
        assert current.published_at is not None and current.published_at.tzinfo is UTC

    def test_the_same_run_can_be_published_again(self, store: Store) -> None:
        first = publish(store, [1])
        assert publish(store, [1]).seq > first.seq

    def test_counts_of_what_changed(self, store: Store) -> None:
        first = publish(store, [1, 2, 3], identifiers=[("email", "a@b.example", 1)], members={"new": [1, 2]})
        assert (first.profiles_written, first.profiles_unchanged, first.identifiers_added, first.entered) == (
            3,
            0,
            1,
            2,
        )
        second = publish(
            store,
            {1: {"number": 1}, 2: {"number": "two"}},
            redirects=[Redirect(profile_id(9), "retired")],
            members={"new": [2]},
        )
        assert (second.profiles_written, second.profiles_unchanged, second.profiles_removed) == (1, 1, 1)
        assert (second.redirects_written, second.identifiers_removed, second.exited) == (1, 1, 1)


class TestProfiles:
    def test_text_is_kept_as_it_is(self, store: Store) -> None:
        text = '{"name": "Zoë\\n\\t\\\\ 王 \\u0000", "n": [1,  2]}'
        publish(store, {1: text})
        found = store.get_profile(profile_id(1))
        assert found is not None
        assert (found.document, found.status, found.merged_into, found.version) == (text, "living", None, 1)

    def test_a_mapping_becomes_json(self, store: Store) -> None:
        publish(store, {1: {"name": "Zoë", "since": NOW}})
        found = store.get_profile(profile_id(1))
        assert found is not None and found.document is not None
        assert json.loads(found.document) == {"name": "Zoë", "since": str(NOW)}

    def test_versions_count_changes_only(self, store: Store) -> None:
        for document in ("a", "a", "b"):
            publish(store, {1: {"is": document}})
        found = store.get_profile(profile_id(1))
        assert found is not None and found.version == 2

    def test_the_hash_tells_documents_apart(self, store: Store) -> None:
        publish(store, {1: {"is": "a"}, 2: {"is": "a"}, 3: {"is": "b"}})
        hashes = [found.content_hash for n in (1, 2, 3) if (found := store.get_profile(profile_id(n)))]
        assert hashes[0] == hashes[1] != hashes[2]

    def test_who_is_gone_is_removed(self, store: Store) -> None:
        publish(store, [1, 2], identifiers=[("email", "a@b.example", 1)], members={"new": [1]})
        publish(store, [2])
        assert store.get_profile(profile_id(1)) is None
        assert store.lookup("email", "a@b.example") == []
        assert store.segment_members("new") == []

    def test_a_merged_profile_redirects_without_its_document(self, store: Store) -> None:
        publish(store, [1, 2])
        publish(store, [2], redirects=[Redirect(profile_id(1), "merged", profile_id(2))])
        found = store.get_profile(profile_id(1))
        assert found is not None
        assert (found.status, found.merged_into, found.document) == ("merged", profile_id(2), None)

    @pytest.mark.parametrize("status", ["retired", "split"])
    def test_a_gone_id_stays_known(self, store: Store, status: str) -> None:
        publish(store, [1, 2])
        publish(store, [2], redirects=[Redirect(profile_id(1), status)])  # type: ignore[arg-type]
        publish(store, [2])
        found = store.get_profile(profile_id(1))
        assert found is not None and (found.status, found.document) == (status, None)

    def test_a_withdrawn_merge_brings_the_profile_back(self, store: Store) -> None:
        publish(store, [1, 2])
        publish(store, [2], redirects=[Redirect(profile_id(1), "merged", profile_id(2))])
        publish(store, [1, 2])
        found = store.get_profile(profile_id(1))
        assert found is not None and (found.status, found.version) == ("living", 3)


class TestIdentifiers:
    def test_lookup_by_type_and_value(self, store: Store) -> None:
        rows = [("email", "a@b.example", 1), ("email", "a@b.example", 2), ("user_id", "a@b.example", 3)]
        publish(store, [1, 2, 3], identifiers=rows)
        assert store.lookup("email", "a@b.example") == [profile_id(1), profile_id(2)]
        assert store.lookup("user_id", "a@b.example") == [profile_id(3)]
        assert store.lookup("email", "A@b.example") == []

    def test_repeated_rows_count_once(self, store: Store) -> None:
        report = publish(store, [1], identifiers=[("email", "a@b.example", 1)] * 3)
        assert report.identifiers_added == 1

    def test_an_identifier_moves(self, store: Store) -> None:
        publish(store, [1, 2], identifiers=[("email", "a@b.example", 1)])
        publish(store, [1, 2], identifiers=[("email", "a@b.example", 2)])
        assert store.lookup("email", "a@b.example") == [profile_id(2)]
        assert store.identifiers(profile_id(1)) == []

    def test_listing_pages_by_id_and_keeps_ids(self, store: Store) -> None:
        rows = [("email", f"{n}@b.example", 1) for n in range(5)]
        publish(store, [1], identifiers=rows)
        first = store.identifiers(profile_id(1), limit=3)
        publish(store, [1], identifiers=rows[::-1])
        rest = store.identifiers(profile_id(1), after=first[-1].id)
        assert [len(first), len(rest)] == [3, 2]
        assert {(i.type, i.value) for i in first + rest} == {(kind, value) for kind, value, _ in rows}

    def test_values_that_an_index_cannot_hold_are_found(self, store: Store) -> None:
        long = "x" * 5000
        publish(store, [1], identifiers=[("user_id", long, 1), ("user_id", "with\0zero", 1)])
        assert store.lookup("user_id", long) == [profile_id(1)]
        assert store.lookup("user_id", long + "x") == []
        assert store.lookup("user_id", "with\0zero") == [profile_id(1)]

    def test_hostile_values_are_values(self, store: Store) -> None:
        values = ["'; drop table profiles; --", "\\N", "a\tb\nc\r", "%s $1 ?", ":name", "王小明", "\\", "", "\ud800"]
        publish(store, [1], identifiers=[("user_id", value, 1) for value in values])
        for value in values:
            assert store.lookup("user_id", value) == [profile_id(1)], value


class TestSegments:
    def test_rows_come_back_whole_and_ordered(self, store: Store) -> None:
        rows = [segment("vip", purpose=None, size=7, exportable=5), segment("new", title="Neu: 新")]
        store.publish(
            Publication("run-1", "s", NOW, {}, "f"),
            profiles=[], identifiers=[], redirects=[], segments=rows, memberships=[],
        )  # fmt: skip
        assert store.list_segments() == sorted(rows, key=lambda row: row.key)

    def test_a_changed_segment_is_updated_and_a_dropped_one_goes(self, store: Store) -> None:
        publish(store, [1], members={"new": [1], "vip": [1]})
        publish(store, [1], members={"vip": []})
        assert [(row.key, row.size) for row in store.list_segments()] == [("vip", 0)]
        assert store.segment_members("new") == []

    def test_members_page_by_id(self, store: Store) -> None:
        publish(store, range(10), members={"new": [7, 3, 5, 1, 9]})
        first = store.memberships("new", limit=2)
        assert [m.profile_id for m in first] == [profile_id(1), profile_id(3)]
        assert store.segment_members("new", after=first[-1].profile_id, limit=2) == [profile_id(5), profile_id(7)]
        assert store.segment_members("new", after=profile_id(9)) == []

    def test_since_is_the_now_of_the_run_that_found_them(self, store: Store) -> None:
        publish(store, [1, 2], members={"new": [1]})
        later = NOW + timedelta(days=3)
        publish(store, [1, 2], members={"new": [1, 2]}, run="run-2", as_of=later)
        assert [m.since for m in store.memberships("new")] == [NOW, later]


class TestMembershipChanges:
    def test_entries_and_exits(self, store: Store) -> None:
        publish(store, [1, 2, 3], members={"new": [1, 2]})
        publish(store, [1, 2, 3], members={"new": [2, 3]}, run="run-2", as_of=NOW + timedelta(days=1))
        found = store.membership_changes()
        assert changes(store) == [
            ("entered", "new", profile_id(1)),
            ("entered", "new", profile_id(2)),
            ("exited", "new", profile_id(1)),
            ("entered", "new", profile_id(3)),
        ]
        assert found[-1].run_id == "run-2" and found[-1].at == NOW + timedelta(days=1)
        assert [c.seq for c in found] == sorted({c.seq for c in found})

    def test_nothing_changes_when_nothing_changed(self, store: Store) -> None:
        publish(store, [1], members={"new": [1]})
        publish(store, [1], members={"new": [1]})
        assert len(store.membership_changes()) == 1

    def test_following_misses_nothing_and_sees_nothing_twice(self, store: Store) -> None:
        publish(store, range(4), members={"new": [0, 1], "vip": [2]})
        seen = store.membership_changes(limit=2)
        publish(store, range(4), members={"new": [1, 3], "vip": []})
        while page := store.membership_changes(after=seen[-1].seq, limit=2):
            seen += page
        assert seen == store.membership_changes()
        assert len(seen) == 6
        assert [c.segment_key for c in store.membership_changes(segment_key="vip")] == ["vip", "vip"]

    def test_a_merge_carries_the_membership(self, store: Store) -> None:
        publish(store, [1, 2], members={"new": [1]})
        later = NOW + timedelta(days=1)
        report = publish(
            store, [2], run="run-2", as_of=later, members={"new": [2]},
            redirects=[Redirect(profile_id(1), "merged", profile_id(2))],
        )  # fmt: skip
        assert (report.entered, report.exited) == (0, 0)
        assert [(m.profile_id, m.since) for m in store.memberships("new")] == [(profile_id(2), NOW)]

    def test_a_merge_into_a_member_keeps_the_longer_stay(self, store: Store) -> None:
        publish(store, [1, 2], members={"new": [1]})
        publish(store, [1, 2], members={"new": [1, 2]}, as_of=NOW + timedelta(days=1))
        publish(
            store, [2], members={"new": [2]}, as_of=NOW + timedelta(days=2),
            redirects=[Redirect(profile_id(1), "merged", profile_id(2))],
        )  # fmt: skip
        assert [(m.profile_id, m.since) for m in store.memberships("new")] == [(profile_id(2), NOW)]
        assert changes(store, after=2) == [("carried", "new", profile_id(2))]

    def test_a_chain_of_merges_carries_to_its_end(self, store: Store) -> None:
        publish(store, [1, 2, 3], members={"new": [1]})
        merged = [Redirect(profile_id(1), "merged", profile_id(2)), Redirect(profile_id(2), "merged", profile_id(3))]
        report = publish(store, [3], members={"new": [3]}, redirects=merged)
        assert (report.entered, report.exited) == (0, 0)

    def test_merges_in_a_circle_end(self, store: Store) -> None:
        publish(store, [1, 2, 3], members={"new": [1]})
        circle = [Redirect(profile_id(1), "merged", profile_id(2)), Redirect(profile_id(2), "merged", profile_id(1))]
        publish(store, [3], members={"new": [3]}, redirects=circle)
        assert changes(store, after=1) == [("exited", "new", profile_id(1)), ("entered", "new", profile_id(3))]

    def test_a_merge_out_of_the_segment_is_an_exit(self, store: Store) -> None:
        publish(store, [1, 2], members={"new": [1]})
        publish(store, [2], members={"new": []}, redirects=[Redirect(profile_id(1), "merged", profile_id(2))])
        assert changes(store, after=1) == [("exited", "new", profile_id(1))]

    def test_removal_and_retirement_are_exits(self, store: Store) -> None:
        publish(store, [1, 2, 3], members={"new": [1, 2, 3]})
        publish(store, [3], members={"new": [3]}, redirects=[Redirect(profile_id(2), "retired")])
        assert changes(store, after=3) == [("exited", "new", profile_id(1)), ("exited", "new", profile_id(2))]

    def test_a_dropped_segment_lets_all_go(self, store: Store) -> None:
        publish(store, [1], members={"new": [1]})
        publish(store, [1])
        assert changes(store, after=1) == [("exited", "new", profile_id(1))]


class TestContradictions:
    """Whatever contradicts itself publishes nothing; the old publication is served on."""

    @pytest.fixture(autouse=True)
    def _published(self, store: Store) -> Iterator[None]:
        publish(store, [1, 2], identifiers=[("email", "a@b.example", 1)], members={"new": [1]})
        yield
        current = store.current_publication()
        assert current is not None and current.run_id == "run-1"
        assert store.lookup("email", "a@b.example") == [profile_id(1)]
        assert store.segment_members("new") == [profile_id(1)]
        assert store.get_profile(profile_id(3)) is None
        assert len(store.membership_changes()) == 1

    def test_a_profile_twice(self, store: Store) -> None:
        with pytest.raises(CheckFailed, match="twice"):
            store.publish(
                Publication("run-2", "s", NOW, {}, "f"),
                profiles=[ProfileDocument(profile_id(3), "{}")] * 2,
                identifiers=[], redirects=[], segments=[], memberships=[],
            )  # fmt: skip

    def test_living_and_redirected(self, store: Store) -> None:
        with pytest.raises(CheckFailed, match="both living and redirected"):
            publish(store, [3], run="run-2", redirects=[Redirect(profile_id(3), "retired")])

    def test_redirected_twice(self, store: Store) -> None:
        with pytest.raises(CheckFailed, match="redirected twice"):
            publish(store, [3], run="run-2", redirects=[Redirect(profile_id(4), "retired")] * 2)

    @pytest.mark.parametrize(
        "redirect",
        [
            Redirect(profile_id(4), "merged"),
            Redirect(profile_id(4), "retired", profile_id(3)),
            Redirect(profile_id(4), "lost"),  # type: ignore[arg-type]
        ],
    )
    def test_an_impossible_redirect(self, store: Store, redirect: Redirect) -> None:
        with pytest.raises(CheckFailed, match="redirect"):
            publish(store, [3], run="run-2", redirects=[redirect])

    def test_an_identifier_of_nobody(self, store: Store) -> None:
        with pytest.raises(CheckFailed, match="identifier"):
            publish(store, [3], run="run-2", identifiers=[("email", "secret@b.example", 9)])

    def test_a_membership_of_nobody(self, store: Store) -> None:
        with pytest.raises(CheckFailed, match="membership"):
            publish(store, [3], run="run-2", members={"new": [9]})

    def test_a_membership_in_nothing(self, store: Store) -> None:
        with pytest.raises(CheckFailed, match="membership"):
            store.publish(
                Publication("run-2", "s", NOW, {}, "f"),
                profiles=[ProfileDocument(profile_id(3), "{}")],
                identifiers=[], redirects=[], segments=[], memberships=[("nothing", profile_id(3), True)],
            )  # fmt: skip

    def test_a_segment_twice(self, store: Store) -> None:
        with pytest.raises(CheckFailed, match="twice"):
            store.publish(
                Publication("run-2", "s", NOW, {}, "f"),
                profiles=[], identifiers=[], redirects=[], segments=[segment("new")] * 2, memberships=[],
            )  # fmt: skip

    @pytest.mark.parametrize("part", ["profiles", "identifiers", "memberships"])
    def test_a_source_that_breaks_off(self, store: Store, part: str) -> None:
        def broken(rows: list[object]) -> Iterator[object]:
            yield from rows
            raise RuntimeError("the disk went away")

        given = {
            "profiles": [ProfileDocument(profile_id(3), "{}")],
            "identifiers": [IdentifierRow("email", "c@b.example", profile_id(3))],
            "redirects": [Redirect(profile_id(1), "merged", profile_id(3))],
            "segments": [segment("new")],
            "memberships": [("new", profile_id(3), True)],
        }
        given[part] = broken(given[part])  # type: ignore[arg-type,assignment]
        with pytest.raises(RuntimeError, match="went away"):
            store.publish(Publication("run-2", "s", NOW, {}, "f"), **given)  # type: ignore[arg-type]
