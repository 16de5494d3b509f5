"""Firings of triggers on their way from the store to the warehouse, where they are touchpoints and experiments.

Every run copies them all, because the store is where they are decided and erased. Each comes with the profile that the
person lives on as; a firing of somebody who cannot be named any more (split, retired) is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa

from cdp.store import triggers
from cdp.store.outbox import Outbox
from cdp.store.triggers import Firing
from pipelines.context import RunContext

_SCHEMA = pa.schema(
    [
        ("firing_id", pa.int64()),
        ("trigger_key", pa.string()),
        ("profile_id", pa.string()),
        ("decided_at", pa.timestamp("us", tz="UTC")),
        ("state", pa.string()),
        ("holdout", pa.float64()),
    ]
)
_LIVING = """
insert into ops.trigger_firings
with recursive followed as (
    select firing_id, trigger_key, profile_id, decided_at, state, holdout from arriving
    union all
    select f.firing_id, f.trigger_key, p.merged_into, f.decided_at, f.state, f.holdout
    from followed as f
    inner join identity.profiles as p on f.profile_id = p.profile_id and p.status = 'merged'
)
select f.firing_id, f.trigger_key, f.profile_id, f.decided_at, f.state, f.holdout
from followed as f
inner join identity.profiles as p on f.profile_id = p.profile_id and p.status = 'living'
order by f.firing_id
"""


def copy_firings(run: RunContext) -> int:
    """Replace `ops.trigger_firings` by what the store holds; how many firings those are."""
    with run.step("trigger firings") as step, run.engine.writer() as connection:
        outbox = Outbox(run.settings.database_url)
        try:
            step.rows = replace(connection, outbox)
        finally:
            outbox.close()
    return step.rows


def replace(connection: duckdb.DuckDBPyConnection, outbox: Outbox) -> int:
    """One transaction: the table holds the firings of living people afterwards, and nothing else."""
    connection.execute("begin")
    try:
        connection.execute("delete from ops.trigger_firings")
        for batch in _batches(outbox):
            connection.register("arriving", _table(batch))
            connection.execute(_LIVING)
            connection.unregister("arriving")
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return int(connection.execute("select count(*) from ops.trigger_firings").fetchall()[0][0])


def _batches(outbox: Outbox) -> Iterator[list[Firing]]:
    after = 0
    while batch := triggers.carried_out(outbox, after=after):
        yield batch
        after = batch[-1].id


def _table(batch: list[Firing]) -> pa.Table:
    rows = [
        {
            "firing_id": one.id,
            "trigger_key": one.trigger_key,
            "profile_id": one.profile_id,
            "decided_at": one.decided_at,
            "state": one.state,
            "holdout": one.holdout,
        }
        for one in batch
    ]
    return pa.Table.from_pylist(rows, _SCHEMA)
