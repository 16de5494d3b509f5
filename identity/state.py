"""The tables of schema `identity`: what other layers read, and what this package remembers between runs.

`prepare` makes what is missing and changes nothing that is there. Keys are kept unique by the statements that write,
not by indexes: one transaction replaces rows, which DuckDB's indexes do not allow.
"""

from __future__ import annotations

import duckdb

from identity import blocking
from identity.config import MatchConfig
from identity.features import create_table

_PUBLISHED = """
create schema if not exists identity;
create table if not exists identity.identity_map (
    source VARCHAR, source_record_id VARCHAR, profile_id VARCHAR, confidence DOUBLE, provisional BOOLEAN);
create table if not exists identity.device_map (
    anonymous_id VARCHAR, profile_id VARCHAR, valid_from TIMESTAMP, valid_to TIMESTAMP, basis VARCHAR);
create table if not exists identity.golden (
    profile_id VARCHAR, first_name VARCHAR, last_name VARCHAR, full_name VARCHAR, email VARCHAR, phone VARCHAR,
    birth_date DATE, street VARCHAR, city VARCHAR, region VARCHAR, postcode VARCHAR, country VARCHAR,
    is_anonymous BOOLEAN, records BIGINT, sources BIGINT, confidence DOUBLE);
create table if not exists identity.identifiers (
    profile_id VARCHAR, type VARCHAR, value VARCHAR, source VARCHAR, source_record_id VARCHAR);
create table if not exists identity.profiles (
    profile_id VARCHAR, created_seq BIGINT, status VARCHAR, merged_into VARCHAR, created_run VARCHAR);
create table if not exists identity.identity_events (
    seq BIGINT, run_id VARCHAR, kind VARCHAR, profile_id VARCHAR, others VARCHAR, reason VARCHAR, "at" TIMESTAMP);
create table if not exists identity.edges (
    record_a VARCHAR, record_b VARCHAR, weight DOUBLE, probability DOUBLE, name_only BOOLEAN, model_version VARCHAR);
create table if not exists identity.refusals (
    record_a VARCHAR, record_b VARCHAR, reason VARCHAR, probability DOUBLE);
create table if not exists identity.decisions (
    decision_id VARCHAR, kind VARCHAR, record_a VARCHAR, record_b VARCHAR);
"""

_REMEMBERED = """
create table if not exists identity.hub_overrides (kind VARCHAR, value VARCHAR, action VARCHAR);
create table if not exists identity.state_hubs (
    kind VARCHAR, value VARCHAR, names BIGINT, records BIGINT, origin VARCHAR);
create table if not exists identity.state_crowded (rule VARCHAR, key UBIGINT);
create table if not exists identity.state_models (
    model_version VARCHAR, settings VARCHAR, records BIGINT, created_run VARCHAR, created_at TIMESTAMP, active BOOLEAN);
create table if not exists identity.state_frequencies (
    model_version VARCHAR, field VARCHAR, value VARCHAR, frequency DOUBLE);
create table if not exists identity.state_history (
    record_key VARCHAR, profile_id VARCHAR, from_seq BIGINT, to_seq BIGINT);
create table if not exists identity.state_attached (
    kind VARCHAR, key VARCHAR, profile_id VARCHAR, active BOOLEAN);
create table if not exists identity.state_addresses (address VARCHAR, mailbox VARCHAR);
create table if not exists identity.state_inputs (name VARCHAR, fingerprint VARCHAR);
create table if not exists identity.state_times (record_key VARCHAR, observed_at TIMESTAMP);
create table if not exists identity.state_quality (
    seq BIGINT, run_id VARCHAR, records BIGINT, profiles BIGINT, passed BOOLEAN);
"""


def prepare(connection: duckdb.DuckDBPyConnection, config: MatchConfig) -> None:
    """Make the schema and every table that is missing."""
    connection.execute(_PUBLISHED)
    connection.execute(_REMEMBERED)
    create_table(connection, "identity.state_features", config)
    blocking.create_table(connection)


def next_number(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> int:
    """One more than the highest number in use, starting at 1."""
    return int(connection.execute(f"select coalesce(max({column}), 0) + 1 from {table}").fetchall()[0][0])
