"""Measures a journey map from the published marts: one query per row of the page, then the findings.

Reads a connection to the snapshot and writes nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import duckdb

from cdp.errors import InputError, NotFoundError
from journeys import statistics
from journeys.findings.inflection import search
from journeys.findings.model import Findings
from journeys.interventions import catalogue, ranking
from journeys.map import finding, queries
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
from journeys.measures import Measure, Query
from journeys.scope import Scope, has_column

Rows = dict[str, list[dict[str, Any]]]

_ROWS = {
    "stages": queries.STAGES,
    "totals": queries.TOTALS,
    "people": queries.PEOPLE,
    "steps": queries.STEPS,
    "moves": queries.MOVES,
    "time": queries.TIME,
    "feeling": queries.FEELING,
    "touchpoints": queries.TOUCHPOINTS,
    "service": queries.SERVICE,
}
# Below this many moves a stage is too thinly travelled to be called the bottleneck.
LEAST_MOVES = 30


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
    if lang not in get_args(Language):
        raise InputError(f"The map speaks en and zh, not `{lang[:20]}`.")
    speaks: Language = "zh" if lang == "zh" else "en"
    rows, traces = _measure(connection, scope)
    found = findings or search(connection, scope)
    interventions = ranking.rank(found, catalogue.load(edits), speaks)
    bottleneck = _bottleneck(rows)
    stages = tuple(_column(stage, rows, found) for stage in rows["stages"])
    totals = rows["totals"][0]
    return JourneyMap(
        lang=speaks,
        segment=scope.segment,
        as_of=as_of.astimezone(UTC),
        since=scope.since,
        until=scope.until.astimezone(UTC),
        first_touchpoint=totals["first_at"],
        headline=finding.headline(found, stages, bottleneck, speaks),
        totals=_totals(totals),
        stages=stages,
        transitions=tuple(_transition(row) for row in rows["steps"]),
        bottleneck=bottleneck,
        interventions=interventions,
        queries={**traces, **found.queries, **scope.traces},
    )


def _measure(connection: duckdb.DuckDBPyConnection, scope: Scope) -> tuple[Rows, dict[str, Query]]:
    rows: Rows = {}
    traces: dict[str, Query] = {}
    try:
        for name, sql in _ROWS.items():
            rows[name], traces[name] = scope.fetch(connection, sql)
        labelled = has_column(connection, "touchpoint_types", "label")
        rows["labels"] = scope.fetch(connection, queries.LABELS)[0] if labelled else []
    except duckdb.CatalogException as error:
        raise NotFoundError(f"The snapshot has no journey tables: {str(error).splitlines()[0]}") from None
    if not any(row["is_path"] for row in rows["stages"]):
        raise InputError("The journey has no stages on its path; see the seed `journey_stages`.")
    if not rows["people"]:
        raise InputError(_nobody(connection, scope))
    return rows, traces


def _nobody(connection: duckdb.DuckDBPyConnection, scope: Scope) -> str:
    who = f"Segment `{scope.segment}` has nobody" if scope.segment else "Nobody was"
    found = connection.execute("select min(occurred_at), max(occurred_at) from marts.touchpoints").fetchone()
    first, last = found or (None, None)
    data = f" (touchpoints are from {first:%Y-%m-%d} to {last:%Y-%m-%d})" if first and last else ""
    return f"{who} on the journey in this period; choose a longer one or other people{data}."


def _totals(row: dict[str, Any]) -> Totals:
    people, touched = int(row["people"]), int(row["touchpoints"])
    return Totals(
        people=Measure(value=people, n=people, query="totals"),
        anonymous=Measure(value=int(row["anonymous"]), n=people, query="totals"),
        touchpoints=Measure(value=touched, n=touched, unit="touchpoints", query="totals"),
        sources=tuple((row["sources"] or "").split(", ")) if row["sources"] else (),
    )


def _column(stage: dict[str, Any], rows: Rows, findings: Findings) -> StageColumn:
    name = stage["stage"]
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
        feeling=_feeling(_row(rows["feeling"], name)),
        touchpoints=_touchpoints(rows, name, reached),
        service=_service(_row(rows["service"], name), reached),
        pain_points=_pain_points(name, findings, moves),
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


def _feeling(row: dict[str, Any]) -> Measure:
    return _share(int(row.get("good", 0)), int(row.get("rated", 0)), "feeling", "share of ratings that are good")


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


def _bottleneck(rows: Rows) -> str | None:
    """The stage on the path, the last one aside, from which most moves lead off it."""
    path = sorted((row for row in rows["stages"] if row["is_path"]), key=lambda row: row["position"])
    lost: dict[str, int] = {}
    for stage in path[:-1]:
        moves = {row["move"]: int(row["moves"]) for row in rows["moves"] if row["stage"] == stage["stage"]}
        if sum(moves.values()) >= LEAST_MOVES:
            lost[stage["stage"]] = moves.get("lapse", 0)
    worst = max(lost, key=lambda name: lost[name], default=None)
    return worst if worst is not None and lost[worst] > 0 else None
