"""Contracts of published tables: a sound warehouse passes, each kind of damage is told in counts."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from cdp.settings import PROJECT_ROOT
from expectations import runner
from expectations.published import MEASURES

WAREHOUSE = """
create schema marts; create schema identity; create schema intermediate; create schema ops;
create table ops.run_context as select 'r' as run_id, timestamp '2026-01-01' as as_of;
create table marts.journey_stages as select * from (values ('awareness', 1), ('use', 4), ('lapsed', 6))
    as t(stage, position);
create table marts.touchpoint_types as select unnest(['page', 'purchase']) as touchpoint_type;
create table marts.event_accounts as select 'web' as source, 'events' as source_entity, 4 as events,
    1 as not_touchpoints, 1 as without_profile, 0 as after_now, 2 as touchpoints;
create table marts.map_cells as select 'use' as stage, 'people' as measure, 'in' as key, 1.0 as value, 2 as n;
create table marts.experiments as select 'welcome' as experiment, 'p1' as profile_id;
create table marts.tickets as select 't1' as ticket_id, 'p1' as profile_id, timestamp '2025-01-01' as created_at,
    cast(null as timestamp) as solved_at;
create table marts.purchases as select * from (values ('b1', 'p2', 9.5::double), ('b2', null, 3.0))
    as t(purchase_id, profile_id, amount);
create table marts.stage_transitions as select 'e3' as transition_id, 'p2' as profile_id, 'forward' as move,
    4.0 as days_in_from;
create table identity.identifiers as select 'p1' as profile_id, 'email' as type, 'a@example.org' as value,
    'sales' as source;
create table marts.identifiers as select * from identity.identifiers;
create table identity.golden_origins as select 'p1' as profile_id, 'email' as trait, 'sales' as source,
    '1' as source_record_id;
create table ops.corrections as select 'sales' as source, '1' as source_record_id, 'email' as field;
create table marts.corrections as select *, 'p1' as profile_id from ops.corrections;
create table marts.trait_origins as select * from identity.golden_origins;
create table identity.golden as select unnest(['p1', 'p2']) as profile_id;
create table intermediate.int_source_records as
    select * from (values ('sales', '1'), ('pos', '2')) as t(source, source_record_id);
create table identity.identity_map as select * from (values
    ('sales', '1', 'p1', 1.0, false), ('pos', '2', 'p2', 0.9, true), ('marketing', 'a@example.org', 'p1', 0.9, false)
) as t(source, source_record_id, profile_id, confidence, provisional);
create table intermediate.int_consent_statements as select 'sales' as source, '1' as source_record_id,
    false as consents, timestamp '2025-01-01' as stated_at;
create table marts.consent_statements as select 'p1' as profile_id, *, false as is_objection
    from intermediate.int_consent_statements;
create table marts.source_records as select source, source_record_id, profile_id from identity.identity_map;
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


