"""Profile ids: taken over by overlap, never twice, restored by an undo."""

from __future__ import annotations

from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from identity import stable_ids
from identity.stable_ids import Event


def assign(clusters, former=None, age=None, restorable=None, gone=None, late=()):
    former = former or {}
    numbers = count(1)
    known = sorted({*former.values(), *(gone or {}).values()})
    return stable_ids.assign(
        {min(records): records for records in clusters},
        former,
        age=age or {profile: place for place, profile in enumerate(known)},
        restorable=restorable or (lambda records: []),
        new_id=lambda: f"new{next(numbers)}",
        gone=gone,
        late=late,
    )


def test_new_people_get_new_ids():
    result = assign([["a", "b"], ["c"]])
    assert result.profile == {"a": "new1", "c": "new2"}
    assert [event.kind for event in result.events] == ["created", "created"]


def test_an_unchanged_partition_has_no_events():
    result = assign([["a", "b"], ["c"]], {"a": "P", "b": "P", "c": "Q"})
    assert result.profile == {"a": "P", "c": "Q"}
    assert result.events == []


def test_the_larger_part_names_a_merged_person():
    result = assign([["a", "b", "c"]], {"a": "P", "b": "Q", "c": "Q"})
    assert result.profile == {"a": "Q"}
    assert result.merged == {"P": "Q"}
    assert result.events == [Event("merged", "P", ("Q",), "found to be one person")]


def test_the_older_id_wins_a_tie():
    result = assign([["a", "b"]], {"a": "P", "b": "Q"}, age={"P": 7, "Q": 3})
    assert result.profile == {"a": "Q"}


def test_the_larger_part_keeps_the_id_of_a_split_person():
    result = assign([["a"], ["b", "c"]], {"a": "P", "b": "P", "c": "P"})
    assert result.profile == {"b": "P", "a": "new1"}
    assert result.events == [Event("split", "new1", ("P",), "its records are another person's")]


def test_a_record_that_changes_sides_is_a_move():
    former = {"a": "P", "b": "P", "c": "Q", "d": "Q"}
    result = assign([["a"], ["b", "c", "d"]], former)
    assert result.profile == {"a": "P", "b": "Q"}
    assert result.events == [Event("moved", "P", ("Q",), "some records are another person's")]


def test_an_undone_merge_restores_the_lost_id():
    result = assign([["a", "b"], ["c"]], dict.fromkeys("abc", "P"), restorable=lambda r: ["Q"] if "c" in r else [])
    assert result.profile == {"a": "P", "c": "Q"}
    assert result.events == [Event("restored", "Q", ("P",), "a merge was undone")]


def test_the_part_that_can_be_restored_leaves_the_id_to_the_other_even_if_it_has_grown():
    restorable = {"c": ["Q"]}
    result = assign(
        [["a"], ["c", "d", "e"]],
        dict.fromkeys("acde", "P"),
        restorable=lambda records: [p for r in records for p in restorable.get(r, [])],
        late="cde",
    )
    assert result.profile == {"a": "P", "c": "Q"}


def test_a_profile_without_records_retires():
    result = assign([["a"]], {"a": "P"}, gone={"x": "R"}, age={"P": 1, "R": 2})
    assert result.retired == ["R"]
    assert result.events == [Event("retired", "R", (), "its last record is gone")]


@st.composite
def histories(draw):
    records = [f"r{n:02}" for n in range(draw(st.integers(1, 14)))]
    former = {r: f"P{draw(st.integers(0, 5))}" for r in records if draw(st.booleans())}
    labels = [draw(st.integers(0, 5)) for _ in records]
    clusters = {}
    for record, label in zip(records, labels, strict=True):
        clusters.setdefault(label, []).append(record)
    return list(clusters.values()), former


@given(histories())
@settings(max_examples=300, deadline=None)
def test_ids_are_used_once_and_none_is_forgotten(history):
    clusters, former = history
    result = assign(clusters, former)
    used = list(result.profile.values())
    assert len(used) == len(set(used)) == len(clusters)
    for profile in set(former.values()):
        assert (profile in used) != (profile in result.merged)
    # What the log says of a profile is true of it.
    for event in result.events:
        if event.kind == "merged":
            assert event.profile_id in result.merged
            assert event.profile_id not in used
        else:
            assert event.profile_id in used


@given(histories(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_clusters_and_records_does_not_matter(history, rng):
    clusters, former = history
    shuffled = [rng.sample(records, len(records)) for records in clusters]
    rng.shuffle(shuffled)
    assert assign(shuffled, former).profile == assign(clusters, former).profile


@given(histories())
@settings(max_examples=100, deadline=None)
def test_a_second_assignment_changes_nothing(history):
    clusters, former = history
    first = assign(clusters, former)
    names = {record: first.profile[min(records)] for records in clusters for record in records}
    again = assign(clusters, names)
    assert again.profile == first.profile
    assert again.events == []
