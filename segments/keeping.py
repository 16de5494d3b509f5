"""Members of a segment that cannot be evaluated: those of the last time, under the ids and the consent of today.

A broken definition must neither tell every tool that all its people left nor hold up anybody else's segments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa
from sqlglot import exp

from segments import catalogue as catalogues
from segments import compiler, sql
from segments.conditions import allowed
from segments.gate import Gate
from segments.plan import PROFILES, Plan

_FORMER = "kept_members"

# Ids of former members and what they live on as in this snapshot; `union` ends merges that run in a circle.
_TODAY = f"""
with recursive chain (profile_id) as (
    select profile_id from {_FORMER}
    union
    select m.merged_into
    from chain as c
    join identity.profiles as m on m.profile_id = c.profile_id
    where m.merged_into is not null
)
select distinct profile_id from chain
"""


@dataclass(frozen=True)
class Kept:
    """Members kept in a segment, and how many of them its purpose may reach."""

    key: str
    members: pa.Table
    size: int
    exportable: int

    def memberships(self) -> Iterator[tuple[str, str, bool]]:
        """(segment key, profile id, exportable)."""
        for batch in self.members.to_batches():
            flags = batch.column("exportable").to_pylist()
            yield from ((self.key, one, flag) for one, flag in zip(batch.column(0).to_pylist(), flags, strict=True))


def keep(
    connection: duckdb.DuckDBPyConnection,
    key: str,
    former: Iterable[str],
    *,
    purpose: str,
    as_of: datetime,
    gate: Gate | None = None,
) -> Kept:
    """The former members who are still there, with today's answer of the gate for the purpose."""
    connection.register(_FORMER, pa.table({"profile_id": pa.array(list(former), pa.string())}))
    try:
        today = connection.execute(_TODAY).to_arrow_table()
        connection.register("kept_today", today)
        plan = Plan(catalogues.read(connection), as_of, {}, gate or Gate(), restrict_to="kept_today")
        usable = sql.known_true(allowed(purpose, plan))
        columns: dict[str, exp.Expr] = {"profile_id": sql.column("profile_id", PROFILES), "exportable": usable}
        query = plan.select(columns, []).order_by(sql.column("profile_id", PROFILES), copy=False)
        members = connection.execute(compiler.text(query)).to_arrow_table()
    finally:
        connection.unregister(_FORMER)
        connection.unregister("kept_today")
    exportable = sum(members.column("exportable").to_pylist())
    return Kept(key, members, members.num_rows, exportable)
