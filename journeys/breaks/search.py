"""Finds where the path loses people: runs the queries and gives each number its interval. Writes nothing."""

from __future__ import annotations

from typing import Any

import duckdb

from journeys import statistics
from journeys.breaks import queries
from journeys.breaks.model import Acquisition, Bottleneck, Breaks, DropOff, Loop, StepDropOff
from journeys.measures import Effect, Measure, share
from journeys.scope import Scope, has_column

# Days a newcomer has to get somewhere before acquisition is judged.
ACQUISITION_DAYS = 90
# Steps that fewer stays had say nothing.
LEAST_STAYS = 30
# A stage with fewer stays is too thinly travelled to be called the bottleneck.
LEAST_FLOW = 30

Rows = list[dict[str, Any]]


def find(connection: duckdb.DuckDBPyConnection, scope: Scope) -> Breaks:
    """Drop-off, bottlenecks, acquisition and loops of the people in scope."""
    known = has_column(connection, "touchpoints", "acquisition_channel")
    channel = "coalesce(t.acquisition_channel, t.channel)" if known else "t.channel"
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "drop_off": (queries.DROP_OFF, {}),
        "steps": (queries.STEPS, {}),
        "flows": (queries.FLOWS, {}),
        "fates": (queries.FATES, {}),
        "acquisition": (queries.ACQUISITION.replace("{channel}", channel), {"days": ACQUISITION_DAYS}),
        "loops": (queries.LOOPS, {}),
    }
    answers = {name: scope.fetch(connection, sql, **values) for name, (sql, values) in asked.items()}
    rows = {name: answer[0] for name, answer in answers.items()}
    path = [row["stage"] for row in rows["drop_off"]]
    return Breaks(
        drop_off=tuple(_drop_off(row, leads_on=row["stage"] != path[-1]) for row in rows["drop_off"]),
        steps=tuple(_step(row) for row in rows["steps"] if row["stays"] >= LEAST_STAYS and row["stage"] in path[:-1]),
        bottlenecks=_bottlenecks(rows["flows"], rows["fates"], path[:-1]),
        acquisition=_acquisition(rows["acquisition"]),
        loops=tuple(_loop(row) for row in rows["loops"]),
        queries={name: answer[1] for name, answer in answers.items()},
    )


def _drop_off(row: dict[str, Any], *, leads_on: bool) -> DropOff:
    reached, went_on = int(row["reached"]), int(row["went_on"])
    followed = int(row["followed"]) if leads_on else 0
    return DropOff(
        stage=row["stage"],
        days=int(row["days"]),
        reached=Measure(value=reached, n=reached, query="drop_off"),
        stopped=share(followed - went_on, followed, "share of people", "drop_off"),
        days_to_next=Measure(value=row["days_to_next"], n=went_on, unit="days", query="drop_off"),
    )


def _step(row: dict[str, Any]) -> StepDropOff:
    stays = int(row["stays"])
    return StepDropOff(
        stage=row["stage"],
        step=row["touchpoint_type"],
        stays=Measure(value=stays, n=int(row["people"]), unit="stays", query="steps"),
        stopped=share(int(row["stopped"]), stays, "share of stays", "steps"),
        went_on=share(int(row["went_on"]), stays, "share of stays", "steps"),
    )


def _bottlenecks(flows: Rows, fates: Rows, path: list[str]) -> tuple[Bottleneck, ...]:
    """Stages of the path but the last, and which of them is the bottleneck."""
    months: dict[str, Rows] = {stage: [] for stage in path}
    for row in flows:
        if row["stage"] in months:
            flow = {key: int(row[key]) for key in ("inflow", "onward", "away")}
            months[row["stage"]].append({"month": f"{row['month']:%Y-%m}", **flow})
    fate = {row["stage"]: row for row in fates}
    onward = {stage: _fate(fate.get(stage), "onward") for stage in path}
    ranked = _narrowest(onward)
    worst = ranked[0] if ranked else None
    distinct = len(ranked) > 1 and (onward[ranked[0]].high or 0.0) < (onward[ranked[1]].low or 0.0)
    found = []
    for stage in path:
        sums = {key: sum(each[key] for each in months[stage]) for key in ("inflow", "onward", "away")}

        def stays(value: int, n: int = sums["inflow"]) -> Measure:
            return Measure(value=value, n=n, unit="stays", query="flows")

        found.append(
            Bottleneck(
                stage=stage,
                months=tuple(months[stage]),
                inflow=stays(sums["inflow"]),
                onward=onward[stage],
                away=_fate(fate.get(stage), "away"),
                gap=stays(sums["inflow"] - sums["onward"]),
                gathering=stays(sums["inflow"] - sums["onward"] - sums["away"]),
                is_bottleneck=stage == worst,
                is_distinct=stage == worst and distinct,
            )
        )
    return tuple(found)


def bottleneck(fates: Rows, path: list[str]) -> tuple[str, Measure] | None:
    """The stage that lets the smallest share of its stays go on, and that share (answers of `queries.FATES`).

    `path` are the stages of the path in order; the last leads nowhere. None when fewer than two stages have
    `LEAST_FLOW` stays: the only one is no narrower than another.
    """
    fate = {row["stage"]: row for row in fates}
    onward = {stage: _fate(fate.get(stage), "onward") for stage in path[:-1]}
    ranked = _narrowest(onward)
    return (ranked[0], onward[ranked[0]]) if ranked else None


def _narrowest(onward: dict[str, Measure]) -> list[str]:
    judged = [stage for stage, measure in onward.items() if measure.n >= LEAST_FLOW]
    return sorted(judged, key=lambda stage: onward[stage].value or 0.0) if len(judged) > 1 else []


def _fate(row: dict[str, Any] | None, name: str) -> Measure:
    hits, n = (int(row[name]), int(row["stays"])) if row else (0, 0)
    return share(hits, n, "share of stays", "fates")


def _acquisition(rows: Rows) -> tuple[Acquisition, ...]:
    everyone = sum(int(row["people"]) for row in rows)
    found = []
    for row in rows:
        n, hits = int(row["people"]), int(row["stuck"])
        beside = [other for other in rows if other["source"] == row["source"] and other is not row]
        rest, rest_hits = sum(int(other["people"]) for other in beside), sum(int(other["stuck"]) for other in beside)
        effect = None
        if n and rest:
            low, high = statistics.difference(hits, n, rest_hits, rest)
            effect = Effect(
                value=hits / n - rest_hits / rest, low=low, high=high, n_exposed=n, n_compared=rest,
                rate_exposed=hits / n, rate_compared=rest_hits / rest, method="difference of shares (Newcombe)",
            )  # fmt: skip
        people = Measure(value=n, n=everyone, query="acquisition")
        stuck = share(hits, n, "share of people", "acquisition")
        found.append(
            Acquisition(source=row["source"], channel=row["channel"], people=people, stuck=stuck, against_others=effect)
        )
    return tuple(found)


def _loop(row: dict[str, Any]) -> Loop:
    people, times = int(row["people"]), int(row["times"])
    return Loop(
        from_stage=row["upper_stage"],
        to_stage=row["lower_stage"],
        days=int(row["days"]),
        people=Measure(value=people, n=people, query="loops"),
        times=Measure(value=times, n=people, unit="times", query="loops"),
        again=share(int(row["again"]), people, "share of people", "loops"),
        went_on=share(int(row["went_on"]), int(row["followed"]), "share of people", "loops"),
    )
