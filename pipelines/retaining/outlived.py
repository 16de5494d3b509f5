"""Which rows have outlived a rule of retention, and taking them out of the tables that are not made anew.

A record that has versions is judged by the newest, and goes with all of them. What a legal hold keeps stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from identity.normalise.columns import record_columns
from pipelines.erasing.holding import Spared
from pipelines.ingest.limits import Marked, aged_sql, limits, outlived
from pipelines.ingest.people import MAIL, ids_sql, speak_of
from pipelines.ingest.single import single
from pipelines.sources.entity import Entity
from pipelines.sources.fields import literal
from pipelines.sources.registry import ENTITIES
from privacy.inventory.model import Inventory
from privacy.matching import match
from privacy.retention.rules import RecordsRule


@dataclass(frozen=True)
class Counted:
    """Rows of one rule: how many there are at all, how many have outlived it, and how many of these are held."""

    rule: RecordsRule
    there: int
    raw: int
    quarantined: int
    held: int


def select(
    connection: duckdb.DuckDBPyConnection, rules: Iterable[RecordsRule], now: datetime, spared: Spared
) -> list[Counted]:
    """Make `outlived` (place, of, row_no, record_key) of rows in raw and quarantine, each once, and count them."""
    connection.execute(
        "create or replace temp table outlived (place varchar, of varchar, row_no bigint, record_key varchar)"
    )
    spared.keys.install(connection)
    entities = {entity.name: entity for entity in ENTITIES}
    return [_select(connection, rule, entities[rule.of], now, spared) for rule in rules]


def _select(
    connection: duckdb.DuckDBPyConnection, rule: RecordsRule, entity: Entity, now: datetime, spared: Spared
) -> Counted:
    before = _taken(connection, entity)
    condition = outlived(entity, rule, now)
    newest = "" if entity.immutable else (
        "qualify row_number() over (partition by record_key order by batch_seq desc, line desc) = 1"
    )  # fmt: skip
    records = f"(select rowid as row_no, coalesce(mapped, payload) as record from {entity.table} {newest})"
    connection.execute(
        f"""
        insert into outlived
        select 'raw', '{entity.name}', t.rowid, t.record_key from {entity.table} as t
        where t.record_key in (
            select record_key from {entity.table} where rowid in ({aged_sql(entity, condition, records)})
        ) and t.rowid not in (select row_no from outlived where place = 'raw' and of = '{entity.name}')
        """
    )
    held = _spare(connection, entity) if entity.name in spared.entities else 0
    here = f"source = '{entity.source}' and entity = '{entity.entity}' and replayed_batch is null"
    readable = "case when json_valid(payload) and json_type(payload) = 'OBJECT' then payload else '{}' end"
    waiting = f"(select rowid as row_no, {readable} as record from quarantine.rows where {here})"
    connection.execute(
        f"""
        insert into outlived
        select 'quarantine', '{entity.name}', row_no, null from ({aged_sql(entity, condition, waiting)})
        where row_no not in (select row_no from outlived where place = 'quarantine')
        """
    )
    there = int(single(connection, f"select count(*) from {entity.table}")[0])
    after = _taken(connection, entity)
    return Counted(rule, there, after[0] - before[0], after[1] - before[1], held)


def _taken(connection: duckdb.DuckDBPyConnection, entity: Entity) -> tuple[int, int]:
    raw, quarantined = single(
        connection,
        "select count(*) filter (place = 'raw'), count(*) filter (place = 'quarantine') from outlived where of = ?",
        [entity.name],
    )
    return int(raw), int(quarantined)


def _spare(connection: duckdb.DuckDBPyConnection, entity: Entity) -> int:
    """Records of people under a hold stay; returns how many rows."""
    here = f"select row_no from outlived where place = 'raw' and of = '{entity.name}'"
    rows = f"select rowid as row_no, coalesce(mapped, payload) as record from {entity.table} where rowid in ({here})"
    speak_of(connection, entity, f"({rows})", record_columns, normal=MAIL)
    match(connection)
    kept = f"select record_key from {entity.table} where rowid in (select row_no from matched)"
    found = connection.execute(
        f"delete from outlived where place = 'raw' and of = '{entity.name}' and record_key in ({kept}) returning 1"
    ).fetchall()
    return len(found)


def marked(connection: duckdb.DuckDBPyConnection, rules: Iterable[RecordsRule], now: datetime) -> Marked:
    """How lines of records that `outlived` judged as a whole are to be treated in files, whatever their own age."""
    conditions = limits(rules, now)
    gone: list[tuple[str, str]] = []
    kept: list[tuple[str, str]] = []
    for entity in ENTITIES:
        if entity.name not in conditions:
            continue
        taken = f"select record_key from outlived where place = 'raw' and of = '{entity.name}'"
        if not entity.immutable:
            rows = connection.execute(f"select distinct record_key from ({taken}) order by 1").fetchall()
            gone += [(entity.name, row[0]) for row in rows]
        records = f"(select rowid as row_no, coalesce(mapped, payload) as record from {entity.table})"
        aged = aged_sql(entity, conditions[entity.name], records)
        rows = connection.execute(
            f"select distinct record_key from {entity.table} where rowid in ({aged}) and record_key not in ({taken})"
            " order by 1"
        ).fetchall()
        kept += [(entity.name, row[0]) for row in rows]
    return Marked(gone, kept)


def lost(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Records of people (source:id) that nothing names any more once the rows of `outlived` are gone."""
    touched = [row[0] for row in connection.execute("select distinct of from outlived where place = 'raw'").fetchall()]
    gone = [_ids(entity, "in") for entity in ENTITIES if entity.name in touched]
    sources = {name.partition(".")[0] for name in touched}
    stay = [_ids(entity, "not in") for entity in ENTITIES if entity.source in sources]
    if not gone:
        return []
    rows = connection.execute(
        f"with gone as ({' union '.join(gone)}) select id from gone except ({' union '.join(stay)}) order by 1"
    ).fetchall()
    return [row[0] for row in rows]


