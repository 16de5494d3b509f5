"""Measures probes: crude and adjusted effects, intervals, and one correction over everything that was tested.

The crude effect is the difference of two shares; the adjusted one comes from a linear model that holds the context of
`evidence` equal, with errors clustered by person, so that one person's many visits do not count as many people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from journeys import statistics
from journeys.findings import evidence, words
from journeys.findings.model import Finding, Findings
from journeys.findings.probes import DeviceProbe, Probes, TicketProbe, VisitProbe, load_probes
from journeys.measures import Effect, Query
from journeys.scope import Scope, traced

FALSE_DISCOVERY_RATE = 0.05
# Fewer units than this on either side say nothing that a map should repeat.
LEAST_UNITS = 30
LEAST_CASES = 5


@dataclass(frozen=True)
class _Question:
    """A probe made concrete: one query, one hypothesis."""

    key: str
    subject: str
    days: int
    stage: str
    sql: str
    values: dict[str, Any]
    device: str | None = None


def search(connection: duckdb.DuckDBPyConnection, scope: Scope, probes: Probes | None = None) -> Findings:
    """Everything the probes and the experiments in the data say, corrected together (Benjamini-Hochberg)."""
    chosen = probes or load_probes()
    queries: dict[str, Query] = {}
    findings: list[Finding] = []
    p_values: list[float | None] = []
    for question in _questions(connection, scope, chosen):
        finding, p_value = _measure(connection, scope, question, queries)
        findings.append(finding)
        p_values.append(p_value)
    for finding, p_value in _experiments(connection, scope, queries):
        findings.append(finding)
        p_values.append(p_value)
    tested = [index for index, p_value in enumerate(p_values) if p_value is not None]
    adjusted = statistics.benjamini_hochberg([p for p in p_values if p is not None])
    for index, q_value in zip(tested, adjusted, strict=True):
        found = q_value <= FALSE_DISCOVERY_RATE
        findings[index] = findings[index].model_copy(update={"q_value": q_value, "discovered": found})
    findings.sort(key=lambda finding: (not finding.discovered, -finding.strength, finding.key))
    return Findings(
        false_discovery_rate=FALSE_DISCOVERY_RATE, tested=len(tested), findings=tuple(findings), queries=queries
    )


def _questions(connection: duckdb.DuckDBPyConnection, scope: Scope, probes: Probes) -> list[_Question]:
    questions = [_ticket(probe) for probe in probes.tickets]
    for visit in probes.visits:
        questions.append(_visit(visit, None))
        if visit.by == "device":
            questions += [_visit(visit, device) for device in _devices(connection, scope, visit.among, visit.days)]
    for probe in probes.devices:
        devices = _devices(connection, scope, probe.among, probe.days)
        questions += [_device(probe, device) for device in devices if len(devices) > 1]
    return questions


def _ticket(probe: TicketProbe) -> _Question:
    sql = evidence.ticket_sql(probe.exposed)
    return _Question(probe.key, probe.key, probe.days, probe.stage, sql, {"days": probe.days})


def _visit(probe: VisitProbe, device: str | None) -> _Question:
    values: dict[str, Any] = {"days": probe.days, "among": list(probe.among), "exposed": list(probe.exposed)}
    key = probe.key
    if device:
        values["device"] = device
        key = f"{probe.key}:{device}"
    sql = evidence.visit_sql(one_device=device is not None)
    return _Question(key, probe.key, probe.days, probe.stage, sql, values, device)


def _device(probe: DeviceProbe, device: str) -> _Question:
    values = {"days": probe.days, "among": list(probe.among), "exposed": [], "device": device}
    return _Question(f"{probe.key}:{device}", probe.key, probe.days, probe.stage, evidence.device_sql(), values, device)


def _devices(connection: duckdb.DuckDBPyConnection, scope: Scope, among: tuple[str, ...], days: int) -> list[str]:
    rows, _ = scope.fetch(connection, evidence.DEVICES, among=list(among), exposed=[], days=days)
    return [row["device"] for row in rows if row["device"] != "unknown"]


def _measure(
    connection: duckdb.DuckDBPyConnection, scope: Scope, question: _Question, queries: dict[str, Query]
) -> tuple[Finding, float | None]:
    text = scope.render(question.sql)
    values = {key: value for key, value in {**scope.parameters, **question.values}.items() if f"${key}" in text}
    units = connection.execute(text, values).df()
    queries[question.key] = traced(text, values, scope.relation)
    exposed = units["exposed"].to_numpy(dtype=np.float64)
    defected = units["defected"].to_numpy(dtype=np.float64)
    crude = _crude(exposed, defected, units)
    reason = _too_few(exposed, defected)
    adjusted = None if reason else _adjusted(exposed, defected, units, crude)
    best = adjusted or crude
    finding = Finding(
        key=question.key,
        kind="inflection",
        subject=question.subject,
        outcome=f"no_purchase_{question.days}d",
        stage=question.stage,
        basis="association",
        sentence=words.inflection(question.key, question.days, crude) if crude else "",
        effect=crude,
        adjusted=adjusted,
        reason=reason,
        details={"device": question.device, "days": question.days},
        query=question.key,
    )
    return finding, best.p_value if best and not reason else None


def _too_few(exposed: statistics.Floats, defected: statistics.Floats) -> str | None:
    n, n_exposed = len(exposed), int(exposed.sum())
    if min(n_exposed, n - n_exposed) < LEAST_UNITS:
        return f"Too few to compare: {n_exposed} exposed, {n - n_exposed} others; {LEAST_UNITS} each are needed."
    share = float(defected.mean())
    if min(share, 1 - share) * min(n_exposed, n - n_exposed) < LEAST_CASES:
        return "Too few outcomes to compare."
    return None


def _crude(exposed: statistics.Floats, defected: statistics.Floats, units: pd.DataFrame) -> Effect | None:
    n_exposed = int(exposed.sum())
    n_compared = len(exposed) - n_exposed
    if n_exposed == 0 or n_compared == 0:
        return None
    hits_exposed = float(defected[exposed == 1].sum())
    hits_compared = float(defected[exposed == 0].sum())
    low, high = statistics.difference(hits_exposed, n_exposed, hits_compared, n_compared)
    slope = statistics.cluster_slope(defected, exposed, np.empty((len(exposed), 0)), _people(units))
    if slope is not None:
        low, high = min(low, slope.low), max(high, slope.high)
    return Effect(
        value=hits_exposed / n_exposed - hits_compared / n_compared,
        low=max(low, -1.0),
        high=min(high, 1.0),
        n_exposed=n_exposed,
        n_compared=n_compared,
        rate_exposed=hits_exposed / n_exposed,
        rate_compared=hits_compared / n_compared,
        p_value=slope.p_value if slope else None,
        method="difference of shares; wider of Newcombe and person-clustered interval",
    )


def _adjusted(
    exposed: statistics.Floats, defected: statistics.Floats, units: pd.DataFrame, crude: Effect | None
) -> Effect | None:
    context = [name for name in units.columns if name.startswith("x_")]
    dummies = pd.get_dummies(units[context], columns=context, drop_first=True, dtype=np.float64)
    slope = statistics.cluster_slope(defected, exposed, dummies.to_numpy(dtype=np.float64), _people(units))
    if slope is None or crude is None:
        return None
    return Effect(
        value=slope.value,
        low=max(slope.low, -1.0),
        high=min(slope.high, 1.0),
        n_exposed=crude.n_exposed,
        n_compared=crude.n_compared,
        p_value=slope.p_value,
        method=f"linear model beside {', '.join(name[2:] for name in context)}; errors clustered by person",
    )


def _people(units: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.asarray(pd.factorize(units["profile_id"])[0], dtype=np.int64)


def _experiments(
    connection: duckdb.DuckDBPyConnection, scope: Scope, queries: dict[str, Query]
) -> list[tuple[Finding, float | None]]:
    rows, query = scope.fetch(connection, evidence.EXPERIMENTS)
    queries["experiments"] = query
    results = []
    for name in sorted({row["experiment"] for row in rows}):
        arms = {row["arm"]: row for row in rows if row["experiment"] == name}
        control = next((arms[arm] for arm in ("control", "holdout", "none") if arm in arms), None)
        for arm, row in arms.items():
            if control is None or row is control:
                continue
            results.append(_uplift(name, arm, row, control))
    return results


def _uplift(name: str, arm: str, row: dict[str, Any], control: dict[str, Any]) -> tuple[Finding, float | None]:
    a, n_a, b, n_b = row["repeated"], row["people"], control["repeated"], control["people"]
    low, high = statistics.difference(a, n_a, b, n_b)
    pooled = (a + b) / (n_a + n_b)
    error = float(np.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b)))
    value = a / n_a - b / n_b
    effect = Effect(
        value=value,
        low=low,
        high=high,
        n_exposed=n_a,
        n_compared=n_b,
        rate_exposed=a / n_a,
        rate_compared=b / n_b,
        p_value=statistics.two_sided_p(value, error),
        method="difference of shares between random arms (Newcombe interval)",
    )
    enough = min(n_a, n_b) >= LEAST_UNITS
    finding = Finding(
        key=name if arm in ("treatment", name) else f"{name}:{arm}",
        kind="experiment",
        subject=name,
        outcome="repeat_purchase",
        stage="use",
        basis="randomised",
        sentence=words.uplift(name, effect),
        effect=effect,
        reason=None if enough else f"Too few to compare: {n_a} and {n_b} people; {LEAST_UNITS} each are needed.",
        details={"experiment": name, "arm": arm},
        query="experiments",
    )
    return finding, effect.p_value if enough else None
