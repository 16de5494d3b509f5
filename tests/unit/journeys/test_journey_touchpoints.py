from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from cdp.errors import ConfigurationError, InputError
from journeys.scope import Scope
from journeys.touchpoints import costs
from journeys.touchpoints.table import compared, table

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def found(world):
    return table(world, Scope(until=NOW), days=30)


def test_every_type_is_there_with_its_reach(world, found):
    rows = dict(
        world.execute("select touchpoint_type, count(distinct profile_id) from marts.touchpoints group by 1").fetchall()
    )
    everybody = world.execute("select count(*) from marts.profiles").fetchone()[0]
    assert {kind.type for kind in found.types} == set(rows)
    for kind in found.types:
        assert kind.reach.value == pytest.approx(rows[kind.type] / everybody)
        assert 0 <= kind.reach.low <= kind.reach.value <= kind.reach.high <= 1
        assert kind.journeys.n >= everybody and kind.position.value >= 1


def test_places_in_the_journey_add_up(world, found):
    assert sum(kind.opens.value * kind.opens.n for kind in found.types) == pytest.approx(found.types[0].journeys.n)
    assert sum(kind.closes.value * kind.closes.n for kind in found.types) == pytest.approx(found.types[0].journeys.n)
    home = next(kind for kind in found.types if kind.type == "home")
    assert home.opens.value > 0.9 and home.position.value == 1


def test_conversion_equals_a_slow_count(world, found):
    cart = next(kind for kind in found.types if kind.type == "add_to_cart")
    cell = next(cell for cell in cart.stages if cell.stage == "decision")
    hits = n = 0
    carts: dict = {}
    for who, at in world.execute(
        "select profile_id, occurred_at from marts.touchpoints where touchpoint_type = 'add_to_cart' order by all"
    ).fetchall():
        carts.setdefault(who, []).append(at)
    episodes = world.execute("select profile_id, stage, entered_at, left_at, move from marts.stage_episodes").fetchall()
    moves = {(who, entered): move for who, _, entered, _, move in episodes}
    for who, stage, entered, left, _ in episodes:
        first = next((at for at in carts.get(who, ()) if at >= entered and (left is None or at < left)), None)
        if stage != "decision" or first is None or NOW.replace(tzinfo=None) - first < timedelta(days=30):
            continue
        n += 1
        hits += moves.get((who, left)) == "forward" and left - first <= timedelta(days=30)
    assert cell.conversion.n == n > 100
    assert cell.conversion.value == pytest.approx(hits / n)


def test_nothing_converts_beyond_the_last_stage(found):
    last = [cell for kind in found.types for cell in kind.stages if cell.stage == "loyalty"]
    assert last and all(cell.conversion.value is None and cell.difference is None for cell in last)


def _race(seed: int) -> tuple[float, float, float]:
    """Stays of many lengths in which a touchpoint that does nothing happens at any time: naive and fair difference."""
    import duckdb

    random = np.random.default_rng(seed)
    n = 3_000
    leaves = random.exponential(20, n)
    touch = random.exponential(20, n)
    forward = random.random(n) < 0.5
    connection = duckdb.connect()
    connection.execute("create schema marts")
    import pandas as pd

    start = pd.Timestamp("2025-01-01")
    people = pd.DataFrame({"profile_id": [f"p{i}" for i in range(n)]})
    ends = start + pd.to_timedelta(leaves, "D")
    first = pd.DataFrame({
        "profile_id": people.profile_id, "episode_id": people.profile_id + "#1", "episode_number": 1,
        "stage": "consideration", "entered_at": start, "left_at": ends, "move": "start",
    })  # fmt: skip
    after = np.where(forward, "decision", "lapsed")
    second = pd.DataFrame({
        "profile_id": people.profile_id, "episode_id": people.profile_id + "#2", "episode_number": 2, "stage": after,
        "entered_at": ends, "left_at": pd.NaT, "move": np.where(forward, "forward", "lapse"),
    })  # fmt: skip
    touched = touch < leaves
    touches = pd.DataFrame({
        "touchpoint_id": people.profile_id[touched], "profile_id": people.profile_id[touched],
        "occurred_at": start + pd.to_timedelta(touch[touched], "D"), "touchpoint_type": "nothing", "channel": "web",
    })  # fmt: skip
    episodes = pd.concat([first, second])
    stages = pd.DataFrame(
        [("consideration", 1, True), ("decision", 2, True), ("lapsed", 3, False)],
        columns=["stage", "position", "is_path"],
    )
    for name, frame in (("profiles", people), ("stage_episodes", episodes), ("touchpoints", touches),
                        ("journey_stages", stages)):  # fmt: skip
        connection.register("incoming", frame)
        moments = [column for column in frame.columns if column.endswith("_at")]
        cast = ", ".join(f"{column}::timestamp as {column}" for column in moments)
        chosen = f"* replace ({cast})" if moments else "*"
        connection.execute(f"create table marts.{name} as select {chosen} from incoming")
    cell = table(connection, Scope(until=NOW), days=30).types[0].stages[0]
    with_it = forward[touched] & (leaves[touched] - touch[touched] <= 30)
    without = forward[~touched] & (leaves[~touched] <= 30)
    return with_it.mean() - without.mean(), cell.difference.value, cell.difference.low * cell.difference.high


def test_a_touchpoint_that_does_nothing_shows_no_difference():
    """Where stays end early there was less time to touch: the naive comparison is fooled, this one is not."""
    results = [_race(seed) for seed in range(2)]
    assert all(abs(fair) < 0.04 for _, fair, _ in results)
    assert any(ends < 0 for *_, ends in results), "the intervals hold zero"
    assert all(naive < -0.05 for naive, *_ in results)


def test_the_comparison_is_weighted_to_when_the_exposed_were():
    risks = [
        {"exposed": 90, "exposed_converted": 45, "compared": 1000, "compared_converted": 500},
        {"exposed": 10, "exposed_converted": 1, "compared": 50, "compared_converted": 5},
    ]
    effect = compared(risks, people=80)
    assert effect.value == pytest.approx(0.46 - (0.9 * 0.5 + 0.1 * 0.1))
    assert effect.low < 0 < effect.high
    assert compared(risks, people=40).high - compared(risks, people=40).low > effect.high - effect.low
    assert compared([{**risks[1]}], people=10) is None


@pytest.mark.parametrize("days", [0, -1, 10_000])
def test_senseless_windows_are_refused(world, days):
    with pytest.raises(InputError, match="at least one day"):
        table(world, Scope(until=NOW), days=days)


def test_costs_appear_where_they_are_known(world, tmp_path):
    file = tmp_path / costs.FILE
    assert costs.load(file) is None
    file.write_text("currency: EUR\ntouchpoints: {home: 0.5}\n")
    found = table(world, Scope(until=NOW), costs=costs.load(file))
    for kind in found.types:
        if kind.type != "home":
            assert kind.cost is None
            continue
        assert kind.cost.total == pytest.approx(0.5 * kind.touchpoints.value)
        assert kind.cost.per_conversion > 0.5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("currency: euro", "currency"),
        ("currency: EUR\ntouchpoints: {home: cheap}", r"touchpoints\.home"),
        ("currency: EUR\ntouchpoints: {home: -1}", "home"),
        ("a: [", "YAML"),
    ],
)
def test_wrong_costs_are_named(tmp_path, text, told):
    file = tmp_path / costs.FILE
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=told):
        costs.load(file)
