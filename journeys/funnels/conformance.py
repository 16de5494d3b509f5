"""Happy path against real paths: the planned sequence of stages, what people did, and how the two deviate.

A person's actual path is the sequence of stages they stood in. Deviations are counted in the words of journey mapping:
skipped, gone back, left, come back. Fitness is the share of the planned stages that appear in order in the actual path
(longest common subsequence), weighted by how much of the actual path was planned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from cdp.errors import InputError
from journeys.measures import Frozen, Measure, Query, share
from journeys.naming import unknown
from journeys.scope import Scope

VARIANTS = """
with {stays},
walks as (
    select
        profile_id,
        string_agg(stage, '>' order by entered_at, episode_id) as walk
    from stays
    group by profile_id
)
select walk, count(*) as people from walks group by walk order by people desc, walk
"""


WALKERS = """
with {stays},
walks as (
    select
        profile_id,
        string_agg(stage, '>' order by entered_at, episode_id) as walk
    from stays
    group by profile_id
)
select profile_id from walks where list_contains($walks, walk)
"""

KINDS = ("skipped", "back", "left", "returned")


class Variant(Frozen):
    """One real path and the people who walked it; `node` names them."""

    stages: tuple[str, ...]
    people: Measure
    fitness: float
    deviations: tuple[str, ...]
    node: str


class Conformance(Frozen):
    """Planned, actual, deviation: `happy` walked the plan whole, `begun` are on it so far, the others deviate."""

    planned: tuple[str, ...]
    variants: tuple[Variant, ...]
    happy: Measure
    begun: Measure
    deviations: dict[str, Measure]
    fitness: Measure
    queries: dict[str, Query]


@dataclass(frozen=True)
class _Walks:
    """All real paths with the people on them, most walked first, and what they are held against."""

    plan: tuple[str, ...]
    off_path: set[str]
    counted: list[tuple[tuple[str, ...], int]]
    query: Query

    def kinds(self, walk: tuple[str, ...]) -> tuple[str, ...]:
        """How a walk deviates."""
        return deviations(walk, self.plan, self.off_path)


def compare(
    connection: duckdb.DuckDBPyConnection, scope: Scope, planned: tuple[str, ...] | None = None, limit: int = 50
) -> Conformance:
    """Real paths against `planned` (the stages of the path by default). InputError for a stage that does not exist."""
    walks = _walks(connection, scope, planned)
    total = sum(people for _, people in walks.counted)
    counts = dict.fromkeys(KINDS, 0)
    variants, happy, begun, weighted = [], 0, 0, 0.0
    for number, (walk, people) in enumerate(walks.counted, start=1):
        kinds = walks.kinds(walk)
        for kind in kinds:
            counts[kind] += people
        happy += people * (walk == walks.plan)
        begun += people * _begun(walk, walks)
        score = fitness(walk, walks.plan)
        weighted += people * score
        if number <= limit:
            measured = Measure(value=people, n=total, query="variants")
            node = f"variant.{number}"
            variants.append(Variant(stages=walk, people=measured, fitness=score, deviations=kinds, node=node))
    return Conformance(
        planned=walks.plan,
        variants=tuple(variants),
        happy=share(happy, total, "share of people", "variants"),
        begun=share(begun, total, "share of people", "variants"),
        deviations={kind: share(hits, total, "share of people", "variants") for kind, hits in counts.items()},
        fitness=Measure(value=weighted / total if total else None, n=total, unit="fitness", query="variants"),
        queries={"variants": walks.query, **scope.traces},
    )


def people(
    connection: duckdb.DuckDBPyConnection, scope: Scope, node: str, planned: tuple[str, ...] | None = None
) -> tuple[str, dict[str, Any]]:
    """SQL of the profile ids behind `happy`, `begun`, `variant.N` or `deviation.KIND`, and its values."""
    walks = _walks(connection, scope, planned)
    kind, _, rest = node.partition(".")
    every = [walk for walk, _ in walks.counted]
    if node == "happy":
        chosen = [walk for walk in every if walk == walks.plan]
    elif node == "begun":
        chosen = [walk for walk in every if _begun(walk, walks)]
    elif kind == "deviation" and rest in KINDS:
        chosen = [walk for walk in every if rest in walks.kinds(walk)]
    elif kind == "variant" and rest.isdecimal() and 1 <= int(rest) <= len(every):
        chosen = [every[int(rest) - 1]]
    else:
        raise InputError(
            f"`{node[:80]}` is no number of this comparison: write happy, begun, variant.N (N up to {len(every)}) or "
            f"deviation.KIND ({', '.join(KINDS)})."
        )
    return scope.render(WALKERS), {**scope.parameters, "walks": [">".join(walk) for walk in chosen]}


def _walks(connection: duckdb.DuckDBPyConnection, scope: Scope, planned: tuple[str, ...] | None) -> _Walks:
    stages = connection.execute(
        "select stage, position, is_path from marts.journey_stages order by position"
    ).fetchall()
    known = [row[0] for row in stages]
    plan = planned or tuple(row[0] for row in stages if row[2])
    for stage in plan:
        if stage not in known:
            raise InputError(unknown("stage", stage, known))
    if len(plan) < 2:
        raise InputError("A planned path needs at least two stages.")
    if len(set(plan)) < len(plan):
        raise InputError("A planned path names each stage once.")
    rows, query = scope.fetch(connection, VARIANTS)
    counted = [(tuple(row["walk"].split(">")), int(row["people"])) for row in rows]
    return _Walks(plan, {row[0] for row in stages if not row[2]} - set(plan), counted, query)


def _begun(walk: tuple[str, ...], walks: _Walks) -> bool:
    """Whether a walk is the plan so far: its first stages, or all of them."""
    return not walks.kinds(walk) and walk == walks.plan[: len(walk)]


def deviations(walk: tuple[str, ...], plan: tuple[str, ...], off_path: set[str]) -> tuple[str, ...]:
    """Which kinds of deviation a walk shows, each once."""
    found: list[str] = []
    furthest = -1
    place = {stage: index for index, stage in enumerate(plan)}
    previous = -1
    away = False
    for stage in walk:
        if stage in off_path:
            found.append("left")
            away = True
            continue
        if stage not in place:
            continue
        here = place[stage]
        if away:
            found.append("returned")
        elif here < previous:
            found.append("back")
        if here > furthest + 1:
            found.append("skipped")
        furthest, previous, away = max(furthest, here), here, False
    return tuple(dict.fromkeys(found))


def fitness(walk: tuple[str, ...], plan: tuple[str, ...]) -> float:
    """Twice the longest common subsequence over the two lengths together: 1 when walked as planned, 0 with nothing."""
    best = [0] * (len(plan) + 1)
    for stage in walk:
        before = 0
        for index, planned in enumerate(plan, start=1):
            kept = best[index]
            best[index] = before + 1 if stage == planned else max(best[index], best[index - 1])
            before = kept
    return 2 * best[-1] / (len(walk) + len(plan))
