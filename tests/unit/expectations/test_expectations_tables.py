"""Contracts of published tables: a sound warehouse passes, each kind of damage is told in counts."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from expectations import runner

WAREHOUSE = """
create schema marts; create schema identity; create schema intermediate; create schema ops;
create table ops.run_context as select 'r' as run_id, timestamp '2026-01-01' as as_of;
create table marts.journey_stages as select unnest(['awareness', 'use', 'lapsed']) as stage;
create table identity.golden as select unnest(['p1', 'p2']) as profile_id;
create table intermediate.int_source_records as
    select * from (values ('sales', '1'), ('pos', '2')) as t(source, source_record_id);
create table identity.identity_map as select * from (values
    ('sales', '1', 'p1', 1.0, false), ('pos', '2', 'p2', 0.9, true), ('marketing', 'a@example.org', 'p1', 0.9, false)
) as t(source, source_record_id, profile_id, confidence, provisional);
create table marts.profiles as select * from (values
    ('p1', 'awareness', timestamp '2025-01-01', timestamp '2025-01-02', 1, 0, 0.0, 0, 'Ada', 'Fo', '', '', false),
    ('p2', 'use', timestamp '2025-01-01', timestamp '2025-01-05', 2, 1, 9.5, 0, null, null, null, null, true)
) as t(profile_id, current_stage, first_seen_at, last_seen_at, touchpoints, purchases, revenue, tickets, full_name,
    last_name, email, phone, is_anonymous);
create table intermediate.int_events as select timestamp '2025-01-01' as occurred_at, '1' as person_record_id,
    cast(null as varchar) as anonymous_id, cast(null as varchar) as email;
create table marts.touchpoints as select * from (values
    ('t1', 'p1', timestamp '2025-01-01', 'page', 'web', 'awareness', 'path'),
    ('t2', 'p2', timestamp '2025-01-05', 'purchase', 'store', null, 'service')
) as t(touchpoint_id, profile_id, occurred_at, touchpoint_type, channel, stage, lane);
create table marts.stage_episodes as select * from (values
    ('e1', 'p1', 1, 'awareness', timestamp '2025-01-01', null, true, 'start'),
    ('e2', 'p2', 1, 'awareness', timestamp '2025-01-01', timestamp '2025-01-05', false, 'start'),
    ('e3', 'p2', 2, 'use', timestamp '2025-01-05', null, true, 'forward')
) as t(episode_id, profile_id, episode_number, stage, entered_at, left_at, is_open, move);
"""


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(WAREHOUSE)
        yield connection


def broken(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    reports = runner.check_published(connection)
    assert all(report.ok == (not report.failures) for report in reports)
    return {report.name: [one.expectation for one in report.failures] for report in reports if report.failures}


def test_a_sound_warehouse_passes(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert broken(warehouse) == {}
    assert [report.name for report in runner.check_published(warehouse)] == [
        "marts.profiles",
        "marts.touchpoints",
        "marts.stage_episodes",
        "identity.identity_map",
    ]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("delete from marts.profiles where profile_id = 'p2'", {
            "marts.profiles": ["volume"], "marts.touchpoints": ["profile_unknown"],
        }),
        ("insert into marts.profiles select * from marts.profiles limit 1", {
            "marts.profiles": ["key_not_unique", "volume"], "marts.stage_episodes": ["open_episodes"],
        }),
        ("update marts.profiles set current_stage = null, first_seen_at = '2025-02-01', revenue = -1", {
            "marts.profiles": ["stage_unknown", "sightings_impossible", "counts_negative"],
        }),
        ("update marts.profiles set full_name = null, last_name = null, email = null, phone = null", {
            "marts.profiles": ["too_many_unnamed"],
        }),
        ("delete from marts.touchpoints", {"marts.touchpoints": ["empty"]}),
        ("update marts.touchpoints set touchpoint_id = 't', lane = 'x', stage = 'y', occurred_at = '2026-02-01'", {
            "marts.touchpoints": ["key_not_unique", "stage_unknown", "lane_unknown", "from_the_future"],
        }),
        ("update marts.stage_episodes set left_at = '2025-01-04' where episode_id = 'e2'", {
            "marts.stage_episodes": ["gap_or_overlap"],
        }),
        ("update marts.stage_episodes set is_open = false, left_at = '2024-01-01' where episode_id = 'e1'", {
            "marts.stage_episodes": ["end_impossible", "open_episodes"],
        }),
        ("update marts.stage_episodes set move = 'jump', stage = 'x' where episode_id = 'e3'", {
            "marts.stage_episodes": ["stage_unknown", "move_unknown"],
        }),
        ("delete from identity.identity_map where source = 'pos'", {"identity.identity_map": ["volume"]}),
        ("update identity.identity_map set confidence = 1.5, profile_id = 'p9' where source = 'sales'", {
            "identity.identity_map": ["confidence_impossible", "profile_unknown"],
        }),
        ("drop table identity.identity_map", {"identity.identity_map": ["missing"]}),
    ],
)  # fmt: skip
def test_damage_is_told(warehouse: duckdb.DuckDBPyConnection, damage: str, told: dict[str, list[str]]) -> None:
    warehouse.execute(damage)
    assert broken(warehouse) == told


def test_details_are_counts(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("insert into marts.profiles select * from marts.profiles where profile_id = 'p1'")
    details = [one.detail for report in runner.check_published(warehouse) for one in report.failures]
    assert "profile_id is repeated (measured 1)" in details
    assert not any("p1" in detail or "Ada" in detail for detail in details)
