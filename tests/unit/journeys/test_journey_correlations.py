"""Correlation tables: planted differences are found with intervals, chance is not, and nothing is called a cause."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pytest

from journeys.correlations.table import FACTORS, OUTCOMES, measure
from journeys.feeling import tables
from journeys.scope import Scope

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def world(people: int, seed: int = 1, *, effect: bool = True) -> duckdb.DuckDBPyConnection:
    """Customers who bought 300 to 600 days ago; with an effect, those with a slow answer buy again half as often."""
    random = np.random.default_rng(seed)
    connection = duckdb.connect()
    connection.execute("""
        set TimeZone = 'UTC'; create schema marts;
        create table marts.profiles (profile_id varchar);
        create table marts.purchases (purchase_id varchar, profile_id varchar, occurred_at timestamp, amount double);
        create table marts.tickets (ticket_id varchar, profile_id varchar, created_at timestamp, is_slow boolean,
            satisfaction varchar, description varchar);
        create table marts.touchpoints (touchpoint_id varchar, profile_id varchar, occurred_at timestamp,
            channel varchar, acquisition_channel varchar, is_activity boolean);
        create table marts.stage_episodes (profile_id varchar, stage varchar, entered_at timestamp, left_at timestamp);
        create table marts.journey_stages as
            select * from (values ('use', 1, true), ('lapsed', 2, false)) as s (stage, position, is_path);
    """)
    rows: dict[str, list[tuple]] = {
        name: [] for name in ("profiles", "purchases", "tickets", "touchpoints", "stage_episodes")
    }
    for number in range(people):
        who, first = f"p{number:05}", NOW.replace(tzinfo=None) - float(random.uniform(300, 600)) * DAY
        rows["profiles"].append((who,))
        rows["purchases"].append((f"{who}-1", who, first, 20.0))
        channel = "web" if random.random() < 0.5 else "store"
        rows["touchpoints"].append((f"{who}-t", who, first - float(random.choice([0.1, 9])) * DAY, channel, None, True))
        asked, slow = random.random() < 0.5, random.random() < 0.5
        if asked:
            rating = random.choice(["good", "bad", "none"])
            rows["tickets"].append(
                (f"{who}-k", who, first + 10 * DAY, slow, None if rating == "none" else rating, "I love it, thank you!")
            )
        again = random.random() < (0.25 if asked and slow and effect else 0.5)
        if again:
            rows["purchases"].append((f"{who}-2", who, first + 150 * DAY, 30.0))
        lapsed = None if again else first + 181 * DAY
        rows["stage_episodes"].append((who, "use", first, lapsed))
        if lapsed:
            rows["stage_episodes"].append((who, "lapsed", lapsed, None))
    for table, values in rows.items():
        if values:
            connection.executemany(f"insert into marts.{table} values ({', '.join('?' * len(values[0]))})", values)
    tables.write(connection, NOW)
    return connection


@pytest.fixture(scope="module")
def found():
    return measure(world(1200), Scope(until=NOW))


def cell(table, outcome: str, factor: str, level: str):
    return next(c for c in table.cells if (c.outcome, c.factor, c.level) == (outcome, factor, level))


def test_a_planted_difference_is_found_with_its_interval(found) -> None:
    slow = cell(found, "retention", "support", "slow")
    assert slow.associated and slow.difference.low <= -0.25 <= slow.difference.high
    assert slow.value.n + slow.others.n == found.customers == 1200
    assert slow.value.low <= slow.value.value <= slow.value.high
    assert cell(found, "lapse", "support", "slow").difference.value > 0
    assert cell(found, "value", "support", "slow").difference.value < 0


def test_levels_of_a_factor_cover_everybody_once(found) -> None:
    for outcome in ("retention", "value"):
        for factor in FACTORS:
            assert sum(c.value.n for c in found.cells if (c.outcome, c.factor) == (outcome, factor)) == found.customers


def test_it_is_worded_as_association(found) -> None:
    assert found.basis == "association"
    told = [c.sentence for c in found.cells if c.associated]
    assert told and all(sentence.endswith("An association, not a cause.") for sentence in told)
    assert not any(word in sentence for sentence in told for word in ("because", "causes", "leads to"))


def test_chance_is_not_told_as_a_finding() -> None:
    tables = [measure(world(400, seed, effect=False), Scope(until=NOW)) for seed in range(10, 20)]
    wrong = sum(any(c.associated for c in table.cells) for table in tables)
    assert wrong <= 3, "five in a hundred tables, so hardly ever four of ten"


def test_feeling_is_ratings_first_then_text(found) -> None:
    levels = {c.level: c.value.n for c in found.cells if (c.outcome, c.factor) == ("retention", "feeling")}
    assert set(levels) == {"good", "bad", "no ticket"}
    assert levels["good"] > levels["bad"], "an unrated ticket counts as its friendly text says"


def test_too_few_are_counted_but_not_compared() -> None:
    table = measure(world(40), Scope(until=NOW))
    few = [c for c in table.cells if min(c.value.n, c.others.n) < 30]
    assert few and all(c.difference is None and "Too few" in c.reason and not c.associated for c in few)


def test_nobody_is_an_empty_table_with_a_reason() -> None:
    table = measure(world(0), Scope(until=NOW))
    assert (table.customers, table.cells, table.tested) == (0, (), 0)
    assert "270 days ago" in table.reason
    young = measure(world(50), Scope(until=NOW - 550 * DAY))
    assert young.customers == 0


def test_outcomes_are_all_there(found) -> None:
    assert {c.outcome for c in found.cells} == set(OUTCOMES) - {"lifetime_value"}, "no predictions, no lifetime value"
