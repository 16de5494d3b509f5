"""The row ledger: what was received and what became of it, per batch and in sum; proved by recounting.

received = raw + duplicates + quarantined + suppressed holds for each batch. A replay receives nothing new: it moves
rows out of quarantine (counted negative) into raw or duplicates; an erasure moves rows out of raw and quarantine into
suppressed. So the sums always tell what is where now.
"""

from __future__ import annotations

import duckdb

from cdp.errors import CheckFailed
from pipelines.ingest.single import single
from pipelines.sources.registry import ENTITIES

COUNTS = ("received", "raw", "duplicates", "quarantined", "suppressed")


def totals(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    """Cumulative counts by `source.entity`; all entities are there, delivered or not."""
    sums = ", ".join(f"cast(sum({name}) as bigint)" for name in COUNTS)
    rows = connection.execute(f"select source || '.' || entity, {sums} from ops.batches group by all").fetchall()
    found = {name: dict(zip(COUNTS, values, strict=True)) for name, *values in rows}
    return {entity.name: found.get(entity.name, dict.fromkeys(COUNTS, 0)) for entity in ENTITIES}


def verify(connection: duckdb.DuckDBPyConnection) -> None:
    """Recount raw and quarantine against the ledger. Raises CheckFailed naming what is off first."""
    off = connection.execute(
        """
        select batch_seq, file from ops.batches
        where received <> raw + duplicates + quarantined + suppressed order by batch_seq limit 1
        """
    ).fetchone()
    if off is not None:
        raise CheckFailed(f"The ledger of batch {off[0]} ({off[1]}) does not add up: received is not raw + rest.")
    held = totals(connection)
    open_rows = dict(
        connection.execute(
            """
            select source || '.' || entity, count(*) from quarantine.rows
            where replayed_batch is null group by all
            """
        ).fetchall()
    )
    for entity in ENTITIES:
        expected = held[entity.name]
        held_raw = single(connection, f"select count(*) from {entity.table}")[0]
        counted = {"raw": int(held_raw), "quarantined": int(open_rows.get(entity.name, 0))}
        for place, number in counted.items():
            if number != expected[place]:
                raise CheckFailed(
                    f"The ledger says {expected[place]} rows of {entity.name} are {place}, but {number} are there."
                )
