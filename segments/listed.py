"""A fixed list of people as a segment: who of them may be used for a purpose.

The people come as a relation of profile ids that somebody else worked out (a step of a funnel, a number on a map). The
consent gate decides as it does for every segment; nothing is said here about whoever it holds back but their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from segments import catalogue as catalogues
from segments import compiler, sql
from segments.conditions import allowed
from segments.gate import Gate, require_purpose
from segments.plan import PROFILES, Plan


@dataclass(frozen=True)
class Listed:
    """Profile ids in order, at most as many as were asked for; `size` counts all, `held_back` those not allowed."""

    profile_ids: list[str]
    purpose: str
    size: int
    held_back: int


def allowed_of(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    *,
    purpose: str,
    as_of: datetime,
    after: str | None = None,
    limit: int | None = None,
    gate: Gate | None = None,
) -> Listed:
    """Living profiles of a relation of profile ids who may be used for a purpose, from `after` on, ordered by id."""
    plan = Plan(catalogues.read(connection), as_of, {}, gate or Gate(), restrict_to=relation)
    usable = sql.known_true(allowed(require_purpose(purpose), plan))
    people = plan.select({"profile_id": sql.column("profile_id", PROFILES), "usable": usable}, [])
    text = compiler.text(people)
    counted = connection.execute(f"select count(*), count(*) filter (usable) from ({text})").fetchone() or (0, 0)
    chosen = f"select profile_id from ({text}) where usable and profile_id > $after order by profile_id"
    bound: dict[str, Any] = {"after": after or ""}
    if limit is not None:
        chosen, bound = f"{chosen} limit $limit", {**bound, "limit": limit}
    rows = connection.execute(chosen, bound).fetchall()
    return Listed([row[0] for row in rows], purpose, int(counted[0]), int(counted[0] - counted[1]))
