"""Puts a journey map together from what was measured (`measured`): typed cells, intervals, the bottleneck, the title.

Reads a connection to the snapshot and writes nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import duckdb

from cdp.errors import InputError
from journeys import statistics
from journeys.breaks.search import bottleneck
from journeys.findings.model import Findings
from journeys.interventions import catalogue, ranking
from journeys.map import finding
from journeys.map.content import (
    MOVES,
    JourneyMap,
    Language,
    PainPoint,
    Service,
    StageColumn,
    Time,
    Totals,
    Touchpoint,
    Transition,
)
from journeys.map.measured import Measured, Rows, gather
from journeys.measures import Measure
from journeys.scope import Scope


def build_map(
    connection: duckdb.DuckDBPyConnection,
    *,
    as_of: datetime,
    segment: str | None = None,
    profile_ids: str | None = None,
    lang: Language = "en",
    since: datetime | None = None,
    until: datetime | None = None,
    findings: Findings | None = None,
    edits: Path | None = None,
) -> JourneyMap:
    """The journey of all people, or of those in the relation `profile_ids` (a column `profile_id`), named `segment`.

    `since` and `until` cut the period (`until` defaults to `as_of`); `findings` may be given when they are known
    already; `edits` is the file of interventions that people filled in. Raises InputError for a period that holds
    nothing and NotFoundError for a snapshot without marts.
    """
    end = until or as_of
    if end > as_of:
        raise InputError(f"The period ends after the data does: `until` must not be later than {as_of:%Y-%m-%d}.")
    scope = Scope(until=end, since=since, relation=profile_ids or "marts.profiles", segment=segment)
    return measure(connection, scope, as_of=as_of, lang=lang, findings=findings, edits=edits)


def measure(
    connection: duckdb.DuckDBPyConnection,
    scope: Scope,
    *,
    as_of: datetime,
    lang: str = "en",
    findings: Findings | None = None,
    edits: Path | None = None,
) -> JourneyMap:
    """The journey of the people in scope."""
    _language(lang)
    return compose(gather(connection, scope, findings), as_of=as_of, lang=lang, edits=edits)


def compose(measured: Measured, *, as_of: datetime, lang: str = "en", edits: Path | None = None) -> JourneyMap:
    """The page of what was measured, in a language, with what people filled in for the interventions."""
    speaks = _language(lang)
    scope, rows, found = measured.scope, measured.rows, measured.findings
    interventions = ranking.rank(found, catalogue.load(edits), speaks)
    path = sorted((row for row in rows["stages"] if row["is_path"]), key=lambda row: row["position"])
    narrow = bottleneck(rows["fates"], [row["stage"] for row in path])
    stages = tuple(_column(stage, measured) for stage in rows["stages"])
    totals = rows["totals"][0]
    return JourneyMap(
        lang=speaks,
        segment=scope.segment,
        as_of=as_of.astimezone(UTC),
        since=scope.since,
        until=scope.until.astimezone(UTC),
        first_touchpoint=totals["first_at"],
        headline=finding.headline(found, stages, narrow, speaks),
        totals=_totals(totals),
        stages=stages,
        transitions=tuple(_transition(row) for row in rows["steps"]),
        bottleneck=narrow[0] if narrow else None,
        interventions=interventions,
        queries=measured.traces,
        feeling_model=measured.feeling.model,
    )


def _language(lang: str) -> Language:
    if lang not in get_args(Language):
        raise InputError(f"The map speaks en and zh, not `{lang[:20]}`.")
    return "zh" if lang == "zh" else "en"


def _totals(row: dict[str, Any]) -> Totals:
    people, touched = int(row["people"]), int(row["touchpoints"])
    return Totals(
        people=Measure(value=people, n=people, query="totals"),
        anonymous=Measure(value=int(row["anonymous"]), n=people, query="totals"),
        touchpoints=Measure(value=touched, n=touched, unit="touchpoints", query="totals"),
        sources=tuple((row["sources"] or "").split(", ")) if row["sources"] else (),
    )


def _column(stage: dict[str, Any], measured: Measured) -> StageColumn:
    name, rows = stage["stage"], measured.rows
    felt = next(cell for cell in measured.feeling.cells if cell.stage == name)
    people = _row(rows["people"], name)
    reached, now = int(people.get("reached", 0)), int(people.get("now", 0))
    total = int(rows["totals"][0]["people"])
    moves = _moves(rows["moves"], name) if stage["is_path"] else _returns(rows["moves"], name, people)
    return StageColumn(
        stage=name,
        label=stage["label"],
        description=stage["description"] or "",
        position=stage["position"],
        is_path=bool(stage["is_path"]),
        reached=Measure(value=reached, n=total, query="people"),
        now=Measure(value=now, n=reached, query="people"),
        steps_on=_steps(rows, stage),
        moves=moves,
        time=_time(_row(rows["time"], name)),
        feeling=felt.good,
        feeling_from=felt.basis,
        touchpoints=_touchpoints(rows, name, reached),
        service=_service(_row(rows["service"], name), reached),
        pain_points=_pain_points(name, measured.findings, moves),
    )


def _row(rows: list[dict[str, Any]], stage: str) -> dict[str, Any]:
    return next((row for row in rows if row["stage"] == stage), {})


def _share(hits: int, n: int, query: str, unit: str = "share") -> Measure:
    if n == 0:
        return Measure(value=None, n=0, unit=unit, query=query)
    low, high = statistics.wilson(hits, n)
    return Measure(value=hits / n, n=n, low=low, high=high, unit=unit, query=query)


def _moves(rows: list[dict[str, Any]], stage: str) -> dict[str, Measure]:
    counted = {row["move"]: int(row["moves"]) for row in rows if row["stage"] == stage}
    total = sum(counted.values())
    return {move: _share(counted[move], total, "moves", "share of moves") for move in MOVES if move in counted}


def _returns(rows: list[dict[str, Any]], stage: str, people: dict[str, Any]) -> dict[str, Measure]:
    """Off the path everyone who leaves comes back: shares are over all stays, so that staying away is seen too."""
    stays = int(people.get("stays", 0))
    back = sum(int(row["moves"]) for row in rows if row["stage"] == stage and row["move"] != "service")
    if not stays:
        return {}
    unit = "share of stays"
    return {"restart": _share(back, stays, "moves", unit), "stay": _share(stays - back, stays, "moves", unit)}


def _steps(rows: Rows, stage: dict[str, Any]) -> Measure:
    """People who went forward from this stage straight into the next one of the path."""
    following = [row for row in rows["stages"] if row["is_path"] and row["position"] > stage["position"]]
    if not stage["is_path"] or not following:
        return Measure(value=None, n=0, query="steps")
    target = min(following, key=lambda row: row["position"])["stage"]
    steps = [row for row in rows["steps"] if row["stage"] == stage["stage"] and row["next_stage"] == target]
    reached = int(_row(rows["people"], stage["stage"]).get("reached", 0))
    return Measure(value=sum(int(row["people"]) for row in steps), n=reached, query="steps")


def _transition(row: dict[str, Any]) -> Transition:
    people, moves = int(row["people"]), int(row["moves"])
    return Transition(
        from_stage=row["stage"],
        to_stage=row["next_stage"],
        move=row["move"],
        people=Measure(value=people, n=people, query="steps"),
        moves=Measure(value=moves, n=moves, unit="moves", query="steps"),
    )


def _time(row: dict[str, Any]) -> Time:
    def quartile(name: str) -> Measure:
        return Measure(
            value=row.get(name),
            n=int(row.get("stays", 0)),
            low=row.get(f"{name}_low"),
            high=row.get(f"{name}_high"),
            unit="days",
            query="time",
        )

    return Time(p25=quartile("p25"), p50=quartile("p50"), p75=quartile("p75"))


def _touchpoints(rows: Rows, stage: str, reached: int) -> tuple[Touchpoint, ...]:
    labels = {row["touchpoint_type"]: row["label"] for row in rows["labels"]}
    return tuple(
        Touchpoint(
            type=row["touchpoint_type"],
            label=labels.get(row["touchpoint_type"]) or row["touchpoint_type"].replace("_", " ").capitalize(),
            lane=row["lane"],
            people=Measure(value=int(row["people"]), n=reached, query="touchpoints"),
        )
        for row in rows["touchpoints"]
        if row["stage"] == stage
    )


def _service(row: dict[str, Any], reached: int) -> Service:
    people, tickets = int(row.get("people", 0)), int(row.get("tickets", 0))
    return Service(
        people=Measure(value=people, n=reached, query="service"),
        share=_share(people, reached, "service", "share of people"),
        tickets=Measure(value=tickets, n=tickets, unit="tickets", query="service"),
        hours=Measure(
            value=row.get("hours"),
            n=int(row.get("solved", 0)),
            low=row.get("hours_low"),
            high=row.get("hours_high"),
            unit="hours",
            query="service",
        ),
        slow=_share(int(row.get("slow", 0)), tickets, "service", "share of tickets"),
    )


def _pain_points(stage: str, findings: Findings, moves: dict[str, Measure]) -> tuple[PainPoint, ...]:
    subjects: dict[str, PainPoint] = {}
    for found in findings.findings:
        best = found.best
        if found.stage == stage and found.kind == "inflection" and best is not None and best.value > 0:
            subjects.setdefault(found.subject, PainPoint(key=found.key, finding=found))
    if subjects:
        return tuple(subjects.values())
    leaves = moves.get("lapse")
    if leaves is None or leaves.value is None:
        return ()
    gone = Measure(value=round(leaves.value * leaves.n), n=leaves.n, unit="stays", query="moves")
    return (PainPoint(key="leaves", share=leaves, people=gone),)