def _ids(entity: Entity, which: str) -> str:
    here = f"select row_no from outlived where place = 'raw' and of = '{entity.name}'"
    rows = f"select rowid as row_no, coalesce(mapped, payload) as record from {entity.table}"
    return f"select id from ({ids_sql(entity, f'({rows} where rowid {which} ({here}))')})"


def take_out(
    connection: duckdb.DuckDBPyConnection, inventory: Inventory, counted: Sequence[Counted], request: str, at: datetime
) -> None:
    """Delete the rows of `outlived` and book them as suppressed; the caller holds a transaction.

    `at` is the time of the booking, UTC without zone. Models that only append lose them too; every other model is made
    anew by the run.
    """
    entities = {entity.name: entity for entity in ENTITIES}
    for name in sorted({one.rule.of for one in counted if one.raw or one.quarantined}):
        entity = entities[name]
        raw = f"select row_no from outlived where place = 'raw' and of = '{name}'"
        keys = f"select record_key from outlived where place = 'raw' and of = '{name}'"
        for table, column in _appended(connection, inventory, name):
            connection.execute(f"delete from {table} where {column} in ({keys})")
        connection.execute(f"delete from {entity.table} where rowid in ({raw})")
        waiting = f"select row_no from outlived where place = 'quarantine' and of = '{name}'"
        connection.execute(f"delete from quarantine.rows where rowid in ({waiting})")
        rows = sum(one.raw for one in counted if one.rule.of == name)
        waited = sum(one.quarantined for one in counted if one.rule.of == name)
        _book(connection, entity, raw=rows, waiting=waited, request=request, at=at)


def _appended(connection: duckdb.DuckDBPyConnection, inventory: Inventory, name: str) -> list[tuple[str, str]]:
    """Tables that are there and hold events of an entity under their own ids."""
    declared = [
        (table.name, rows.columns[1])
        for table in inventory.warehouse()
        for rows in table.rows
        if rows.by == "event" and rows.columns[0] == name
    ]
    found = connection.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
    there = {row[0] for row in found}
    return [one for one in declared if one[0] in there]


def _book(
    connection: duckdb.DuckDBPyConnection, entity: Entity, *, raw: int, waiting: int, request: str, at: datetime
) -> None:
    batch = int(single(connection, "select coalesce(max(batch_seq), 0) + 1 from ops.batches")[0])
    connection.execute(
        f"""
        insert into ops.batches by name
        select ? as batch_seq, {literal(entity.source)} as source, {literal(entity.entity)} as entity, '' as file,
            '' as sha256, '' as landed_path, 0 as received, ? as raw, 0 as duplicates, ? as quarantined,
            ? as suppressed, ? as loaded_at, 'erasure' as kind, ? as landing_id, '' as mapping
        """,
        [batch, -raw, -waiting, raw + waiting, at, request],
    )
    connection.execute("insert into ops.expired_rows values (?, ?)", [batch, raw + waiting])
