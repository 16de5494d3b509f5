"""The tables that ingestion writes, made when missing: nine raw tables, quarantine, ledger, contract results.

A table always exists, even when its source is never delivered, so that models need no special case.
"""

from __future__ import annotations

import duckdb

from pipelines.sources.registry import ENTITIES

_RAW = """
create table if not exists {table} (
    record_key varchar not null,
    content_hash varchar not null,
    batch_seq bigint not null,
    file varchar not null,
    line bigint not null,
    loaded_at timestamp not null,
    payload varchar not null,
    mapped varchar
)"""

_OTHERS = (
    "create table if not exists ops.run_context (run_id varchar not null, as_of timestamp not null)",
    """
create table if not exists ops.trigger_firings (
    firing_id bigint not null,
    trigger_key varchar not null,
    profile_id varchar not null,
    decided_at timestamp not null,
    state varchar not null check (state in ('fired', 'held_out')),
    holdout double
)""",
    # For tables from before firings kept the share.
    "alter table ops.trigger_firings add column if not exists holdout double",
    """
create table if not exists ops.batches (
    batch_seq bigint primary key,
    source varchar not null,
    entity varchar not null,
    file varchar not null,
    sha256 varchar not null,
    landed_path varchar not null,
    received bigint not null,
    raw bigint not null,
    duplicates bigint not null,
    quarantined bigint not null,
    loaded_at timestamp not null,
    kind varchar not null check (kind in ('file', 'replay', 'erasure')),
    landing_id varchar not null,
    mapping varchar not null,
    newest timestamp,
    suppressed bigint not null default 0
)""",
    """
create table if not exists ops.erasures (
    seq bigint not null,
    execution varchar not null,
    erased_at timestamp not null
)""",
    """
create table if not exists ops.corrections (
    correction_id varchar not null,
    source varchar not null,
    source_record_id varchar not null,
    field varchar not null,
    value varchar,
    replaced varchar,
    lasts varchar not null check (lasts in ('for_good', 'until_changed')),
    unique (source, source_record_id, field)
)""",
    """
create table if not exists ops.expired_rows (
    batch_seq bigint not null,
    rows bigint not null
)""",
    """
create table if not exists ops.retention_runs (
    day date not null,
    digest varchar not null
)""",
    """
create table if not exists ops.contract_results (
    batch_seq bigint not null,
    source varchar not null,
    entity varchar not null,
    expectation varchar not null,
    code varchar not null,
    checked bigint not null,
    failed bigint not null
)""",
    """
create table if not exists quarantine.rows (
    quarantine_id varchar primary key,
    source varchar not null,
    entity varchar not null,
    record_id varchar,
    file varchar not null,
    line bigint not null,
    reason varchar not null,
    code varchar not null,
    batch_seq bigint not null,
    content_hash varchar not null,
    payload varchar not null,
    quarantined_at timestamp not null,
    replayed_batch bigint
)""",
)


def ensure(connection: duckdb.DuckDBPyConnection) -> None:
    """Create what is missing; costs nothing when all is there."""
    for schema in ("ops", "raw", "quarantine"):
        connection.execute(f"create schema if not exists {schema}")
    for entity in ENTITIES:
        connection.execute(_RAW.format(table=entity.table))
    _upgrade(connection)
    for statement in _OTHERS:
        connection.execute(statement)


def _upgrade(connection: duckdb.DuckDBPyConnection) -> None:
    """A ledger from before erasures were counted is copied into one that counts them."""
    columns = connection.execute(
        "select list(column_name) from duckdb_columns() where schema_name = 'ops' and table_name = 'batches'"
    ).fetchall()[0][0]
    if not columns or "suppressed" in columns:
        return
    connection.execute("begin")
    connection.execute("alter table ops.batches rename to batches_before")
    connection.execute(next(statement for statement in _OTHERS if "ops.batches (" in statement))
    connection.execute("insert into ops.batches by name select *, 0 as suppressed from ops.batches_before")
    connection.execute("drop table ops.batches_before")
    connection.execute("commit")
