"""A small snapshot with the columns of the marts, filled by each test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import duckdb
import pytest

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)

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
INSERT INTO marts.journey_stages (stage, position) VALUES
    ('awareness', 1), ('consideration', 2), ('decision', 3), ('use', 4), ('loyalty', 5), ('lapsed', 6);
"""


@pytest.fixture
def marts() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute(TABLES)
    yield connection
    connection.close()
