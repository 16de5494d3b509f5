"""How two profiles, or two records of one, stand to each other: the way of edges, refused merges, decisions.

Read from what is served; only keys, probabilities and reasons leave this module.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import duckdb

from cdp.domain.decisions import StandingLink
from identity import rulings
from identity.config import MatchConfig

_MOST_REFUSALS = 20


@dataclass(frozen=True)
class Step:
    """An edge on the way from one record to the other; a decision's link has probability 1."""

    record_a: str
    record_b: str
    probability: float
    by: str


@dataclass(frozen=True)
class Refusal:
    """A merge that did not happen although the pair spoke for it, and why."""

    record_a: str
    record_b: str
    reason: str
    probability: float


@dataclass(frozen=True)
class Ruling:
    """A link of a decision between the profiles. `effective` is `now`, `next run`, or `until the next run`."""

    decision_id: str
    kind: str
    record_a: str
    record_b: str
    effective: str


def path(connection: duckdb.DuckDBPyConnection, start: str, end: str, config: MatchConfig) -> list[Step]:
    """The chain of edges within the profile whose weakest link is strongest."""
    if start == end:
        return []
    rows = connection.execute(
        """
        with members as (
            select source || ':' || source_record_id as record_key from identity.identity_map
            where profile_id = (
                select profile_id from identity.identity_map where source || ':' || source_record_id = ?)
        )
        select record_a, record_b, probability, 'match' from identity.edges
        where weight >= ? and record_a in (from members) and record_b in (from members)
        union all
        select record_a, record_b, 1.0, 'decision ' || decision_id from identity.decisions
        where kind = 'always' and record_a in (from members) and record_b in (from members)
        """,
        [start, config.join_weight],
    ).fetchall()
    neighbours: dict[str, list[tuple[str, float, str]]] = defaultdict(list)
    for a, b, probability, by in rows:
        neighbours[a].append((b, probability, by))
        neighbours[b].append((a, probability, by))
    came: dict[str, Step | None] = {}
    waiting: list[tuple[float, int, str, str, float, str]] = [(-1.0, 0, start, start, 1.0, "")]
    while waiting:
        weakest, length, record, origin, probability, by = heappop(waiting)
        if record in came:
            continue
        came[record] = Step(origin, record, probability, by) if record != start else None
        for other, strength, how in sorted(neighbours[record]):
            if other not in came:
                heappush(waiting, (max(weakest, -strength), length + 1, other, record, strength, how))
    steps: list[Step] = []
    step = came.get(end)
    while step is not None:
        steps.append(step)
        step = came[step.record_a]
    return steps[::-1]


def refusals(connection: duckdb.DuckDBPyConnection, profile_a: str, profile_b: str) -> list[Refusal]:
    """Merges refused between the two profiles, or, for one profile, between it and others."""
    between = "a.profile_id <> b.profile_id and (a.profile_id = $1 or b.profile_id = $1) and $2 = $1"
    rows = connection.execute(
        f"""
        with placed as (select source || ':' || source_record_id as record_key, profile_id from identity.identity_map)
        select r.record_a, r.record_b, r.reason, r.probability
        from identity.refusals as r
        join placed as a on a.record_key = r.record_a join placed as b on b.record_key = r.record_b
        where ({between}) or (a.profile_id = $1 and b.profile_id = $2 and $1 <> $2)
           or (a.profile_id = $2 and b.profile_id = $1 and $1 <> $2)
        order by r.probability desc, r.record_a, r.record_b limit {_MOST_REFUSALS}
        """,
        [profile_a, profile_b],
    ).fetchall()
    return [Refusal(*row) for row in rows]


def rulings_between(
    connection: duckdb.DuckDBPyConnection, standing: Sequence[StandingLink], profile_a: str, profile_b: str
) -> list[Ruling]:
    """Links of decisions within the records of the two profiles: those carried out and those that hold."""
    members = {
        record
        for (record,) in connection.execute(
            "select source || ':' || source_record_id from identity.identity_map where profile_id in ($1, $2)",
            [profile_a, profile_b],
        ).fetchall()
    }
    done, wanted = set(rulings.carried_out(connection)), set(standing)
    effective = {
        **dict.fromkeys(done - wanted, "until the next run"),
        **dict.fromkeys(wanted - done, "next run"),
        **dict.fromkeys(wanted & done, "now"),
    }
    return [
        Ruling(link.decision_id, link.kind, link.record_a, link.record_b, effective[link])
        for link in sorted(effective)
        if {link.record_a, link.record_b} <= members
    ]
