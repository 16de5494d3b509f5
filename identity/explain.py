"""Why two records are one person, or are not: every comparison with its weight, in plain words.

The pair is scored with the model in force exactly as in a run. Beside it stand the chain of edges that joins both in
one profile, the merges that were refused between their profiles, and what people decided. The words name fields and
levels of agreement, never values.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from heapq import heappop, heappush
from typing import Any

import duckdb

from cdp.errors import NotFoundError
from identity import matching, model_store
from identity.config import PIPELINE, MatchConfig
from identity.model import Model


@dataclass(frozen=True)
class Part:
    """One comparison: its finding, and its weight (log2) against two strangers and against two people of one home."""

    field: str
    finding: str
    against_strangers: float
    rarity: float
    against_home: float


@dataclass(frozen=True)
class Step:
    """An edge on the way from one record to the other; a decision's link has probability 1."""

    record_a: str
    record_b: str
    probability: float
    by: str


@dataclass(frozen=True)
class Explanation:
    """Weights are log2 odds; `weight` weighs the stronger of the two alternatives to one person."""

    record_a: str
    record_b: str
    profile_a: str
    profile_b: str
    weight: float
    probability: float
    start_strangers: float
    start_home: float
    against_strangers: float
    against_home: float
    parts: list[Part]
    path: list[Step]
    refusals: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    model_version: str
    words: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As `identity explain --json` prints it."""
        return asdict(self)


def explain(
    connection: duckdb.DuckDBPyConnection, record_a: str, record_b: str, *, config: MatchConfig = PIPELINE
) -> Explanation:
    """Explain the relation of two records, named SOURCE:ID.

    NotFoundError for an unknown record, or before the first run.
    """
    import math

    model = model_store.active(connection)
    if model is None:
        raise NotFoundError("There is no model yet: run `cdp run --from DIR` first.")
    profiles = {record: _profile(connection, record) for record in (record_a, record_b)}
    first, second = sorted((record_a, record_b))
    row = _scored(connection, first, second, model)
    parts = _parts(row, model)
    start_home = math.log2(model.prior_same / model.prior_home)
    strangers = min(float(row["match_weight"]), matching.MOST)
    home = min(start_home + sum(part.against_home for part in parts), matching.MOST)
    weight = -math.log2(2**-strangers + 2**-home)
    told = Explanation(
        record_a=record_a,
        record_b=record_b,
        profile_a=profiles[record_a],
        profile_b=profiles[record_b],
        weight=weight,
        probability=1 / (1 + 2**-weight),
        start_strangers=math.log2(model.prior_same / (1 - model.prior_same)),
        start_home=start_home,
        against_strangers=strangers,
        against_home=home,
        parts=parts,
        path=_path(connection, record_a, record_b, config) if profiles[record_a] == profiles[record_b] else [],
        refusals=_refusals(connection, profiles[record_a], profiles[record_b]),
        decisions=_decisions(connection, profiles[record_a], profiles[record_b]),
        model_version=model.version,
    )
    told.words.extend(_in_words(told))
    return told


def _profile(connection: duckdb.DuckDBPyConnection, record: str) -> str:
    rows = connection.execute(
        "select profile_id from identity.identity_map where source || ':' || source_record_id = ? "
        "and source <> 'marketing'",
        [record],
    ).fetchall()
    if not rows:
        raise NotFoundError(f"There is no source record {record}; records are named SOURCE:ID.")
    return str(rows[0][0])


def _scored(connection: duckdb.DuckDBPyConnection, first: str, second: str, model: Model) -> dict[str, Any]:
    connection.execute(
        "create or replace temp table wf_asked_keys as select * from (values (0, ?), (1, ?)) as t(number, record_key)",
        [first, second],
    )
    connection.execute("create or replace temp table wf_asked as select 0 as a, 1 as b")
    wanted = matching.Pairs("wf_asked", "wf_asked_keys")
    with matching.scored(connection, wanted, model) as (scratched, table):
        found = scratched.execute(f"select * from {table}").to_arrow_table().to_pylist()[0]
    connection.execute("drop table wf_asked; drop table wf_asked_keys")
    return dict(found)


def _parts(row: dict[str, Any], model: Model) -> list[Part]:
    """The comparisons that say something, the heaviest first."""
    parts = []
    for comparison in model.comparisons():
        name, weight = comparison.name, float(row[f"mw_{comparison.name}"])
        weights = [0.0, *model.stranger_weights(name)]
        level = min(range(len(weights)), key=lambda place: abs(weights[place] - weight)) - 1
        if level < 0:
            continue
        parts.append(
            Part(
                field=name,
                finding=comparison.levels[level].words,
                against_strangers=weight,
                rarity=float(row.get(f"mw_tf_adj_{name}") or 0.0),
                against_home=model.home_weights(name)[level],
            )
        )
    return sorted(parts, key=lambda part: (-abs(part.against_strangers + part.rarity), part.field))


def _path(connection: duckdb.DuckDBPyConnection, start: str, end: str, config: MatchConfig) -> list[Step]:
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
        where active and kind = 'always' and record_a in (from members) and record_b in (from members)
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
    path: list[Step] = []
    step = came.get(end)
    while step is not None:
        path.append(step)
        step = came[step.record_a]
    return path[::-1]


def _refusals(connection: duckdb.DuckDBPyConnection, profile_a: str, profile_b: str) -> list[dict[str, Any]]:
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
        order by r.probability desc, r.record_a, r.record_b limit 20
        """,
        [profile_a, profile_b],
    ).fetchall()
    return [dict(zip(("record_a", "record_b", "reason", "probability"), row, strict=True)) for row in rows]


def _decisions(connection: duckdb.DuckDBPyConnection, profile_a: str, profile_b: str) -> list[dict[str, Any]]:
    rows = connection.execute(
        """
        with placed as (
            select source || ':' || source_record_id as record_key from identity.identity_map
                where profile_id in ($1, $2)
        )
        select decision_id, kind, record_a, record_b, author from identity.decisions
        where active and record_a in (from placed) and record_b in (from placed)
        order by decision_id, kind, record_a, record_b
        """,
        [profile_a, profile_b],
    ).fetchall()
    return [dict(zip(("decision_id", "kind", "record_a", "record_b", "author"), row, strict=True)) for row in rows]


def _in_words(told: Explanation) -> list[str]:
    words = [f"Before looking, two records are one person with odds of 1 to {2**-told.start_strangers:,.0f}."]
    for part in told.parts:
        weight = part.against_strangers + part.rarity
        speaks = "for" if weight >= 0 else "against"
        rare = " (rare in these data)" if part.rarity > 1 else " (common in these data)" if part.rarity < -1 else ""
        words.append(f"{part.finding[0].upper()}{part.finding[1:]}{rare}: {abs(weight):.1f} {speaks} one person.")
    words.append(
        f"Against two strangers this makes {told.against_strangers:+.1f}, against two people of one household "
        f"{told.against_home:+.1f}; the stronger doubt counts: {told.weight:+.1f},"
        f" a probability of {told.probability:.1%}."
    )
    if told.profile_a == told.profile_b:
        if len(told.path) > 1:
            words.append(f"They are in one profile, joined over {len(told.path) - 1} other record(s).")
        else:
            words.append(
                "They are in one profile." if told.path else "They are in one profile by the mean of its records."
            )
    else:
        words.append("They are in two profiles.")
    words += [f"A merge was refused: {refusal['reason']}." for refusal in told.refusals[:3]]
    return words
