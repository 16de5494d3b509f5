"""One file, one transaction: its rows, its quarantine and its ledger entry appear together or not at all.

The ledger is proved inside the transaction: what the reader counted, and what the gate left out before, equals what the
tables gained plus duplicates plus suppressed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from cdp.errors import CheckFailed
from pipelines.ingest.single import single
from pipelines.ingest.stage import StagedFile
from pipelines.sources.entity import Entity


@dataclass(frozen=True)
class BatchCounts:
    """The ledger entry of one batch."""

    batch_seq: int
    received: int
    raw: int
    duplicates: int
    quarantined: int
    suppressed: int


def next_batch(connection: duckdb.DuckDBPyConnection) -> int:
    """The number of the next batch."""
    return int(single(connection, "select coalesce(max(batch_seq), 0) + 1 from ops.batches")[0])


def commit_file(
    connection: duckdb.DuckDBPyConnection, entity: Entity, staged: StagedFile, now: datetime
) -> BatchCounts:
    """Write the file's rows and ledger entry. Raises CheckFailed, leaving nothing, when the ledger does not hold."""
    batch = next_batch(connection)
    moment = now.astimezone(UTC).replace(tzinfo=None)
    connection.execute("begin")
    try:
        _write_rows(connection, entity, staged, batch, moment)
        _write_contract_results(connection, entity, staged, batch)
        counts = _count(connection, entity, staged, batch)
        _write_ledger(connection, entity, staged, counts, moment)
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")
    return counts


def _write_rows(
    connection: duckdb.DuckDBPyConnection, entity: Entity, staged: StagedFile, batch: int, moment: datetime
) -> None:
    values = {"number": staged.number, "batch": batch, "file": staged.landed.file, "moment": moment}
    connection.execute(
        f"""
        insert into {entity.table}
        select record_key, content_hash, $batch, $file, line, $moment, payload, mapped
        from judged join fates on fates.row_no = judged.row_no
        where file_no = $number and fate = 'raw'
        order by line
        """,
        values,
    )
    connection.execute(
        """
        insert into quarantine.rows
        select md5(concat_ws('|', $source, $entity, $file, $batch, line)), $source, $entity, record_key, $file, line,
            fates.reason, fates.code, $batch, content_hash, payload, $moment, null
        from judged join fates on fates.row_no = judged.row_no
        where file_no = $number and fate = 'quarantined'
        order by line
        """,
        values | {"source": entity.source, "entity": entity.entity},
    )


def _write_contract_results(
    connection: duckdb.DuckDBPyConnection, entity: Entity, staged: StagedFile, batch: int
) -> None:
    from expectations import runner

    checked, failed = _contract_counts(connection, staged)
    rows = [
        (batch, entity.source, entity.entity, rule.expectation, rule.code, checked, failed.get(rule.code, 0))
        for rule in runner.row_rules(entity.source, entity.entity)
    ]
    connection.executemany("insert into ops.contract_results values (?, ?, ?, ?, ?, ?, ?)", rows)


def _contract_counts(connection: duckdb.DuckDBPyConnection, staged: StagedFile) -> tuple[int, dict[str, int]]:
    checked = single(connection, "select count(*) from typed where file_no = ?", [staged.number])[0]
    failed = connection.execute(
        """
        select failures.code, count(*) from failures join judged on judged.row_no = failures.row_no
        where file_no = ? group by failures.code
        """,
        [staged.number],
    ).fetchall()
    return int(checked), dict(failed)


def _count(connection: duckdb.DuckDBPyConnection, entity: Entity, staged: StagedFile, batch: int) -> BatchCounts:
    found = single(
        connection,
        f"""
        select
            (select count(*) from {entity.table} where batch_seq = $batch),
            (select count(*) from judged join fates on fates.row_no = judged.row_no
                where file_no = $number and fate = 'duplicate'),
            (select count(*) from quarantine.rows where batch_seq = $batch)
        """,
        {"batch": batch, "number": staged.number},
    )
    raw, duplicates, quarantined = (int(value) for value in found)
    suppressed = staged.landed.suppressed
    counts = BatchCounts(batch, staged.received + suppressed, raw, duplicates, quarantined, suppressed)
    if counts.received != counts.raw + counts.duplicates + counts.quarantined + counts.suppressed:
        raise CheckFailed(
            f"The ledger of {staged.landed.file} does not hold: {counts.received} rows received, but {counts.raw} raw +"
            f" {counts.duplicates} duplicates + {counts.quarantined} quarantined + {counts.suppressed} suppressed;"
            " nothing of the file was taken in."
        )
    return counts


def _write_ledger(
    connection: duckdb.DuckDBPyConnection, entity: Entity, staged: StagedFile, counts: BatchCounts, moment: datetime
) -> None:
    landed = staged.landed
    connection.execute(
        """
        insert into ops.batches by name
        select $batch as batch_seq, $source as source, $entity as entity, $file as file, $sha256 as sha256,
            $landed_path as landed_path, $received as received, $raw as raw, $duplicates as duplicates,
            $quarantined as quarantined, $suppressed as suppressed, $moment as loaded_at, 'file' as kind,
            $landing_id as landing_id, $mapping as mapping,
            (select max(happened_at) from typed join fates on fates.row_no = typed.row_no
                where file_no = $number and fate = 'raw') as newest
        """,
        {
            "batch": counts.batch_seq,
            "source": entity.source,
            "entity": entity.entity,
            "file": landed.file,
            "sha256": landed.sha256,
            "landed_path": landed.landed_path,
            "received": counts.received,
            "raw": counts.raw,
            "duplicates": counts.duplicates,
            "quarantined": counts.quarantined,
            "suppressed": counts.suppressed,
            "moment": moment,
            "landing_id": landed.landing_id,
            "mapping": landed.mapping,
            "number": staged.number,
        },
    )
    if landed.expired:
        connection.execute("insert into ops.expired_rows values (?, ?)", [counts.batch_seq, landed.expired])
