"""Corrections on their way from the store to the warehouse, where the models put them in the place of what sources say.

Every whole run receives them before the models are built. What a source said when a correction was made is kept as a
digest, the first time that a run sees the correction and before anything new of that source is read, so that a later
change can be told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import duckdb
import pyarrow as pa

from cdp.domain.corrections import InForce, Place
from cdp.store import open_store
from pipelines.context import RunContext

_SCHEMA = pa.schema(
    [(name, pa.string()) for name in (
        "correction_id", "source", "source_record_id", "field", "value", "replaced", "lasts"
    )]
)  # fmt: skip
_TABLE = "ops.corrections"
_STATED = "intermediate.int_stated_records"


def receive(run: RunContext) -> int:
    """Replace `ops.corrections` by what counts now; how many fields of records that are."""
    with (
        run.step("corrections") as step,
        run.engine.writer() as connection,
        open_store(run.settings.database_url) as store,
    ):
        found = _digests(connection, store.corrections.in_force())
        store.corrections.note_replaced(found)
        step.rows = replace_all(connection, store.corrections.in_force())
    return step.rows


def replace_all(connection: duckdb.DuckDBPyConnection, in_force: Sequence[InForce]) -> int:
    """One transaction: the table holds these corrections afterwards, and nothing else."""
    rows = [{"correction_id": one.correction_id, "lasts": one.lasts, **vars(one.place)} for one in in_force]
    connection.register("arriving", pa.Table.from_pylist(rows, _SCHEMA))
    connection.execute("begin")
    try:
        connection.execute(f"delete from {_TABLE}")
        connection.execute(f"insert into {_TABLE} by name select * from arriving")
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    finally:
        connection.unregister("arriving")
    return len(rows)


def carried_out(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, ...]]:
    """(correction, source, record, field) of what the last run received, in order."""
    return sorted(connection.execute(f"select correction_id, source, source_record_id, field from {_TABLE}").fetchall())


def named(in_force: Iterable[InForce]) -> list[tuple[str, ...]]:
    """The same of what counts now."""
    return sorted((one.correction_id, *one.place.key) for one in in_force)


def _digests(connection: duckdb.DuckDBPyConnection, in_force: Sequence[InForce]) -> list[tuple[str, Place]]:
    """What the sources say of each place that has no digest yet; nothing where no model was ever built."""
    there = connection.execute(
        "select 1 from duckdb_views() where schema_name || '.' || view_name = ?", [_STATED]
    ).fetchall()
    new = [one for one in in_force if one.place.replaced is None]
    found: list[tuple[str, Place]] = []
    for one in new if there else ():
        # The digest is that of the macro `fingerprint`.
        rows = connection.execute(
            f"select md5(concat(coalesce('=' || {one.place.field}, '0'), chr(31))) from {_STATED} "
            "where source = ? and source_record_id = ?",
            [one.place.source, one.place.source_record_id],
        ).fetchall()
        found += [(one.correction_id, replace(one.place, replaced=row[0])) for row in rows]
    return found
