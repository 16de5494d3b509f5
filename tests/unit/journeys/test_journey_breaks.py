from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cdp.errors import NotFoundError
from journeys.breaks import search
from journeys.map import export, nodes
from journeys.map.model import build_map
from journeys.scope import Scope

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATH = ["awareness", "consideration", "decision", "use", "loyalty"]


@pytest.fixture(scope="module")
def found(world):
    return search.find(world, Scope(until=NOW))


def _walks(world):
    walks: dict = {}
    rows = world.execute("select profile_id, stage, entered_at, left_at from marts.stage_episodes order by entered_at")
    for who, stage, entered, left in rows.fetchall():
        walks.setdefault(who, []).append((stage, entered, left))
    return walks


def test_drop_off_equals_a_slow_count(world, found):
    limits = dict(world.execute("select stage, lapse_after_days from marts.journey_stages").fetchall())
    for row in found.drop_off:
        if row.stage == PATH[-1]:
            assert row.stopped.value is None, "there is nothing beyond"
            continue
        beyond = set(PATH[PATH.index(row.stage) + 1 :])
        reached, followed, stopped = 0, 0, 0
        for walk in _walks(world).values():
            entries = [entered for stage, entered, _ in walk if stage == row.stage]
            if not entries:
                continue
            reached += 1
            limit = entries[0] + timedelta(days=limits[row.stage])
            if limit <= NOW.replace(tzinfo=None):
                followed += 1
                stopped += not any(stage in beyond and entries[0] < entered <= limit for stage, entered, _ in walk)
        assert row.reached.value == reached
        assert row.stopped.n == followed
        assert row.stopped.value == pytest.approx(stopped / followed)
    assert any(row.stopped.n < row.reached.value for row in found.drop_off)


def test_whoever_came_yesterday_has_not_stopped(make_world):
    world = make_world(5, people=60)
    before = search.find(world, Scope(until=NOW)).drop_off[0].stopped
    world.execute(
        "insert into marts.profiles (profile_id) select 'late' || n from range(500) t(n);"
        "insert into marts.stage_episodes select 'e' || n, 'late' || n, 1, 'awareness', timestamp '2025-12-30', null,"
        " true, 'start', 1 from range(500) t(n)"
    )
    after = search.find(world, Scope(until=NOW)).drop_off[0]
    assert after.stopped == before
    assert after.reached.value >= 500


def test_flows_add_up_and_one_stage_is_the_bottleneck(world, found):
    entries = dict(world.execute("select stage, count(*) from marts.stage_episodes group by stage").fetchall())
    still = dict(world.execute("select stage, count(*) from marts.stage_episodes where is_open group by 1").fetchall())
    for row in found.bottlenecks:
        assert sum(month["inflow"] for month in row.months) == row.inflow.value == entries[row.stage]
        assert row.gathering.value == still.get(row.stage, 0)
        assert row.onward.n == row.away.n <= row.inflow.value
    worst = min(found.bottlenecks, key=lambda row: row.onward.value)
    assert [row.is_bottleneck for row in found.bottlenecks] == [row is worst for row in found.bottlenecks]


def test_last_steps_equal_a_slow_count(world, found):
    limits = dict(world.execute("select stage, lapse_after_days from marts.journey_stages").fetchall())
    touched: dict = {}
    for who, at, kind, key in world.execute(
        "select profile_id, occurred_at, touchpoint_type, touchpoint_id from marts.touchpoints where lane = 'path'"
    ).fetchall():
        touched.setdefault(who, []).append((at, key, kind))
    counted: dict = {}
    for who, walk in _walks(world).items():
        for index, (stage, entered, left) in enumerate(walk):
            if stage not in PATH or entered > NOW.replace(tzinfo=None) - timedelta(days=limits[stage]):
                continue
            mine = sorted(t for t in touched[who] if t[0] >= entered and (left is None or t[0] < left))
            forward = index + 1 < len(walk) and walk[index + 1][0] in PATH[PATH.index(stage) + 1 :]
            for kind in {t[2] for t in mine}:
                sums = counted.setdefault((stage, kind), [0, 0])
                sums[0] += 1
                sums[1] += mine[-1][2] == kind and not forward
    assert found.steps
    for row in found.steps:
        stays, stopped = counted[row.stage, row.step]
        assert (row.stays.value, row.stopped.value) == (stays, pytest.approx(stopped / stays))
    often = {key for key, (stays, _) in counted.items() if stays >= 30 and key[0] != PATH[-1]}
    assert often == {(row.stage, row.step) for row in found.steps}


def test_loops_are_the_back_moves(world, found):
    backs = world.execute("select count(*) from marts.stage_episodes where move = 'back'").fetchone()[0]
    assert sum(loop.times.value for loop in found.loops) == backs
    for loop in found.loops:
        assert loop.went_on.n <= loop.people.value <= loop.times.value


def test_acquisition_counts_every_newcomer_once(world, found):
    early = world.execute(
        "select count(*) from marts.profiles where first_seen_at <= timestamp '2026-01-01' - interval 90 day"
    ).fetchone()[0]
    assert sum(row.people.value for row in found.acquisition) == early


def test_only_channels_of_one_system_are_compared(world):
    rows = [
        {"source": "web", "channel": "paid", "people": 100, "stuck": 40},
        {"source": "web", "channel": "organic", "people": 50, "stuck": 10},
        {"source": "pos", "channel": "store", "people": 80, "stuck": 0},
    ]
    paid, organic, store = search._acquisition(rows)
    assert paid.against_others.value == pytest.approx(0.4 - 0.2) and organic.against_others.n_compared == 100
    assert store.against_others is None


def test_every_number_of_people_has_exactly_those_people_behind_it(world):
    shown = build_map(world, as_of=NOW)
    scope = Scope(until=NOW)
    for key, measure in shown.numbers():
        kind, rest = key.split(".")[0], key.split(".")[-1]
        if kind in ("totals", "intervention"):
            continue
        sql, values = nodes.people_behind(scope, key)
        people = {row[0] for row in world.execute(sql, values).fetchall()}
        if (kind == "people" and rest != "steps_on") or kind == "touchpoint" or key.endswith("people"):
            assert len(people) == measure.value, key
        elif kind in ("moves", "feeling") and measure.value:
            assert people, key


def test_the_interactive_page_says_how_to_list_the_people_behind(world):
    shown = build_map(world, as_of=NOW)
    page = export.to_bytes(shown, "html", people=lambda _, node: f"LIST {node}").decode()
    assert "LIST people.decision.now" in page


@pytest.mark.parametrize("key", ["", "people", "people.decision.never", "weather.decision.now", "totals.people"])
def test_what_is_no_node_is_said(key):
    with pytest.raises(NotFoundError, match="no number of the map"):
        nodes.people_behind(Scope(until=NOW), key)
