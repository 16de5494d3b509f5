"""What people decided, received by a run: the mirror of the store's rulings in the warehouse.

`identity.decisions` holds the links that hold, `identity.hub_overrides` the edits of the hub list, both as of the last
run; they are replaced in the run's transaction, so a killed run carries nothing out and forgets nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import duckdb
import pyarrow as pa

from cdp.domain.decisions import Decision, Rulings, StandingLink

NONE = Rulings()

_LINKS = pa.schema([(name, pa.string()) for name in ("decision_id", "kind", "record_a", "record_b")])
_EDITS = pa.schema([(name, pa.string()) for name in ("kind", "value", "action")])


def receive(connection: duckdb.DuckDBPyConnection, rulings: Rulings) -> bool:
    """Replace the mirror; whether anything differs from the last run.

    Leaves `wf_decided` (record_key), the records of decisions made or withdrawn since, and `wf_edited` (kind, value),
    the shared values of which people now say something else.
    """
    links = pa.Table.from_pylist([vars(link) for link in rulings.links], schema=_LINKS)
    connection.register("arriving", links)
    connection.execute(
        """
        create or replace temp table wf_decided as
        with difference as (
            (select decision_id, kind, record_a, record_b from arriving
                except select decision_id, kind, record_a, record_b from identity.decisions)
            union all
            (select decision_id, kind, record_a, record_b from identity.decisions
                except select decision_id, kind, record_a, record_b from arriving)
        )
        select record_a as record_key from difference union select record_b from difference
        """
    )
    changed = bool(connection.execute("select 1 from wf_decided limit 1").fetchall())
    if changed:
        connection.execute("create or replace table identity.decisions as select * from arriving")
    connection.unregister("arriving")
    return _receive_edits(connection, rulings) or changed


def carried_out(connection: duckdb.DuckDBPyConnection) -> list[StandingLink]:
    """The links that the last run carried out, in order; none before the first run."""
    if not is_there(connection, "decisions"):
        return []
    rows = connection.execute("select decision_id, kind, record_a, record_b from identity.decisions").fetchall()
    return sorted(StandingLink(*row) for row in rows)


Effect = Literal["now", "next run", "until the next run", "no more"]


def effect(decision: Decision, done: Collection[str]) -> Effect:
    """When a decision counts; `done` are the ids of the decisions that the last run carried out."""
    if decision.active:
        return "now" if decision.decision_id in done else "next run"
    return "until the next run" if decision.decision_id in done else "no more"


def edits_carried_out(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    """(kind, value, action) of the edits of the hub list that the last run carried out, in order."""
    if not is_there(connection, "hub_overrides"):
        return []
    return sorted(connection.execute("select kind, value, action from identity.hub_overrides").fetchall())


def _receive_edits(connection: duckdb.DuckDBPyConnection, rulings: Rulings) -> bool:
    edits = [{"kind": edit.kind, "value": edit.value, "action": edit.action} for edit in rulings.hub_edits]
    connection.register("arriving", pa.Table.from_pylist(edits, schema=_EDITS))
    connection.execute(
        """
        create or replace temp table wf_edited as
        select kind, value from arriving as a full join identity.hub_overrides as o using (kind, value)
        where a.action is distinct from o.action
        """
    )
    changed = bool(connection.execute("select 1 from wf_edited limit 1").fetchall())
    if changed:
        connection.execute("create or replace table identity.hub_overrides as select * from arriving")
    connection.unregister("arriving")
    return changed


def is_there(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether the schema `identity` has this table."""
    return bool(
        connection.execute(
            "select 1 from information_schema.tables where table_schema = 'identity' and table_name = ?", [table]
        ).fetchall()
    )
