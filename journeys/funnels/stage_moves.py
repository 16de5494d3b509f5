"""The transition graph of stages: who moves where from a stage, back edges and loops such as decision ⇄ consideration.

An edge to null is people who stand in the stage at the end of the period. Directions are those that the models give
each move: forward, back, lapse, restart.
"""

from __future__ import annotations

from typing import Any

import duckdb

from journeys.funnels.transitions import Direction, Graph, edges, ends, turns
from journeys.scope import Scope

MOVES = """
with {stays}
select stage, next_stage, any_value(next_move) as move, count(*) as moves
from stays
group by stage, next_stage
"""

LOOPS = """
with {stays},
walked as (
    select
        profile_id,
        stage as here,
        next_stage as following,
        lead(next_stage) over (partition by profile_id order by entered_at, episode_id) as third
    from stays
)
select least(here, following) as one, greatest(here, following) as other,
    count(*) as times, count(distinct profile_id) as people
from walked
where here = third
group by one, other
order by times desc, one, other
"""

PEOPLE = """
with {stays}
select distinct profile_id from stays where stage = $here and next_stage is not distinct from $following
"""

_DIRECTIONS: dict[str, Direction] = {"forward": "forward", "back": "back", "lapse": "lapse", "restart": "restart"}


def graph(connection: duckdb.DuckDBPyConnection, scope: Scope) -> Graph:
    """The graph of the people in scope, with its loops."""
    rows, query = scope.fetch(connection, MOVES)
    directions = {(row["stage"], row["next_stage"]): row["move"] for row in rows}

    def direction(here: str, there: str) -> Direction | None:
        return _DIRECTIONS.get(directions[here, there])

    looped, loop_query = scope.fetch(connection, LOOPS)
    return Graph(
        edges=edges([(row["stage"], row["next_stage"], int(row["moves"])) for row in rows], direction),
        loops=turns([(row["one"], row["other"], int(row["times"]), int(row["people"])) for row in looped]),
        queries={"transitions": query, "loops": loop_query, **scope.traces},
    )


def people(connection: duckdb.DuckDBPyConnection, scope: Scope, edge: str) -> tuple[str, dict[str, Any]]:
    """SQL of the profile ids behind an edge `FROM>TO` between stages, and its values."""
    stages = [row[0] for row in connection.execute("select stage from marts.journey_stages").fetchall()]
    here, following = ends(edge, stages)
    return scope.render(PEOPLE), {**scope.parameters, "here": here, "following": following}
