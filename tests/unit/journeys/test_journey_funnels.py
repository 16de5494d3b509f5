from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.errors import InputError
from journeys.funnels import conformance, funnel, paths, transitions
from journeys.funnels.definition import Breakdown, Exclusion, Funnel, Paths, Step, parse_funnel
from journeys.scope import Scope

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BASE = datetime(2025, 1, 1)
KINDS = ("a", "b", "c", "d", "x")
DEVICES = ("mobile", "desktop")

moment = st.integers(0, 12)
touch = st.tuples(st.integers(0, 4), moment, st.sampled_from(KINDS), st.sampled_from(DEVICES))
worlds = st.lists(touch, min_size=1, max_size=40)


def build(rows, *, shuffled=False):
    """A snapshot of (person, hour, type, device), one touchpoint a moment and person."""
    unique = {(who, hour): (who, hour, kind, device) for who, hour, kind, device in rows}
    ordered = sorted(unique.values(), key=lambda row: (row[0], row[1]))
    stored = ordered[::-1] if shuffled else ordered
    connection = duckdb.connect()
    connection.execute("create schema marts")
    connection.execute(
        "create table marts.touchpoints (touchpoint_id varchar, profile_id varchar, occurred_at timestamp,"
        " source varchar, channel varchar, touchpoint_type varchar, event_name varchar, device varchar,"
        " campaign varchar)"
    )
    connection.executemany(
        "insert into marts.touchpoints values (?, ?, ?, 'web', 'web', ?, ?, ?, null)",
        [(f"{w}-{h}", f"p{w}", BASE + timedelta(hours=h), k, f"Event {k}", d) for w, h, k, d in stored],
    )
    connection.execute(
        "create table marts.profiles as select profile_id, count(*) as touchpoints from marts.touchpoints group by 1"
    )
    people: dict[int, list] = {}
    for row in ordered:
        people.setdefault(row[0], []).append(row)
    return connection, people


def known(rows, *names):
    """Only steps whose types occur: unknown names are refused, which is tested elsewhere."""
    return all(any(row[2] == name for row in rows) for name in names)


def slow_attempt(events, start, steps, mode, window):
    """Follows one attempt by hand; returns the rows of its steps."""
    if mode == "any":
        seen = {}
        for row in events[start:]:
            if row[1] - events[start][1] <= window and row[2] in steps and row[2] not in seen:
                seen[row[2]] = row
        return sorted(seen.values(), key=lambda row: row[1])
    done = [events[start]]
    for row in events[start + 1 :]:
        if len(done) == len(steps) or row[1] - events[start][1] > window:
            break
        if row[2] == steps[len(done)]:
            done.append(row)
        elif mode == "strict":
            break
    return done


def slow_best(events, steps, mode, window):
    best = []
    for start, row in enumerate(events):
        begins = row[2] in steps if mode == "any" else row[2] == steps[0]
        if begins:
            attempt = slow_attempt(events, start, steps, mode, window)
            further = len(attempt) > len(best)
            if further or (len(attempt) == len(best) and attempt[-1][1] <= best[-1][1]):
                best = attempt
    return best


