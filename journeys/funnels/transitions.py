"""The transition graph: how often one type of touchpoint directly follows another, back edges included.

Over everybody it is one streaming pass over the physically ordered table; for some people, a period, or a table that is
not in order, the order is made explicit.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Literal

import duckdb

from cdp.errors import InputError
from journeys.funnels.definition import Unit
from journeys.funnels.timeline import EVERYBODY, VISIT_GAP, physically_ordered
from journeys.measures import Frozen, Measure, Query, share
from journeys.naming import unknown
from journeys.scope import Scope, has_column, traced

Node = Literal["touchpoint_type", "event_name", "channel"]
Direction = Literal["forward", "back", "same", "lapse", "restart"]
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


# Whom an edge belongs to: those who made its move at least once.
PEOPLE = """
with steps as (
    select
        t.profile_id,
        t.{node} as here,
        t.occurred_at as moment,
        lead(t.{node}) over person as following,
        lead(t.occurred_at) over person as later
    from marts.touchpoints as t
    where t.occurred_at >= $since and t.occurred_at <= $until {whom}
    window person as (partition by t.profile_id order by t.occurred_at, t.touchpoint_id)
)
select distinct profile_id from steps
where here = $here and case when {within} then following end is not distinct from $following
"""

# There and back: one node, another one, and the first one again, right after each other.
LOOPS = """
with steps as (
    select
        t.profile_id,
        t.{node} as here,
        t.occurred_at as moment,
        lead(t.{node}) over person as following,
        lead(t.{node}, 2) over person as third,
        lead(t.occurred_at) over person as later,
        lead(t.occurred_at, 2) over person as last
    from marts.touchpoints as t
    where t.occurred_at >= $since and t.occurred_at <= $until {whom}
    window person as (partition by t.profile_id order by t.occurred_at, t.touchpoint_id)
)
select least(here, following) as one, greatest(here, following) as other,
    count(*) as times, count(distinct profile_id) as people
