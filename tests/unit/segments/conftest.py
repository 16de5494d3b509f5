"""A small snapshot with the columns of the marts, filled by each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import pyarrow as pa
import pytest

from segments import catalogue
from segments.catalogue import Catalogue
from tests.unit.segments.segment_reference import World

Fill = Callable[[World], tuple[duckdb.DuckDBPyConnection, Catalogue]]

TABLES = """
CREATE SCHEMA marts;
CREATE TABLE marts.profiles (
    profile_id VARCHAR, first_name VARCHAR, last_name VARCHAR, full_name VARCHAR, email VARCHAR, phone VARCHAR,
    birth_date DATE, street VARCHAR, city VARCHAR, region VARCHAR, postcode VARCHAR, country VARCHAR,
    is_anonymous BOOLEAN, records BIGINT, sources BIGINT, confidence DOUBLE, first_seen_at TIMESTAMP,
    last_seen_at TIMESTAMP, touchpoints BIGINT, channels VARCHAR[], purchases BIGINT, revenue DOUBLE,
    first_purchase_at TIMESTAMP, last_purchase_at TIMESTAMP, tickets BIGINT, slow_tickets BIGINT,
    satisfaction_good BIGINT, satisfaction_bad BIGINT, emails_clicked BIGINT, unsubscribed BOOLEAN,
    marketing_consent BOOLEAN, current_stage VARCHAR, stage_since TIMESTAMP, episodes BIGINT, regressions BIGINT,
    restarts BIGINT);
CREATE TABLE marts.touchpoints (
    touchpoint_id VARCHAR, profile_id VARCHAR, occurred_at TIMESTAMP, source VARCHAR, channel VARCHAR,
    touchpoint_type VARCHAR, event_name VARCHAR, stage VARCHAR, lane VARCHAR, amount DOUBLE, currency VARCHAR,
    device VARCHAR, campaign VARCHAR, source_record_key VARCHAR);
CREATE TABLE marts.stage_transitions (
    transition_id VARCHAR, profile_id VARCHAR, from_stage VARCHAR, to_stage VARCHAR, occurred_at TIMESTAMP,
    move VARCHAR, days_in_from DOUBLE);
CREATE TABLE marts.experiments (experiment VARCHAR, profile_id VARCHAR, arm VARCHAR, assigned_at TIMESTAMP);
CREATE TABLE marts.journey_stages (
    stage VARCHAR, position BIGINT, label VARCHAR, description VARCHAR, is_path BOOLEAN, lapse_after_days BIGINT,
    hold_days BIGINT);
CREATE TABLE marts.predictions (profile_id VARCHAR, lifetime_value DOUBLE, lapse_risk DOUBLE);
INSERT INTO marts.journey_stages (stage, position) VALUES
    ('awareness', 1), ('consideration', 2), ('decision', 3), ('use', 4), ('loyalty', 5), ('lapsed', 6);
"""


@pytest.fixture
def marts() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute(TABLES)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def fill() -> Iterator[Fill]:
    """Put a random world into the tables of one connection, which is handed out with the catalogue."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(TABLES)

    def filled(world: World) -> tuple[duckdb.DuckDBPyConnection, Catalogue]:
        rows = {
            "profiles": world.profiles,
            "touchpoints": world.touchpoints,
            "stage_transitions": world.transitions,
            "experiments": world.experiments,
            "predictions": world.predictions,
        }
        for table, found in rows.items():
            connection.execute(f"DELETE FROM marts.{table}")
            if found:
                # A table takes its columns from the first row alone.
                columns = dict.fromkeys(name for row in found for name in row)
                whole = [{name: row.get(name) for name in columns} for row in found]
                connection.register("incoming", pa.Table.from_pylist(whole))
                connection.execute(f"INSERT INTO marts.{table} BY NAME SELECT * FROM incoming")
                connection.unregister("incoming")
        return connection, catalogue.read(connection, open_events=True)

    yield filled
    connection.close()
