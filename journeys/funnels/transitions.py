"""The transition graph: how often one type of touchpoint directly follows another, back edges included.

Over everybody it is one streaming pass over the physically ordered table; for some people, a period, or a table that is
not in order, the order is made explicit.
"""

from __future__ import annotations

import itertools
from typing import Literal

import duckdb

from journeys.funnels.timeline import EVERYBODY, VISIT_GAP, physically_ordered
from journeys.measures import Frozen, Measure, Query, share
from journeys.scope import Scope, traced

_Row = tuple[str, str | None, int]

# Streaming windows rely on the physical order of the table and cost little more than a scan. They run on one thread,
# so the table is cut into ranges of rows, each with the first row of the next one; persons and nodes become integers.
STREAMED = """
select here, case when together then following end as following, count(*) as moves
from (
    select
        place,
        here,
        lead(here) over () as following,
        lead(person) over () = person {within} as together
    from (
        select
            rowid as place,
            hash(profile_id) as person,
            list_position($nodes, {node})::usmallint as here
            {moment}
        from marts.touchpoints
        where rowid >= {first} and rowid <= {last}
    )
)
where place < {last}
group by 1, 2
"""

ORDERED = """
with steps as (
    select
        t.{node} as here,
        t.occurred_at as moment,
        lead(t.{node}) over person as following,
        lead(t.occurred_at) over person as later
    from marts.touchpoints as t
    where t.occurred_at >= $since and t.occurred_at <= $until {whom}
    window person as (partition by t.profile_id order by t.occurred_at, t.touchpoint_id)
)
select here, case when {within} then following end as following, count(*) as moves
from steps
group by 1, 2
"""


class Edge(Frozen):
    """Direct moves from one node to another; `share` is of all moves out of `from_node`."""

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
    whole = scope.relation == EVERYBODY and scope.since is None and _holds_all(connection, scope)
    ask = _streamed if whole and physically_ordered(connection) else _ordered
    rows, query = ask(connection, scope, node, unit)
    out: dict[str, int] = {}
    for here, _, moves in rows:
        out[here] = out.get(here, 0) + moves
    edges = [
        Edge(
            from_node=here,
            to_node=following,
            moves=Measure(value=moves, n=out[here], unit="moves", query="transitions"),
            share=share(moves, out[here], "share of moves", "transitions"),
        )
        for here, following, moves in rows
    ]
    edges.sort(key=lambda edge: (-(edge.moves.value or 0), edge.from_node, edge.to_node or ""))
    return Graph(edges=tuple(edges), queries={"transitions": query})


def _streamed(connection: duckdb.DuckDBPyConnection, scope: Scope, node: str, unit: str) -> tuple[list[_Row], Query]:
    nodes = [row[0] for row in connection.execute(f"select distinct {node} from marts.touchpoints").fetchall()]
    visit = unit == "visit"
    within = f"and lead(moment) over () - moment <= {VISIT_GAP}" if visit else ""
    text = STREAMED.replace("{within}", within).replace("{node}", node)
    text = text.replace("{moment}", ", epoch_us(occurred_at) as moment" if visit else "")
    last, ranges = _extent(connection)
    bounds = [round(last * index / ranges) for index in range(ranges + 1)]
    parts = [
        text.replace("{first}", str(first)).replace("{last}", str(final)) for first, final in itertools.pairwise(bounds)
    ]
    sql = f"select here, following, sum(moves)::bigint as moves from ({' union all '.join(parts)}) group by 1, 2"
    values = {"nodes": nodes}
    rows = connection.execute(sql, values).fetchall()
    return (
        [(nodes[here - 1], nodes[following - 1] if following else None, int(moves)) for here, following, moves in rows],
        traced(sql, values, scope.relation),
    )


def _ordered(connection: duckdb.DuckDBPyConnection, scope: Scope, node: str, unit: str) -> tuple[list[_Row], Query]:
    whom = "" if scope.relation == EVERYBODY else f"and t.profile_id in (select profile_id from {scope.relation})"
    within = "later - moment <= interval 30 minute" if unit == "visit" else "true"
    sql = ORDERED.replace("{whom}", whom).replace("{node}", node).replace("{within}", within)
    rows = connection.execute(sql, scope.parameters).fetchall()
    return [(here, following, int(moves)) for here, following, moves in rows], traced(sql, scope.parameters)


def _extent(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """One past the last row's number, and how many ranges to cut the table into."""
    found = connection.execute("select count(*), current_setting('threads') from marts.touchpoints").fetchone()
    rows, threads = (int(found[0]), int(found[1])) if found else (0, 1)
    return rows, threads if rows > 100_000 else 1


def _holds_all(connection: duckdb.DuckDBPyConnection, scope: Scope) -> bool:
    """Whether the period ends after the last touchpoint."""
    found = connection.execute("select max(occurred_at) from marts.touchpoints").fetchone()
    return bool(found and found[0] is not None and found[0] <= scope.parameters["until"])