from steps
where here = third and here <> following and {within}
group by one, other
order by times desc, one, other
limit 50
"""

# Where most touchpoints of a kind are evidence for: which way an edge leads along the path.
PLACES = """
select t.{node} as node, mode(s.position) as position
from marts.touchpoints as t
inner join marts.journey_stages as s on t.stage = s.stage
where s.is_path
group by t.{node}
"""


class Edge(Frozen):
    """Direct moves from one node to another; `share` is of all moves out of `from_node`.

    `direction` says where along the path it leads: `forward`, `back`, `same` (both are evidence of one stage), or for
    stages also `lapse` and `restart`; null where a node says nothing about the stage. `node` names the people behind.
    """

    from_node: str
    to_node: str | None
    direction: Direction | None = None
    moves: Measure
    share: Measure
    node: str


class Turn(Frozen):
    """A loop between two nodes: how often units went from one to the other and straight back, and how many people."""

    between: tuple[str, str]
    times: Measure
    people: Measure


class Graph(Frozen):
    """All edges, most travelled first; an edge to null is where units ended."""

    edges: tuple[Edge, ...]
    loops: tuple[Turn, ...] = ()
    queries: dict[str, Query]


def graph(
    connection: duckdb.DuckDBPyConnection,
    scope: Scope,
    *,
    node: Node = "touchpoint_type",
    unit: Unit = "profile",
) -> Graph:
    """The edges between touchpoints of the people in scope; for visits none crosses a gap of more than 30 minutes."""
    whole = scope.relation == EVERYBODY and scope.since is None and _holds_all(connection, scope)
    ask = _streamed if whole and physically_ordered(connection) else _ordered
    rows, query = ask(connection, scope, node, unit)
    places = _places(connection, node)
    return Graph(edges=edges(rows, lambda here, there: _direction(places, here, there)),
                 queries={"transitions": query, **scope.traces})  # fmt: skip


def loops(
    connection: duckdb.DuckDBPyConnection, scope: Scope, *, node: Node = "touchpoint_type", unit: Unit = "profile"
) -> tuple[tuple[Turn, ...], Query]:
    """The fifty loops between two nodes that are walked most often."""
    within = "last - later <= interval 30 minute and later - moment <= interval 30 minute"
    sql = _filled(LOOPS, scope, node, within if unit == "visit" else "true")
    rows = connection.execute(sql, scope.parameters).fetchall()
    return turns(rows), traced(sql, scope.parameters, scope.relation)


def people(
    connection: duckdb.DuckDBPyConnection,
    scope: Scope,
    edge: str,
    *,
    node: Node = "touchpoint_type",
    unit: Unit = "profile",
) -> tuple[str, dict[str, Any]]:
    """SQL of the profile ids behind an edge, and its values. InputError for what is no edge between two known nodes."""
    rows = connection.execute(f"select distinct {node} from marts.touchpoints where {node} is not null").fetchall()
    here, following = ends(edge, [row[0] for row in rows])
    sql = _filled(PEOPLE, scope, node, "later - moment <= interval 30 minute" if unit == "visit" else "true")
    return sql, {**scope.parameters, "here": here, "following": following}


def edges(rows: list[_Row], direction: Callable[[str, str], Direction | None]) -> tuple[Edge, ...]:
    """Counted moves as edges with their shares, most travelled first."""
    out: dict[str, int] = {}
    for here, _, moves in rows:
        out[here] = out.get(here, 0) + moves
    found = [
        Edge(
            from_node=here,
            to_node=following,
            direction=direction(here, following) if following is not None else None,
            moves=Measure(value=moves, n=out[here], unit="moves", query="transitions"),
            share=share(moves, out[here], "share of moves", "transitions"),
            node=f"{here}>{following or ''}",
        )
        for here, following, moves in rows
    ]
    found.sort(key=lambda edge: (-(edge.moves.value or 0), edge.from_node, edge.to_node or ""))
    return tuple(found)


def turns(rows: list[tuple[str, str, int, int]]) -> tuple[Turn, ...]:
    """Counted loops: one node, the other, times, people."""
    return tuple(
        Turn(
            between=(one, other),
            times=Measure(value=times, n=people, unit="times", query="loops"),
            people=Measure(value=people, n=people, query="loops"),
        )
        for one, other, times, people in rows
    )


def ends(edge: str, known: list[str]) -> tuple[str, str | None]:
    """The two ends of `FROM>TO` (`FROM>` is where units end). InputError naming the nearest node."""
    for cut in (index for index, character in enumerate(edge) if character == ">"):
        here, following = edge[:cut], edge[cut + 1 :]
        if here in known and (following in known or not following):
            return here, following or None
    here, arrow, following = edge.partition(">")
    if not arrow:
        raise InputError(f"`{edge[:80]}` is no transition: write FROM>TO, or FROM> for where people end.")
    raise InputError(unknown("node", following if here in known else here, known))


def _places(connection: duckdb.DuckDBPyConnection, node: str) -> dict[str, int]:
    if node == "channel" or not has_column(connection, "journey_stages", "stage"):
        return {}
    return {row[0]: int(row[1]) for row in connection.execute(PLACES.replace("{node}", node)).fetchall()}


def _direction(places: dict[str, int], here: str, there: str) -> Direction | None:
    if here not in places or there not in places:
        return None
    difference = places[there] - places[here]
    return "forward" if difference > 0 else "back" if difference < 0 else "same"


def _filled(sql: str, scope: Scope, node: str, within: str) -> str:
    whom = "" if scope.relation == EVERYBODY else f"and t.profile_id in (select profile_id from {scope.relation})"
    return sql.replace("{whom}", whom).replace("{node}", node).replace("{within}", within)


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
    sql = _filled(ORDERED, scope, node, "later - moment <= interval 30 minute" if unit == "visit" else "true")
    rows = connection.execute(sql, scope.parameters).fetchall()
    traces = traced(sql, scope.parameters, scope.relation)
    return [(here, following, int(moves)) for here, following, moves in rows], traces


def _extent(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """One past the last row's number, and how many ranges to cut the table into."""
    found = connection.execute("select count(*), current_setting('threads') from marts.touchpoints").fetchone()
    rows, threads = (int(found[0]), int(found[1])) if found else (0, 1)
    return rows, threads if rows > 100_000 else 1


def _holds_all(connection: duckdb.DuckDBPyConnection, scope: Scope) -> bool:
    """Whether the period ends after the last touchpoint."""
    found = connection.execute("select max(occurred_at) from marts.touchpoints").fetchone()
    return bool(found and found[0] is not None and found[0] <= scope.parameters["until"])