@settings(max_examples=60, deadline=None)
@given(
    worlds,
    st.sampled_from(["ordered", "strict", "any"]),
    st.integers(1, 8),
    st.sampled_from(["abc", "ab", "abcd", "aba"]),
    st.booleans(),
)
def test_funnel_equals_a_slow_count(rows, mode, window, steps, shuffled):
    if mode == "any" and steps == "aba":
        steps = "ab"
    connection, people = build(rows, shuffled=shuffled)
    rows = [row for events in people.values() for row in events]
    if not known(rows, *steps):
        return
    question = Funnel(steps=tuple(Step(events=(s,)) for s in steps), mode=mode, window=timedelta(hours=window))
    result = funnel.count(connection, Scope(until=NOW), question)
    best = [slow_best(events, steps, mode, window) for events in people.values()]
    assert [step.units.value for step in result.steps] == [
        sum(len(attempt) > index for attempt in best) for index in range(len(steps))
    ]
    spans = sorted(attempt[-1][1] - attempt[0][1] for attempt in best if len(attempt) == len(steps))
    if spans:
        middle = (spans[(len(spans) - 1) // 2] + spans[len(spans) // 2]) / 2
        assert result.median_seconds.value == pytest.approx(middle * 3600)
    else:
        assert result.median_seconds.value is None


@settings(max_examples=60, deadline=None)
@given(worlds, st.integers(1, 8))
def test_exclusions_remove_from_the_whole_funnel(rows, window):
    connection, people = build(rows)
    rows = [row for events in people.values() for row in events]
    if not known(rows, "a", "b", "c", "x"):
        return
    question = Funnel(
        steps=tuple(Step(events=(s,)) for s in "abc"),
        window=timedelta(hours=window),
        exclusions=(Exclusion(events=("x",), after=1, before=2),),
    )
    result = funnel.count(connection, Scope(until=NOW), question)
    kept, struck = [], 0
    for events in people.values():
        attempt = slow_best(events, "abc", "ordered", window)
        if not attempt:
            continue
        until = attempt[1][1] if len(attempt) > 1 else attempt[0][1] + window + 0.5
        if any(row[2] == "x" and attempt[0][1] < row[1] < until for row in events):
            struck += 1
        else:
            kept.append(attempt)
    assert [step.units.value for step in result.steps] == [sum(len(a) > i for a in kept) for i in range(3)]
    assert result.excluded.value == struck


@settings(max_examples=40, deadline=None)
@given(worlds, st.sampled_from(["first", "last", "step"]))
def test_breakdown_takes_the_value_where_it_says(rows, at):
    connection, people = build(rows)
    rows = [row for events in people.values() for row in events]
    if not known(rows, "a", "b"):
        return
    question = Funnel(
        steps=(Step(events=("a",)), Step(events=("b",))),
        window=timedelta(hours=6),
        breakdown=Breakdown(by="device", at=at, step=2 if at == "step" else None),
    )
    result = funnel.count(connection, Scope(until=NOW), question)
    expected: Counter = Counter()
    for events in people.values():
        attempt = slow_best(events, "ab", "ordered", 6)
        if attempt and not (at == "step" and len(attempt) < 2):
            row = attempt[0] if at == "first" else attempt[-1] if at == "last" else attempt[1]
            expected[row[3]] += 1
    assert {name: steps[0].units.value for name, steps in result.groups.items()} == expected


def collapse(kinds):
    return [kind for index, kind in enumerate(kinds) if index == 0 or kind != kinds[index - 1]]


@settings(max_examples=60, deadline=None)
@given(worlds, st.sampled_from("ab"), st.integers(2, 5), st.booleans())
def test_paths_after_an_anchor_equal_a_slow_count(rows, anchor, depth, before):
    connection, people = build(rows)
    rows = [row for events in people.values() for row in events]
    if not known(rows, anchor):
        return
    step = Step(events=(anchor,))
    question = Paths(start=None if before else step, end=step if before else None, depth=depth, limit=1000)
    result = paths.count(connection, Scope(until=NOW), question)
    expected: Counter = Counter()
    for events in people.values():
        kinds = collapse([row[2] for row in events])
        if anchor in kinds:
            place = kinds.index(anchor)
            expected[
                tuple(kinds[max(place - depth + 1, 0) : place + 1] if before else kinds[place : place + depth])
            ] += 1
    found: Counter = Counter()
    for path in result.paths:
        found[path.steps] += int(path.units.value)
    assert found == expected
    assert result.anchored.value == sum(expected.values())


@settings(max_examples=60, deadline=None)
@given(worlds, st.integers(2, 6))
def test_paths_between_anchors_equal_a_slow_count(rows, depth):
    connection, people = build(rows)
    rows = [row for events in people.values() for row in events]
    if not known(rows, "a", "c"):
        return
    question = Paths(start=Step(events=("a",)), end=Step(events=("c",)), depth=depth, limit=1000)
    result = paths.count(connection, Scope(until=NOW), question)
    expected: Counter = Counter()
    for events in people.values():
        kinds = collapse([row[2] for row in events])
        if "a" in kinds:
            tail = kinds[kinds.index("a") :]
            if "c" in tail and tail.index("c") < depth:
                expected[tuple(tail[: tail.index("c") + 1])] += 1
    assert {path.steps: path.units.value for path in result.paths} == expected


@settings(max_examples=60, deadline=None)
@given(worlds, st.booleans(), st.sampled_from(["profile", "visit"]))
def test_transitions_equal_a_slow_count(rows, shuffled, unit):
    connection, people = build(rows, shuffled=shuffled)
    found = transitions.graph(connection, Scope(until=NOW), unit=unit)
    expected: Counter = Counter()
    for events in people.values():
        for index, row in enumerate(events):
            following = events[index + 1] if index + 1 < len(events) else None
            together = following and (unit == "profile" or following[1] == row[1])
            expected[(row[2], following[2] if together else None)] += 1
    assert {(edge.from_node, edge.to_node): edge.moves.value for edge in found.edges} == expected


def test_transitions_of_a_segment_and_period_sort_when_they_must():
    connection, _ = build([(0, 1, "a", "mobile"), (0, 2, "b", "mobile"), (1, 1, "a", "mobile"), (1, 2, "c", "mobile")])
    connection.execute("create view one as select 'p0' as profile_id")
    edges = transitions.graph(
        connection, Scope(until=NOW, since=datetime(2020, 1, 1, tzinfo=UTC), relation="one")
    ).edges
    assert {(edge.from_node, edge.to_node) for edge in edges} == {("a", "b"), ("b", None)}


def test_a_segment_narrows_a_funnel():
    connection, _ = build([(0, 1, "a", "mobile"), (0, 2, "b", "mobile"), (1, 1, "a", "mobile")])
    connection.execute("create view one as select 'p1' as profile_id")
    question = Funnel(steps=(Step(events=("a",)), Step(events=("Event b",))))
    assert [s.units.value for s in funnel.count(connection, Scope(until=NOW), question).steps] == [2, 1]
    assert [s.units.value for s in funnel.count(connection, Scope(until=NOW, relation="one"), question).steps] == [1, 0]


def test_a_period_without_data_is_an_honest_zero():
    connection, _ = build([(0, 1, "a", "mobile"), (0, 2, "b", "mobile")])
    question = Funnel(steps=(Step(events=("a",)), Step(events=("b",))))
    empty = Scope(until=datetime(2020, 1, 1, tzinfo=UTC))
    for mode in ("ordered", "strict", "any"):
        result = funnel.count(connection, empty, question.model_copy(update={"mode": mode}))
        assert [step.units.value for step in result.steps] == [0, 0]
        assert result.conversion.value is None
    assert paths.count(connection, empty, Paths(start=Step(events=("a",)))).paths == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"steps": [{"events": ["a"]}]}, "at least two steps"),
        ({"steps": [{"events": ["a"]}, {"events": []}]}, "steps.1.events"),
        ({"steps": [{"events": ["a"]}, {"events": ["b"]}], "window": 0}, "longer than zero"),
        ({"steps": [{"events": ["a"]}, {"events": ["b"]}], "mode": "loose"}, "mode"),
        ({"steps": [{"events": ["a"]}, {"events": ["a"]}], "mode": "any"}, "must not share"),
        ({"steps": [{"events": ["a"]}, {"events": ["b"]}], "exclusions": [{"events": ["x"], "after": 2, "before": 3}]},
         "between two of the 2 steps"),
        ({"steps": [{"events": ["a"]}, {"events": ["b"]}], "breakdown": {"by": "device", "at": "step"}}, "name a step"),
        ({"steps": [{"events": [str(n)]} for n in range(25)]}, "at most 20"),
    ],
)  # fmt: skip
def test_senseless_funnels_are_refused(content, message):
    with pytest.raises(InputError, match=message):
        parse_funnel(content)


