"""Quarantine: list what waits there, and judge it again after a mapping, a contract or the rows were corrected.

Rows are judged again batch by batch, in the order in which they came. Those that pass move to raw under a new batch of
kind `replay`, with the file and line they came from; the others stay as they are. A row whose record was delivered
again in the meantime is out of date and does not replace the newer one, unless it was corrected now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from cdp.engine.base import Engine
from cdp.errors import CheckFailed, InputError, NotFoundError
from cdp.settings import Settings
from pipelines.ingest import contract, fates, records, stage, tables
from pipelines.ingest.commit import next_batch
from pipelines.ingest.corrections import read_corrections
from pipelines.ingest.gate import open_gate
from pipelines.ingest.screening import Screen
from pipelines.ingest.single import single
from pipelines.sources.entity import Entity
from pipelines.sources.mapping import EntityMapping, load_mappings
from pipelines.sources.registry import ENTITIES

_LISTED = ("source", "entity", "record_id", "file", "line", "reason", "quarantine_id")


@dataclass(frozen=True)
class ReplayReport:
    """Rows taken in, rows that turned out to be known or out of date, and rows still in quarantine (of all).

    `suppressed` rows would have passed, but are about erased people; they stay where they are.
    """

    accepted: int
    duplicates: int
    remaining: int
    suppressed: int = 0


def list_rows(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """All rows that are in quarantine now, by source, entity, file and line."""
    rows = connection.execute(
        f"select {', '.join(_LISTED)} from quarantine.rows where replayed_batch is null order by 1, 2, 4, 5, batch_seq"
    ).fetchall()
    return [dict(zip(_LISTED, row, strict=True)) for row in rows]


def replay(
    settings: Settings,
    engine: Engine,
    *,
    now: datetime,
    ids: list[str] | None = None,
    corrections: Path | None = None,
) -> ReplayReport:
    """Judge all open rows, or those of `ids`, again, with corrected fields where the file gives them.

    Raises NotFoundError for an id that is not in quarantine, InputError for a wrong corrections file, and CheckFailed,
    with nothing moved, when the ledger would not hold.
    """
    corrected = read_corrections(corrections)
    mappings = load_mappings(settings.mapping_dir)
    with engine.writer() as connection, open_gate(settings) as gate:
        tables.ensure(connection)
        _select(connection, ids, corrected)
        accepted = duplicates = suppressed = 0
        for entity in ENTITIES:
            for batch in _batches_of(connection, entity):
                moved = _replay_batch(connection, entity, mappings[entity.name], batch, now, gate=gate)
                accepted, duplicates, suppressed = accepted + moved[0], duplicates + moved[1], suppressed + moved[2]
        remaining = single(connection, "select count(*) from quarantine.rows where replayed_batch is null")[0]
    return ReplayReport(accepted, duplicates, int(remaining), suppressed)


def _select(connection: duckdb.DuckDBPyConnection, ids: list[str] | None, corrected: dict[str, str]) -> None:
    """Make `wanted` (quarantine_id, correction) of the rows to judge again."""
    rows = connection.execute("select quarantine_id from quarantine.rows where replayed_batch is null").fetchall()
    waiting = {row[0] for row in rows}
    for key in corrected:
        if key not in waiting:
            raise InputError(f"The corrections name {key}, which is not in quarantine.")
    for key in ids or ():
        if key not in waiting:
            raise NotFoundError(f"There is no row {key} in quarantine; `cdp quarantine list` shows the ids.")
    chosen = sorted(waiting if ids is None else {*ids})
    connection.execute("create or replace temp table wanted (quarantine_id varchar, correction varchar)")
    connection.execute(
        "insert into wanted select unnest(cast(? as varchar[])), unnest(cast(? as varchar[]))",
        [chosen, [corrected.get(key) for key in chosen]],
    )


def _batches_of(connection: duckdb.DuckDBPyConnection, entity: Entity) -> list[int]:
    rows = connection.execute(
        """
        select distinct batch_seq from quarantine.rows join wanted using (quarantine_id)
        where source = ? and entity = ? order by batch_seq
        """,
        [entity.source, entity.entity],
    ).fetchall()
    return [int(row[0]) for row in rows]


def _replay_batch(
    connection: duckdb.DuckDBPyConnection,
    entity: Entity,
    mapping: EntityMapping,
    batch: int,
    now: datetime,
    *,
    gate: Screen | None,
) -> tuple[int, int, int]:
    """Rows of one original batch moved to raw, found to be duplicates, and left because they are of erased people."""
    _stage(connection, entity, batch)
    records.enrich(connection, entity, mapping)
    contract.check_group(connection, entity, now)
    fates.decide_sound(connection, entity)
    _drop_out_of_date(connection, entity, batch)
    suppressed = _leave_suppressed(connection, entity, gate) if gate is not None else 0
    found = dict(
        connection.execute(
            "select fate, count(*) from fates where fate in ('raw', 'duplicate') group by fate"
        ).fetchall()
    )
    if found:
        _commit(connection, entity, batch, found, now.astimezone(UTC).replace(tzinfo=None))
    return found.get("raw", 0), found.get("duplicate", 0), suppressed


def _leave_suppressed(connection: duckdb.DuckDBPyConnection, entity: Entity, gate: Screen) -> int:
    """Corrected values may be an erased person's: such rows have no fate and stay."""
    records = connection.execute(
        """
        select judged.row_no, coalesce(mapped, payload) as record
        from judged join fates on fates.row_no = judged.row_no where fate = 'raw'
        """
    ).to_arrow_table()
    about = gate.rows(entity, records)
    connection.execute("delete from fates where row_no in (select unnest(cast(? as bigint[])))", [about])
    return len(about)