def test_every_published_table_has_a_contract() -> None:
    models = [path.stem for path in (PROJECT_ROOT / "dbt_project" / "models" / "marts").rglob("*.sql")]
    marts = {f"marts.{model.removeprefix('mart_')}" for model in models if not model.startswith("int_")}
    assert set(MEASURES) == marts | {"identity.identity_map"}


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("delete from marts.profiles where profile_id = 'p2'", {
            "marts.profiles": ["volume"], "marts.touchpoints": ["profile_unknown"],
            "marts.stage_transitions": ["profile_unknown"], "marts.source_records": ["profile_unknown"],
            "marts.purchases": ["profile_unknown"],
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
        ("delete from identity.identity_map where source = 'pos'", {
            "marts.source_records": ["volume"], "identity.identity_map": ["volume"],
        }),
        ("update identity.identity_map set confidence = 1.5, profile_id = 'p9' where source = 'sales'", {
            "identity.identity_map": ["confidence_impossible", "profile_unknown"],
        }),
        ("drop table identity.identity_map", {
            "marts.source_records": ["missing"], "marts.consent_statements": ["missing"],
            "identity.identity_map": ["missing"],
        }),
        ("delete from marts.stage_transitions", {"marts.stage_transitions": ["volume"]}),
        ("update marts.stage_transitions set move = 'start', days_in_from = -1", {
            "marts.stage_transitions": ["move_unknown", "stay_impossible"],
        }),
        ("update marts.trait_origins set profile_id = 'p9', source_record_id = null", {
            "marts.trait_origins": ["source_missing", "profile_unknown"],
        }),
        ("insert into marts.trait_origins from marts.trait_origins", {
            "marts.trait_origins": ["key_not_unique", "volume"],
        }),
        ("update marts.consent_statements set profile_id = 'p9', consents = null", {
            "marts.consent_statements": ["consent_missing", "profile_unknown"],
        }),
        ("update marts.corrections set profile_id = 'p9', field = null", {
            "marts.corrections": ["key_missing", "profile_unknown"],
        }),
        ("delete from marts.corrections", {"marts.corrections": ["volume"]}),
        ("delete from marts.consent_statements", {"marts.consent_statements": ["volume"]}),
        ("delete from marts.identifiers", {"marts.identifiers": ["empty"]}),
        ("insert into marts.identifiers select * replace ('p9' as profile_id, null as value) from marts.identifiers", {
            "marts.identifiers": ["key_missing", "profile_unknown"],
        }),
        ("update marts.purchases set purchase_id = 'b', amount = 'inf'", {
            "marts.purchases": ["key_not_unique", "amount_impossible"],
        }),
        ("update marts.tickets set solved_at = '2024-01-01', profile_id = 'p9'", {
            "marts.tickets": ["times_impossible", "profile_unknown"],
        }),
        ("insert into marts.experiments select * from marts.experiments", {"marts.experiments": ["key_not_unique"]}),
        ("update marts.map_cells set stage = 'nowhere', n = null", {
            "marts.map_cells": ["stage_unknown", "number_missing"],
        }),
        ("update marts.event_accounts set touchpoints = 1", {"marts.event_accounts": ["volume"]}),
        ("update marts.touchpoint_types set touchpoint_type = null", {
            "marts.touchpoint_types": ["key_not_unique", "key_missing"],
        }),
        ("update marts.journey_stages set position = 1", {"marts.journey_stages": ["position_not_unique"]}),
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


PREDICTIONS = """
create table marts.predictions as select * from (values
    ('p1', 'awareness', 'use', 0.3, 0.5, 0.3, cast(null as double), cast(null as double), 0.2, cast(null as varchar),
        0.9, 1.5, 20.0),
    ('p2', 'use', null, null, null, null, null, null, null, 'Too few.', null, null, null)
) as t(profile_id, stage, next_stage, next_stage_probability, stay_probability, forward_probability, back_probability,
    restart_probability, lapse_risk, reason, alive_probability, expected_purchases, lifetime_value);
alter table marts.tickets add column satisfaction varchar;
create table marts.ticket_feelings as
select ticket_id, profile_id, 'en' as language, 0.5 as score, 'lexicon' as method from marts.tickets;
"""


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("select 1", []),
        ("delete from marts.predictions where profile_id = 'p2'", ["volume"]),
        ("update marts.predictions set profile_id = 'p1'", ["key_not_unique"]),
        ("update marts.predictions set profile_id = 'p9' where profile_id = 'p2'", ["profile_unknown"]),
        ("update marts.predictions set alive_probability = 1.2", ["probability_impossible"]),
        ("update marts.predictions set lapse_risk = 0.4 where profile_id = 'p1'", ["probabilities_sum"]),
        ("update marts.predictions set reason = null", ["reason_missing"]),
        ("update marts.predictions set next_stage = 'heaven' where profile_id = 'p1'", ["stage_unknown"]),
        ("update marts.predictions set lifetime_value = -1 where profile_id = 'p1'", ["value_negative"]),
        ("drop table marts.predictions", ["missing"]),
    ],
)
def test_damage_of_what_is_derived_is_told(warehouse: duckdb.DuckDBPyConnection, damage: str, told: list[str]) -> None:
    warehouse.execute(PREDICTIONS)
    warehouse.execute(damage)
    report, feelings = runner.check_published(warehouse, derived=True)
    assert report.name == "marts.predictions" and not feelings.failures
    assert [one.expectation for one in report.failures] == told


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("delete from marts.ticket_feelings", ["volume"]),
        ("update marts.tickets set satisfaction = 'good'", ["volume"]),
        ("insert into marts.ticket_feelings select * from marts.ticket_feelings limit 1", ["key_not_unique", "volume"]),
        ("update marts.ticket_feelings set profile_id = 'p9'", ["profile_unknown"]),
        ("update marts.ticket_feelings set score = -1.5", ["score_impossible"]),
        ("update marts.ticket_feelings set method = null", ["method_missing"]),
    ],
)
def test_damage_of_what_texts_say_is_told(warehouse: duckdb.DuckDBPyConnection, damage: str, told: list[str]) -> None:
    warehouse.execute(PREDICTIONS)
    warehouse.execute(damage)
    _, report = runner.check_published(warehouse, derived=True)
    assert report.name == "marts.ticket_feelings"
    assert [one.expectation for one in report.failures] == told
