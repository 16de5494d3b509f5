"""The people behind a number are exactly as many as the number says, and the ones a slow walk finds."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.errors import InputError, NotFoundError
from journeys import behind, questions
from journeys.audience import Audience, choose
from journeys.behind import of_audience
from journeys.funnels import funnel, paths, stage_moves, transitions
from journeys.funnels.definition import Breakdown, Exclusion, Funnel, Paths, Step
from journeys.funnels.graphs import Transitions, parse
from journeys.map.model import build_map
from journeys.scope import Scope
from segments import catalogue, compiler, document
from tests.unit.journeys.test_journey_funnels import build, known, slow_best, worlds

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = Scope(until=NOW)
STAGES = ("one", "two", "three", "off")


def members(connection, relation):
    return {row[0] for row in connection.execute(f"select profile_id from {relation}").fetchall()}


def funnel_of(steps, **more):
    return Funnel(steps=tuple(Step(events=(s,)) for s in steps), **more)


@settings(max_examples=25, deadline=None)
@given(worlds, st.sampled_from(["ordered", "strict", "any"]), st.integers(1, 8))
def test_people_of_a_funnel_are_those_a_slow_walk_finds(rows, mode, window):
    connection, people = build(rows)
    rows = [row for events in people.values() for row in events]
    if not known(rows, *"abc"):
        return
    question = questions.funnel(funnel_of("abc", mode=mode, window=timedelta(hours=window)))
    best = {f"p{who}": len(slow_best(events, "abc", mode, window)) for who, events in people.items()}
    for step in (1, 2, 3):
        relation, _ = question.behind(connection, SCOPE, f"step.{step}.reached")
        assert members(connection, relation) == {who for who, reached in best.items() if reached >= step}
    for step in (1, 2):
        relation, _ = question.behind(connection, SCOPE, f"step.{step}.dropped")
        assert members(connection, relation) == {who for who, reached in best.items() if reached == step}


@settings(max_examples=25, deadline=None)
@given(worlds)
def test_people_excluded_and_of_groups_are_as_many_as_counted(rows):
    connection, people = build(rows)
    rows = [row for events in people.values() for row in events]
    if not known(rows, *"abx"):
        return
    asked = funnel_of(
        "ab", exclusions=(Exclusion(events=("x",)),), breakdown=Breakdown(by="device"), window=timedelta(hours=6)
    )
    question, result = questions.funnel(asked), funnel.count(connection, SCOPE, asked)
    relation, _ = question.behind(connection, SCOPE, "excluded")
    assert len(members(connection, relation)) == result.excluded.value
    for name, steps in result.groups.items():
        relation, _ = question.behind(connection, SCOPE, f"step.2.reached@{name}")
        assert len(members(connection, relation)) == steps[1].units.value


@settings(max_examples=25, deadline=None)
@given(worlds, st.sampled_from(["after", "before", "between"]), st.integers(2, 4))
def test_people_of_paths_are_as_many_as_counted(rows, kind, depth):
    connection, people = build(rows)
    rows = [row for events in people.values() for row in events]
    if not known(rows, *"ac"):
        return
    start, end = Step(events=("a",)), Step(events=("c",))
    asked = Paths(
        start=None if kind == "before" else start, end=None if kind == "after" else end, depth=depth, limit=1000
    )
    question, result = questions.paths(asked), paths.count(connection, SCOPE, asked)
    for item in (*result.paths, *result.flows):
        relation, condition = question.behind(connection, SCOPE, item.node)
        assert len(members(connection, relation)) == item.units.value, item.node
        assert condition is None
    for path in result.paths[:3]:
        place = -1 if kind == "before" else 1
        relation, _ = question.behind(connection, SCOPE, f"at.{place}.{path.steps[-1 if kind == 'before' else 0]}")
        assert len(members(connection, relation)) == sum(each.units.value for each in result.paths)


@settings(max_examples=25, deadline=None)
@given(worlds, st.sampled_from(["profile", "visit"]))
def test_people_and_loops_of_transitions_equal_a_slow_count(rows, unit):
    connection, people = build(rows)
    question = questions.transitions(Transitions(of="touchpoint_type", unit=unit))
    expected: dict[tuple, set] = {}
    turns: Counter = Counter()
    loopers: dict[tuple, set] = {}

    def together(one, other):
        return unit == "profile" or other[1] == one[1]

    for who, events in people.items():
        for index, row in enumerate(events):
            later = events[index + 1 : index + 3]
            follows = later[0][2] if later and together(row, later[0]) else None
            expected.setdefault((row[2], follows), set()).add(f"p{who}")
            back = len(later) == 2 and together(row, later[0]) and together(later[0], later[1])
            if back and row[2] == later[1][2] and row[2] != later[0][2]:
                pair = tuple(sorted((row[2], later[0][2])))
                turns[pair] += 1
                loopers.setdefault(pair, set()).add(who)
    found = question.count(connection, SCOPE)
    for edge in found.edges:
        relation, _ = question.behind(connection, SCOPE, edge.node)
        assert members(connection, relation) == expected[edge.from_node, edge.to_node]
    assert {turn.between: turn.times.value for turn in found.loops} == turns
    assert {turn.between: turn.people.value for turn in found.loops} == {k: len(v) for k, v in loopers.items()}


walks = st.lists(st.lists(st.sampled_from(STAGES), min_size=1, max_size=7), min_size=1, max_size=6)


def walk_world(walked):
    """People who stand in these stages one after another (repeats right after each other are one stay), a day each."""
    connection, _ = build([(0, 0, "a", "mobile")])
    connection.execute(
        "create table marts.journey_stages as select * from (values ('one', 1, true), ('two', 2, true),"
        " ('three', 3, true), ('off', 4, false)) t(stage, position, is_path);"
        "create table marts.stage_episodes (episode_id varchar, profile_id varchar, episode_number integer,"
        " stage varchar, entered_at timestamp, left_at timestamp, is_open boolean, move varchar);"
        "create or replace table marts.profiles (profile_id varchar)"
    )
    kept = []
    for who, stages in enumerate(walked):
        stays = [stage for index, stage in enumerate(stages) if index == 0 or stage != stages[index - 1]]
        kept.append(stays)
        connection.execute("insert into marts.profiles values (?)", [f"p{who}"])
        for number, stage in enumerate(stays, start=1):
            entered = datetime(2025, 1, 1) + timedelta(days=number)
            left = entered + timedelta(days=1) if number < len(stays) else None
            before = STAGES.index(stays[number - 2]) if number > 1 else None
            move = "start" if before is None else "lapse" if stage == "off" else "restart" if before == 3 else ""
            move = move or ("forward" if STAGES.index(stage) > before else "back")
            row = [f"p{who}:{number}", f"p{who}", number, stage, entered, left, left is None, move]
            connection.execute("insert into marts.stage_episodes values (?, ?, ?, ?, ?, ?, ?, ?)", row)
    return connection, kept


@settings(max_examples=25, deadline=None)
@given(walks)
def test_transitions_and_loops_of_stages_equal_a_slow_count(walked):
    connection, stays = walk_world(walked)
    edges, turns, loopers = Counter(), Counter(), {}
    for who, stages in enumerate(stays):
        for index, stage in enumerate(stages):
            edges[stage, stages[index + 1] if index + 1 < len(stages) else None] += 1
            if index + 2 < len(stages) and stages[index + 2] == stage:
                pair = tuple(sorted((stage, stages[index + 1])))
                turns[pair] += 1
                loopers.setdefault(pair, set()).add(who)
    found = stage_moves.graph(connection, SCOPE)
    assert {(edge.from_node, edge.to_node): edge.moves.value for edge in found.edges} == edges
    assert {turn.between: turn.times.value for turn in found.loops} == turns
    assert {turn.between: turn.people.value for turn in found.loops} == {k: len(v) for k, v in loopers.items()}
    question = questions.transitions(parse("stage", "profile"))
    for edge in found.edges:
        direction = {"three": 3, "two": 2, "one": 1}.get(edge.to_node or "", 0)
        if edge.to_node and edge.from_node != "off" and edge.to_node != "off":
            assert edge.direction == ("forward" if direction > STAGES.index(edge.from_node) + 1 else "back")
        relation, condition = question.behind(connection, SCOPE, edge.node)
        pairs = {
            f"p{who}"
            for who, stages in enumerate(stays)
            if (edge.from_node, edge.to_node) in zip(stages, [*stages[1:], None], strict=True)
        }
        assert members(connection, relation) == pairs
        assert condition == behind.of_stage_move(edge.from_node, edge.to_node)


@settings(max_examples=30, deadline=None)
@given(
    walks,
    st.sampled_from([("one", "two"), ("one", "three"), ("one", "two", "three"), ("off", "one")]),
    st.integers(1, 4),
)
def test_funnels_of_stages_equal_a_slow_count(walked, steps, window):
    connection, stays = walk_world(walked)
    for mode in ("ordered", "strict", "any"):
        question = funnel_of(steps, mode=mode, window=timedelta(days=window))
        result = funnel.count(connection, SCOPE, question)
        best = [
            slow_best([(who, day, stage, "") for day, stage in enumerate(stages)], steps, mode, window)
            for who, stages in enumerate(stays)
        ]
        assert [step.units.value for step in result.steps] == [
            sum(len(attempt) > index for attempt in best) for index in range(len(steps))
        ]


@settings(max_examples=30, deadline=None)
@given(walks, st.sampled_from(STAGES))
def test_paths_of_stages_equal_a_slow_count(walked, anchor):
    connection, stays = walk_world(walked)
    reached = [stages[stages.index(anchor) :][:4] for stages in stays if anchor in stages]
    if not reached:
        return
    result = paths.count(connection, SCOPE, Paths(start=Step(events=(anchor,)), of="stage", depth=4, limit=1000))
    found: Counter = Counter()
    for path in result.paths:
        found[path.steps] += path.units.value
    assert found == Counter(tuple(stages) for stages in reached)


def test_stages_and_touchpoints_mix_in_one_funnel(world):
    starts = world.execute(
        "select profile_id, entered_at from marts.stage_episodes where stage = 'consideration'"
    ).fetchall()
    orders = world.execute(
        "select profile_id, occurred_at from marts.touchpoints where touchpoint_type = 'web_order'"
    ).fetchall()
    bought: dict[str, list] = {}
    for who, when in orders:
        bought.setdefault(who, []).append(when)
    month = timedelta(days=30)
    entered = {who for who, _ in starts}
    expected = len({who for who, at in starts if any(at < order <= at + month for order in bought.get(who, []))})
    result = funnel.count(world, SCOPE, funnel_of(("consideration", "web_order"), window=timedelta(days=30)))
    assert [step.units.value for step in result.steps] == [len(entered), expected]
    split = funnel.count(
        world, SCOPE,
        funnel_of(("consideration", "web_order"), window=timedelta(days=30), breakdown=Breakdown(by="device")),
    )  # fmt: skip
    assert sum(steps[0].units.value for steps in split.groups.values()) == len(entered)
    assert "unknown" not in split.groups, "entering a stage has the device of the touchpoint that led there"


def test_names_may_say_what_they_are(world):
    both = funnel_of(("touchpoint:product", "event:Order Completed"))
    assert funnel.count(world, SCOPE, both).steps[0].units.value > 0
    with pytest.raises(InputError, match="did you mean `Order Completed`"):
        funnel.count(world, SCOPE, funnel_of(("product", "Order Compleated")))
    with pytest.raises(InputError, match="no device, channel or campaign"):
        asked = Funnel(steps=(Step(events=("decision",), where={"device": "mobile"}), Step(events=("use",))))
        funnel.count(world, SCOPE, asked)
    with pytest.raises(InputError, match="no `acquisition_channel`"):
        funnel.count(world, SCOPE, funnel_of(("product", "web_order"), breakdown=Breakdown(by="acquisition_channel")))
    with pytest.raises(InputError, match="profiles, not visits"):
        funnel.count(world, SCOPE, funnel_of(("decision", "use"), unit="visit"))
    with pytest.raises(InputError, match="profiles, not visits"):
        parse("stage", "visit")
    with pytest.raises(InputError, match="did you mean `channel`"):
        parse("chanel", "profile")
    with pytest.raises(InputError, match="begin and end with stages"):
        paths.count(world, SCOPE, Paths(start=Step(events=("product",)), of="stage"))


def test_a_path_may_begin_where_a_stage_does(world):
    result = paths.count(world, SCOPE, Paths(start=Step(events=("use",)), depth=2, limit=5))
    assert all(path.steps[0] == "stage:use" for path in result.paths)
    sql = "select count(distinct profile_id) from marts.stage_episodes where stage = 'use'"
    assert result.anchored.value == world.execute(sql).fetchone()[0]


def test_paths_pass_over_what_is_hidden_but_not_over_anchors(world):
    result = paths.count(world, SCOPE, Paths(start=Step(events=("product",)), hide=("add_to_cart", "home"), depth=3))
    assert result.paths[0].steps[0] == "product"
    assert not [path for path in result.paths if {"add_to_cart", "home"} & set(path.steps)]
    with pytest.raises(InputError, match="`product` is an anchor"):
        paths.count(world, SCOPE, Paths(start=Step(events=("product",)), hide=("product",)))
    with pytest.raises(InputError, match="did you mean `home`"):
        paths.count(world, SCOPE, Paths(start=Step(events=("product",)), hide=("hme",)))


@pytest.mark.parametrize(
    "node",
    ["step.0.reached", "step.4.reached", "step.3.dropped", "step.1.reached@mobile", "steps", "", "step.1.reached@"],
)
def test_what_is_no_number_of_a_funnel_is_said(world, node):
    question = questions.funnel(funnel_of(("product", "add_to_cart", "web_order")))
    with pytest.raises(InputError):
        question.behind(world, SCOPE, node)


def test_what_is_no_node_elsewhere_is_said(world):
    for question, nodes in (
        (
            questions.paths(Paths(start=Step(events=("product",)))),
            ["path.0", "path.9999", "at.x", "flow.1.a>b", "at.99.home"],
        ),
        (questions.transitions(parse("channel", "profile")), ["web", "web>wbe", ""]),
        (questions.transitions(parse("stage", "profile")), ["use>lost"]),
        (questions.happy_path(), ["variant.0", "variant.99999", "deviation.sideways", "x"]),
        (questions.value(horizon_days=30), ["alive"]),
    ):  # fmt: skip
        for node in nodes:
            with pytest.raises(InputError):
                question.behind(world, SCOPE, node)
    with pytest.raises(NotFoundError):
        questions.journey_map().behind(world, SCOPE, "weather.use.now")
    with pytest.raises(InputError, match="did you mean `loyalty`"):
        questions.journey_map().behind(world, SCOPE, "people.loyality.now")


def test_people_of_the_happy_path_are_as_many_as_counted(world):
    question = questions.happy_path(limit=1000)
    found = question.count(world, SCOPE)
    everybody = found.happy.n
    for node, share in [("happy", found.happy), ("begun", found.begun)] + [
        (f"deviation.{kind}", each) for kind, each in found.deviations.items()
    ]:
        relation, _ = question.behind(world, SCOPE, node)
        assert len(members(world, relation)) == round(share.value * everybody)
    for variant in found.variants[:5]:
        relation, _ = question.behind(world, SCOPE, variant.node)
        assert len(members(world, relation)) == variant.people.value


def test_people_of_the_map_are_as_many_as_the_numbers_say(world):
    shown = build_map(world, as_of=NOW)
    question = questions.journey_map()
    for column in shown.stages:
        for key, measure in (
            (f"people.{column.stage}.reached", column.reached),
            (f"people.{column.stage}.now", column.now),
            (f"service.{column.stage}.people", column.service.people),
            *((f"touchpoint.{column.stage}.{each.type}", each.people) for each in column.touchpoints),
        ):
            relation, _ = question.behind(world, SCOPE, key)
            assert len(members(world, relation)) == measure.value, key


def select(connection, condition):
    """Who a segment with this condition holds, as the segments evaluate it."""
    content = {"key": "people", "title": "People", "where": condition}
    definition = document.parse(content)
    query = compiler.compile(definition, catalogue.read(connection), as_of=NOW)
    return {row[0] for row in connection.execute(compiler.text(query)).fetchall()}


@pytest.mark.parametrize("window", ["10min", "1d", "3w"])
@pytest.mark.parametrize("node", ["step.1.reached", "step.2.reached", "step.1.dropped"])
def test_a_segment_that_stands_for_a_funnel_step_selects_exactly_its_people(world, window, node):
    asked = Funnel(
        steps=(Step(events=("add_to_cart",), where={"device": "mobile"}), Step(events=("Order Completed",))),
        window=window,
    )
    relation, condition = questions.funnel(asked).behind(world, SCOPE, node)
    assert select(world, condition) == members(world, relation)


def test_a_segment_that_stands_for_a_stage_selects_exactly_its_people(world):
    for of, node in (
        ("map", "people.use.now"), ("map", "people.loyalty.reached"), ("stage", "decision>use"), ("stage", "lapsed>"),
    ):  # fmt: skip
        question = questions.journey_map() if of == "map" else questions.transitions(parse("stage", "profile"))
        relation, condition = question.behind(world, SCOPE, node)
        assert select(world, condition) == members(world, relation), node
        assert members(world, relation)


def test_no_segment_is_offered_that_would_select_others(world):
    plain = funnel_of(("product", "add_to_cart", "web_order"))
    for asked, node in (
        (plain, "step.3.reached"),
        (plain, "step.2.dropped"),
        (plain.model_copy(update={"mode": "strict"}), "step.2.reached"),
        (plain.model_copy(update={"unit": "visit"}), "step.1.reached"),
        (plain.model_copy(update={"window": timedelta(seconds=90)}), "step.2.reached"),
        (plain.model_copy(update={"exclusions": (Exclusion(events=("home",)),)}), "step.1.dropped"),
        (Funnel(steps=(Step(events=("product", "home")), Step(events=("web_order",)))), "step.1.reached"),
    ):
        assert behind.of_funnel(world, asked, node) is None
    assert behind.of_map("moves.use.lapse") is None and behind.of_map("touchpoint.use.ticket") is None
    condition = behind.of_map("people.use.now")
    assert of_audience(choose(segment="vip"), condition, NOW) == {
        "type": "and", "of": [{"type": "segment", "key": "vip"}, condition]
    }  # fmt: skip
    for narrowed in (choose(channel="web"), choose(hours="1..2"), choose(period="2025.."), choose(period="..2024")):
        assert of_audience(narrowed, condition, NOW) is None
    assert of_audience(Audience(until=NOW + timedelta(days=3)), condition, NOW) == condition


def test_transitions_tell_forward_from_back(world):
    found = transitions.graph(world, SCOPE)
    directions = {(edge.from_node, edge.to_node): edge.direction for edge in found.edges}
    assert directions["home", "product"] == "forward"
    assert directions["payment_details", "home"] == "back"
    assert {directions[edge.from_node, edge.to_node] for edge in found.edges if edge.to_node is None} == {None}