def test_unknown_touchpoints_name_the_nearest():
    connection, _ = build([(0, 1, "a", "mobile"), (0, 2, "b", "mobile")])
    question = Funnel(steps=(Step(events=("Evnt a",)), Step(events=("b",))))
    with pytest.raises(InputError, match="Event a"):
        funnel.count(connection, Scope(until=NOW), question)


def test_hostile_names_change_nothing():
    connection, _ = build([(0, 1, "a", "mobile")])
    question = Funnel(steps=(Step(events=("a'; drop table marts.touchpoints; --",)), Step(events=("a",))))
    with pytest.raises(InputError):
        funnel.count(connection, Scope(until=NOW), question)
    assert connection.execute("select count(*) from marts.touchpoints").fetchone() == (1,)


def test_happy_path_and_deviations(world):
    result = conformance.compare(world, Scope(until=NOW))
    walked = world.execute(
        "select string_agg(stage, '>' order by episode_number) from marts.stage_episodes group by profile_id"
    ).fetchall()
    plan = "awareness>consideration>decision>use>loyalty"
    assert result.happy.value == pytest.approx(sum(row[0] == plan for row in walked) / len(walked))
    left = sum("lapsed" in row[0].split(">") for row in walked)
    assert result.deviations["left"].value == pytest.approx(left / len(walked))


