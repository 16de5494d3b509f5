"""Happy path against real paths: the planned sequence of stages, what people did, and how the two deviate.

A person's actual path is the sequence of stages they stood in. Deviations are counted in the words of journey mapping:
skipped, gone back, left, come back. Fitness is the share of the planned stages that appear in order in the actual path
(longest common subsequence), weighted by how much of the actual path was planned.
"""

from __future__ import annotations

import duckdb

from cdp.errors import InputError
from journeys.measures import Frozen, Measure, Query, share
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


class Variant(Frozen):
    """One real path and the people who walked it."""

    stages: tuple[str, ...]
    people: Measure
    fitness: float
    deviations: tuple[str, ...]


class Conformance(Frozen):
    """Planned, actual, deviation."""

    planned: tuple[str, ...]
    variants: tuple[Variant, ...]
    happy: Measure
    begun: Measure
    deviations: dict[str, Measure]
    fitness: Measure
    queries: dict[str, Query]


def compare(
    connection: duckdb.DuckDBPyConnection, scope: Scope, planned: tuple[str, ...] | None = None, limit: int = 50
) -> Conformance:
    """Real paths against `planned` (the stages of the path by default). InputError for a stage that does not exist."""
    stages = connection.execute(
        "select stage, position, is_path from marts.journey_stages order by position"
    ).fetchall()
    known = [row[0] for row in stages]
    plan = planned or tuple(row[0] for row in stages if row[2])
    unknown = [stage for stage in plan if stage not in known]
    if unknown:
        raise InputError(f"There is no stage `{unknown[0][:80]}`; the stages are {', '.join(known)}.")
    if len(plan) < 2:
        raise InputError("A planned path needs at least two stages.")
    off_path = {row[0] for row in stages if not row[2]}
    rows, query = scope.fetch(connection, VARIANTS)
    total = sum(int(row["people"]) for row in rows)
    counts = dict.fromkeys(("skipped", "back", "left", "returned"), 0)
    variants, happy, begun, weighted = [], 0, 0, 0.0
    for row in rows:
        walk, people = tuple(row["walk"].split(">")), int(row["people"])
        kinds = deviations(walk, plan, off_path)
        for kind in kinds:
            counts[kind] += people
        happy += people * (walk == plan)
        begun += people * (not kinds and walk == plan[: len(walk)])
        score = fitness(walk, plan)
        weighted += people * score
        measured = Measure(value=people, n=total, query="variants")
        variants.append(Variant(stages=walk, people=measured, fitness=score, deviations=kinds))
    return Conformance(
        planned=plan,
        variants=tuple(variants[:limit]),
        happy=share(happy, total, "share of people", "variants"),
        begun=share(begun, total, "share of people", "variants"),
        deviations={kind: share(hits, total, "share of people", "variants") for kind, hits in counts.items()},
        fitness=Measure(value=weighted / total if total else None, n=total, unit="fitness", query="variants"),
        queries={"variants": query},
    )


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