def _stage(connection: duckdb.DuckDBPyConnection, entity: Entity, batch: int) -> None:
    stage.clear(connection)
    connection.execute(
        """
        create or replace temp table chosen as
        select row_number() over (order by line, quarantine_id) as row_no, quarantine_id, line, payload, correction
        from quarantine.rows join wanted using (quarantine_id)
        where source = ? and entity = ? and batch_seq = ?
        """,
        [entity.source, entity.entity, batch],
    )
    connection.execute(
        """
        insert into staged
        select row_no, 0, line, record,
            case when not json_valid(record) or json_type(record) <> 'OBJECT' then 'unreadable' end, ''
        from (
            select row_no, line, case
                when correction is null then payload
                when json_valid(payload) and json_type(payload) = 'OBJECT'
                    then cast(json_merge_patch(cast(payload as json), cast(correction as json)) as varchar)
                else correction
            end as record
            from chosen
        )
        """
    )


def _drop_out_of_date(connection: duckdb.DuckDBPyConnection, entity: Entity, batch: int) -> None:
    if entity.immutable:
        return
    connection.execute(
        f"""
        update fates set fate = 'duplicate'
        where fate = 'raw' and row_no in (
            select judged.row_no from judged join chosen on chosen.row_no = judged.row_no
            where correction is null
                and record_key in (select record_key from {entity.table} where batch_seq > ?)
        )
        """,
        [batch],
    )


def _commit(
    connection: duckdb.DuckDBPyConnection, entity: Entity, origin: int, found: dict[str, int], moment: datetime
) -> None:
    batch = next_batch(connection)
    values = {"batch": batch, "origin": origin, "moment": moment}
    moved = found.get("raw", 0) + found.get("duplicate", 0)
    connection.execute("begin")
    try:
        connection.execute(
            f"""
            insert into {entity.table}
            select record_key, content_hash, $batch, (select file from ops.batches where batch_seq = $origin), line,
                $moment, payload, mapped
            from judged join fates on fates.row_no = judged.row_no
            where fate = 'raw' order by line
            """,
            values,
        )
        connection.execute(
            """
            update quarantine.rows set replayed_batch = $batch
            where quarantine_id in (
                select quarantine_id from chosen join fates on fates.row_no = chosen.row_no
                where fate in ('raw', 'duplicate')
            )
            """,
            {"batch": batch},
        )
        connection.execute(
            """
            insert into ops.batches by name
            select $batch as batch_seq, source, entity, file, '' as sha256, '' as landed_path, 0 as received,
                $raw as raw, $duplicates as duplicates, $quarantined as quarantined, 0 as suppressed,
                $moment as loaded_at, 'replay' as kind, '' as landing_id, '' as mapping,
                (select max(happened_at) from typed join fates on fates.row_no = typed.row_no where fate = 'raw')
                    as newest
            from ops.batches where batch_seq = $origin
            """,
            values | {"raw": found.get("raw", 0), "duplicates": found.get("duplicate", 0), "quarantined": -moved},
        )
        _prove(connection, entity, batch, found.get("raw", 0), moved)
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def _prove(connection: duckdb.DuckDBPyConnection, entity: Entity, batch: int, raw: int, moved: int) -> None:
    found = single(
        connection,
        f"""
        select (select count(*) from {entity.table} where batch_seq = $batch),
            (select count(*) from quarantine.rows where replayed_batch = $batch)
        """,
        {"batch": batch},
    )
    if found != (raw, moved):
        raise CheckFailed(f"The ledger of the replay of {entity.name} does not hold; nothing was moved.")
