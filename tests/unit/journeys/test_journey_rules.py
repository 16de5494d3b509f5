"""Versions of the stage rules: what changed in words, and whom a change moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from cdp.errors import NotFoundError
from journeys.rules import history
from journeys.rules.wording import changes

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def warehouse() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("""
        create schema seeds; create schema marts; create schema identity; create schema intermediate; create schema ops;
        create table seeds.journey_stages as
            select * from (values ('one', 1, 30), ('two', 2, 90)) as s (stage, position, hold_days);
        create table seeds.touchpoint_rules as
            select 'web' as source, 'events' as entity, 'home' as event_match, 1 as nth_from, 'one' as stage;
        create table marts.stage_episodes (
            profile_id varchar, episode_number integer, stage varchar, entered_at timestamp, left_at timestamp);
        create table identity.identity_map (profile_id varchar, source varchar, source_record_id varchar);
        create table identity.device_map (
            profile_id varchar, anonymous_id varchar, valid_from timestamp, valid_to timestamp);
        create table intermediate.int_identified_events (profile_id varchar, batch_seq bigint);
        create table ops.batches (batch_seq bigint);
        insert into ops.batches values (3);
    """)
    for person in "abcde":
        connection.execute("insert into identity.identity_map values (?, 'web', ?)", [person, f"u{person}"])
        stay(connection, person, 1, "one", NOW - 10 * DAY)
    return connection


def stay(connection: duckdb.DuckDBPyConnection, person: str, number: int, stage: str, entered: datetime) -> None:
    connection.execute(
        "insert into marts.stage_episodes values (?, ?, ?, ?, null)",
        [person, number, stage, entered.replace(tzinfo=None)],
    )


def record(connection: duckdb.DuckDBPyConnection, run: str, as_of: datetime = NOW) -> history.RuleChange | None:
    return history.record(connection, stage_set="retail", run_id=run, as_of=as_of)


def test_the_first_version_is_kept_and_unchanged_rules_add_none(warehouse: duckdb.DuckDBPyConnection) -> None:
    first = record(warehouse, "run-1")
    assert first is not None and (first.version, first.compared) == (1, None)
    assert record(warehouse, "run-2") is None
    assert [version.run_id for version in history.versions(warehouse)] == ["run-1"]


def test_a_change_says_which_rules_and_whom_it_moved(warehouse: duckdb.DuckDBPyConnection) -> None:
    record(warehouse, "run-1")
    warehouse.execute("update seeds.journey_stages set hold_days = 14 where stage = 'one'")
    # under the new rules: a stands elsewhere, b was elsewhere in between, c is as before; d and e have news
    warehouse.execute("update marts.stage_episodes set stage = 'two' where profile_id = 'a'")
    warehouse.execute("update marts.stage_episodes set episode_number = 2 where profile_id = 'b'")
    stay(warehouse, "b", 1, "two", NOW - 20 * DAY)
    warehouse.execute("update marts.stage_episodes set stage = 'two' where profile_id in ('d', 'e')")
    warehouse.execute("insert into intermediate.int_identified_events values ('d', 4), ('c', 3)")
    warehouse.execute("insert into identity.identity_map values ('e', 'pos', 'L1')")
    # what happens after the former now is time's doing and not the rules'
    stay(warehouse, "c", 2, "two", NOW + 3 * DAY)
    second = record(warehouse, "run-2", NOW + 5 * DAY)
    assert second is not None and second.version == 2
    assert second.changes == ("journey_stages one: hold_days 30 → 14",)
    assert (second.compared, second.not_compared, second.stage_differs, second.history_differs) == (3, 2, 1, 2)
    assert second.moves == ({"former": "one", "present": "two", "profiles": 1},)
    assert history.versions(warehouse)[0].moves == second.moves
    assert history.versions(warehouse)[1].version == 1


def test_a_run_for_an_earlier_now_compares_nobody(warehouse: duckdb.DuckDBPyConnection) -> None:
    record(warehouse, "run-1")
    warehouse.execute("delete from seeds.touchpoint_rules")
    second = record(warehouse, "run-2", NOW - 5 * DAY)
    assert second is not None and (second.compared, second.not_compared) == (0, 5)
    assert second.changes == ("touchpoint_rules web events home 1: removed",)


def test_another_stage_set_is_named_first(warehouse: duckdb.DuckDBPyConnection) -> None:
    record(warehouse, "run-1")
    warehouse.execute("insert into seeds.journey_stages values ('three', 3, 9)")
    second = history.record(warehouse, stage_set="b2b", run_id="run-2", as_of=NOW)
    assert second is not None
    assert second.changes == ("stage set retail → b2b", "journey_stages three: added")


def test_a_snapshot_without_versions_says_what_to_do() -> None:
    with pytest.raises(NotFoundError, match="cdp run"):
        history.versions(duckdb.connect())


def test_an_emptied_value_is_told_as_nothing() -> None:
    row = {"source": "web", "entity": "events", "event_match": "home", "nth_from": "1", "stage": "awareness"}
    told = changes({"touchpoint_rules": [row]}, {"touchpoint_rules": [{**row, "stage": None}]})
    assert told == ["touchpoint_rules web events home 1: stage awareness → nothing"]