@pytest.mark.parametrize(
    ("walk", "expected"),
    [
        (("a", "b", "c"), ()),
        (("a", "c"), ("skipped",)),
        (("a", "b", "a", "b"), ("back",)),
        (("a", "z", "b"), ("left", "returned")),
    ],
)
def test_deviations_in_words(walk, expected):
    assert conformance.deviations(walk, ("a", "b", "c"), {"z"}) == expected


def test_fitness_is_one_as_planned_and_less_otherwise():
    assert conformance.fitness(("a", "b"), ("a", "b")) == 1
    assert conformance.fitness(("a",), ("a", "b")) == pytest.approx(2 / 3)
    assert conformance.fitness(("z",), ("a", "b")) == 0


def test_unknown_stages_are_named(world):
    with pytest.raises(InputError, match="no stage `heaven`"):
        conformance.compare(world, Scope(until=NOW), ("awareness", "heaven"))


def test_touchpoints_of_one_moment_are_not_later_than_each_other():
    connection, _ = build([(0, 1, "a", "mobile"), (0, 3, "b", "mobile"), (1, 1, "a", "mobile"), (1, 2, "c", "mobile")])
    # Person 1 does b in the very moment of a, person 0 once more in the moment of the first b.
    connection.execute(
        "create or replace table marts.touchpoints as select * from (select * from marts.touchpoints union all "
        "select touchpoint_id || 'x', profile_id, occurred_at, source, channel, 'b', 'Event b', device, campaign "
        "from marts.touchpoints where touchpoint_type in ('b', 'a') and (profile_id = 'p1' or touchpoint_type = 'b')) "
        "order by profile_id, occurred_at"
    )
    for mode in ("ordered", "strict"):
        question = Funnel(steps=(Step(events=("a",)), Step(events=("b",)), Step(events=("b", "c"))), mode=mode)
        found = funnel.count(connection, Scope(until=NOW), question)
        assert [step.units.value for step in found.steps] == [2, 1, 0]


def test_a_wrong_window_is_told_in_plain_words():
    content = {"steps": [{"events": ["cart"]}, {"events": ["order"]}], "window": "-1d"}
    with pytest.raises(InputError) as caught:
        parse_funnel(content)
    told = "The funnel is wrong at `window`: `-1d` is no duration: write a number with min, h, d or w, as in `7d`."
    assert caught.value.message == told
