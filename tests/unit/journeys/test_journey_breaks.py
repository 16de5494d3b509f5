from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cdp.errors import InputError, NotFoundError
from journeys import breaks, touchpoints
from journeys.map import export, nodes
from journeys.map.model import build_map
from journeys.scope import Scope

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def found(world):
    return breaks.find(world, Scope(until=NOW))


def test_drop_off_equals_a_slow_count(world, found):
    walks: dict = {}
    for who, stage in world.execute(
        "select profile_id, stage from marts.stage_episodes order by entered_at"
    ).fetchall():
        walks.setdefault(who, []).append(stage)
    order = ["awareness", "consideration", "decision", "use", "loyalty"]
    for row in found.drop_off:
        reached = [walk for walk in walks.values() if row.stage in walk]
        beyond = set(order[order.index(row.stage) + 1 :])
        stopped = sum(not beyond & set(walk[walk.index(row.stage) :]) for walk in reached)
        assert row.reached.value == len(reached)
        assert row.stopped.value == pytest.approx(stopped / len(reached))


def test_flows_add_up_and_one_stage_is_the_bottleneck(world, found):
    entries = dict(world.execute("select stage, count(*) from marts.stage_episodes group by stage").fetchall())
    for row in found.bottlenecks:
        assert sum(month["inflow"] for month in row.months) == row.inflow.value == entries[row.stage]
    assert sum(row.is_bottleneck for row in found.bottlenecks) == 1


def test_loops_are_the_back_moves(world, found):
    backs = world.execute("select count(*) from marts.stage_episodes where move = 'back'").fetchone()[0]
    assert sum(loop.times.value for loop in found.loops) == backs


def test_acquisition_counts_every_newcomer_once(world, found):
    early = world.execute(
        "select count(*) from marts.profiles where first_seen_at <= timestamp '2026-01-01' - interval 90 day"
    ).fetchone()[0]
    assert sum(row.people.value for row in found.acquisition) == early


def test_touchpoints_with_and_without_add_up(world):
    found = touchpoints.table(world, Scope(until=NOW), days=30)
    kinds = world.execute("select count(distinct touchpoint_type) from marts.touchpoints").fetchone()[0]
    assert len(found.types) == kinds
    totals: dict = {}
    for kind in found.types:
        assert 0 <= kind.reach.low <= kind.reach.value <= kind.reach.high <= 1
        for cell in kind.stages:
            totals.setdefault(cell.stage, set()).add(cell.conversion.n + cell.conversion_without.n)
    assert all(len(sums) == 1 for sums in totals.values())
    with pytest.raises(InputError, match="at least one day"):
        touchpoints.table(world, Scope(until=NOW), days=0)


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


def test_the_interactive_page_holds_the_people_behind(world):
    shown = build_map(world, as_of=NOW)
    page = export.to_bytes(shown, "html", nodes=nodes.all_nodes(shown, Scope(until=NOW))).decode()
    assert "people.decision.now" in page and "select distinct profile_id" in page


@pytest.mark.parametrize("key", ["", "people", "people.decision.never", "weather.decision.now", "totals.people"])
def test_what_is_no_node_is_said(key):
    with pytest.raises(NotFoundError, match="no number of the map"):
        nodes.people_behind(Scope(until=NOW), key)
