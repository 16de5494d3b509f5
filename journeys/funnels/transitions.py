"""The transition graph: how often one type of touchpoint directly follows another, back edges included.

One streaming pass over the physically ordered table. The pass itself counts whether the order holds; where it does
not, the same question is asked again with an explicit order.
"""

from __future__ import annotations

from typing import Any, Literal

import duckdb

from journeys.breaks import share
from journeys.measures import Frozen, Measure, Query
from journeys.scope import Scope, traced

# Streaming windows rely on the physical order of the table and cost little more than a scan.
STREAMED = """
with steps as (
    select
        t.{node} as here,
        t.occurred_at as moment,
        t.profile_id as person,
        lead(t.{node}) over () as following,
        lead(t.occurred_at) over () as later,
        lead(t.profile_id) over () as whose
    from {source} as t
)
select
    here,
    case when whose = person {within} then following end as following,
    count(*) as moves,
    count(*) filter (whose = person and later < moment) as backwards,
    count(*) filter (whose is distinct from person) as ends
from steps
group by 1, 2
"""

ORDERED = """
with steps as (
    select
        t.{node} as here,
        t.occurred_at as moment,
        lead(t.{node}) over person as following,
        lead(t.occurred_at) over person as later
    from {source} as t
    window person as (partition by t.profile_id order by t.occurred_at, t.touchpoint_id)
)
select here, case when true {within} then following end as following, count(*) as moves
from steps
group by 1, 2
"""

SOURCE = """(
    select * from marts.touchpoints as p
    where p.occurred_at >= $since and p.occurred_at <= $until {whom}
)"""


class Edge(Frozen):
    """Direct moves from one node to another; `share` is of all moves out of `from_node`, `is_back` against the path."""

    from_node: str
    to_node: str | None
    moves: Measure
    share: Measure


class Graph(Frozen):
    """All edges, most travelled first; an edge to null is where units ended."""

    edges: tuple[Edge, ...]
    queries: dict[str, Query]


def graph(
    connection: duckdb.DuckDBPyConnection,
    scope: Scope,
    *,
    node: Literal["touchpoint_type", "event_name", "channel"] = "touchpoint_type",
    unit: Literal["person", "visit"] = "person",
) -> Graph:
    """The graph of the people in scope; for visits an edge does not cross a gap of more than 30 minutes."""
    whom = (
        "" if scope.relation == "marts.profiles" else f"and p.profile_id in (select profile_id from {scope.relation})"
    )
    source = SOURCE.replace("{whom}", whom) if whom or scope.since else "marts.touchpoints"
    within = "and later - moment <= interval 30 minute" if unit == "visit" else ""

    def ask(sql: str) -> tuple[list[tuple[Any, ...]], Query]:
        text = sql.replace("{source}", source).replace("{node}", node).replace("{within}", within)
        bound = {key: value for key, value in scope.parameters.items() if f"${key}" in text}
        return connection.execute(text, bound or None).fetchall(), traced(text, bound, scope.relation)

    rows, query = ask(STREAMED)
    if sum(row[3] for row in rows) or sum(row[4] for row in rows) != _people(connection, scope, source):
        rows, query = ask(ORDERED)
    out: dict[str, int] = {}
    for row in rows:
        out[row[0]] = out.get(row[0], 0) + int(row[2])
    edges = [
        Edge(
            from_node=row[0],
            to_node=row[1],
            moves=Measure(value=int(row[2]), n=out[row[0]], unit="moves", query="transitions"),
            share=share(int(row[2]), out[row[0]], "share of moves", "transitions"),
        )
        for row in rows
    ]
    edges.sort(key=lambda edge: (-(edge.moves.value or 0), edge.from_node, edge.to_node or ""))
    return Graph(edges=tuple(edges), queries={"transitions": query})


def _people(connection: duckdb.DuckDBPyConnection, scope: Scope, source: str) -> int:
    if source == "marts.touchpoints":
        sql, bound = "select count(*) from marts.profiles where touchpoints > 0", {}
    else:
        sql, bound = f"select count(distinct t.profile_id) from {source} as t", scope.parameters
    found = connection.execute(sql, bound or None).fetchone()
    return int(found[0]) if found else 0
