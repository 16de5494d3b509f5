"""Measures probes: crude and adjusted effects, intervals, and one correction over everything that was tested.

The crude effect is the difference of two shares; the adjusted one comes from a linear model that holds the context of
`evidence` equal, with errors clustered by person, so that one person's many visits do not count as many people.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import duckdb
import numpy as np

from journeys import statistics
from journeys.findings import evidence, uplift, words
from journeys.findings.model import Finding, Findings
from journeys.findings.probes import Probes, load_probes
from journeys.measures import Effect, Query
from journeys.scope import Scope, has_column, traced

if TYPE_CHECKING:
    import pandas as pd

FALSE_DISCOVERY_RATE = 0.05
# Fewer units than this on either side say nothing that a map should repeat.
LEAST_UNITS = 30
LEAST_CASES = 5
# Days over which findings with different outcomes are compared, in purchases.
HORIZON = 180
OUTCOMES = {"inflection": "no_purchase", "acquisition": "no_later_stage"}


@dataclass(frozen=True)
class _Question:
    """One hypothesis: which units are exposed, among which. `details` say what is compared with what."""

    key: str
    subject: str
    days: int
    stage: str | None
    query: str
    units: pd.DataFrame
    kind: Literal["inflection", "acquisition"] = "inflection"
    details: dict[str, str] = field(default_factory=dict)


def search(connection: duckdb.DuckDBPyConnection, scope: Scope, probes: Probes | None = None) -> Findings:
    """Everything the probes and the experiments in the data say, corrected together (Benjamini-Hochberg)."""
    queries: dict[str, Query] = {}
    asked = probes or load_probes()
    with _visits_kept(connection, scope, asked):
        answers = [_measure(question) for question in _questions(connection, scope, asked, queries)]
    answers += uplift.experiments(connection, scope, queries)
    tested = [p_value for _, p_value in answers if p_value is not None]
    corrected = iter(statistics.benjamini_hochberg(tested))
    findings = []
    for finding, p_value in answers:
        q_value = next(corrected) if p_value is not None else None
        discovered = q_value is not None and q_value <= FALSE_DISCOVERY_RATE
        judged = finding.model_copy(update={"q_value": q_value, "discovered": discovered})
        findings.append(judged.model_copy(update={"sentence": words.sentence(judged)}))
    findings.sort(key=lambda finding: (-finding.sureness * finding.people, finding.key))
    return Findings(
        false_discovery_rate=FALSE_DISCOVERY_RATE,
        tested=len(tested),
        findings=tuple(finding for finding in findings if finding.discovered),
        not_found=tuple(finding for finding in findings if not finding.discovered),
        queries=queries,
    )


@contextmanager
def _visits_kept(connection: duckdb.DuckDBPyConnection, scope: Scope, probes: Probes) -> Iterator[None]:
    """The visits of the people in scope numbered once for all probes of one search, and gone afterwards."""
    if not (probes.visits or probes.devices):
        yield
        return
    scope.fetch(connection, evidence.keep_visits_sql())
    try:
        yield
    finally:
        connection.execute(f"drop table if exists {evidence.KEPT_VISITS}")


def _questions(
    connection: duckdb.DuckDBPyConnection, scope: Scope, probes: Probes, queries: dict[str, Query]
) -> Iterator[_Question]:
    def collect(key: str, sql: str, run: str | None = None, **values: Any) -> pd.DataFrame:
        bound = {**scope.parameters, "horizon": HORIZON, **values}
        queries[key] = traced(scope.render(sql), bound, scope.relation)
        text = scope.render(run or sql)
        return connection.execute(text, {name: value for name, value in bound.items() if f"${name}" in text}).df()

    def visits(key: str, **values: Any) -> pd.DataFrame:
        return collect(key, evidence.visit_sql(), evidence.visit_sql(kept=True), **values)

    for ticket in probes.tickets:
        units = collect(ticket.key, evidence.ticket_sql(ticket.exposed), days=ticket.days)
        yield _Question(ticket.key, ticket.key, ticket.days, ticket.stage, ticket.key, units)
    for visit in probes.visits:
        values = {"among": list(visit.among), "exposed": list(visit.exposed)}
        anytime = visit.counts == "anytime"
        units = visits(visit.key, days=visit.days, anytime=anytime, **values)
        yield _Question(visit.key, visit.key, visit.days, visit.stage, visit.key, units)
        for device in _categories(units["x_device"]) if visit.by == "device" else ():
            there = units[units["x_device"] == device].reset_index(drop=True)
            key, details = f"{visit.key}:{device}", {"device": device}
            yield _Question(key, visit.key, visit.days, visit.stage, visit.key, there, details=details)
    for probe in probes.devices:
        values = {"among": list(probe.among), "exposed": list[str]()}
        units = visits(probe.key, days=probe.days, anytime=False, **values)
        for device, marked in _each_against_others(units, "x_device"):
            key, details = f"{probe.key}:{device}", {"device": device, "compares": "devices"}
            subject = probe.subject or probe.key
            yield _Question(key, subject, probe.days, probe.stage, probe.key, marked, details=details)
    for newcomers in probes.acquisition:
        known = has_column(connection, "touchpoints", "acquisition_channel")
        units = collect(newcomers.key, evidence.newcomer_sql(known), days=newcomers.days)
        for channel, marked in _each_against_others(units, "channel"):
            yield _Question(
                f"{newcomers.key}:{channel}", newcomers.key, newcomers.days, _first_stage(connection), newcomers.key,
                marked, kind="acquisition", details={"channel": channel, "compares": "channels"},
            )  # fmt: skip


def _each_against_others(units: pd.DataFrame, column: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Every category with enough units, marked as exposed, against all others together; nothing where all are one."""
    for category in _categories(units[column]) if units[column].nunique() > 1 else ():
        yield category, units.assign(exposed=units[column] == category).drop(columns=column)


def _categories(column: pd.Series[str]) -> list[str]:
    """Categories with enough units to compare, most used first."""
    counted = column.value_counts()
    return [str(name) for name, units in counted.items() if units >= LEAST_UNITS and name != "unknown"]


def _first_stage(connection: duckdb.DuckDBPyConnection) -> str:
    """The stage that every path begins with."""
    row = connection.execute(
        "select stage from marts.journey_stages where is_path order by position limit 1"
    ).fetchone()
    return str(row[0]) if row else ""


def _measure(question: _Question) -> tuple[Finding, float | None]:
    units = question.units
    exposed = units["exposed"].to_numpy(dtype=np.float64)
    defected = units["defected"].to_numpy(dtype=np.float64)
    crude = _crude(exposed, defected, units)
    reason = _too_few(exposed, defected)
    adjusted = None if reason else _adjusted(exposed, defected, units, crude)
    best = adjusted or crude
    finding = Finding(
        key=question.key,
        kind=question.kind,
        subject=question.subject,
        outcome=f"{OUTCOMES[question.kind]}_{question.days}d",
        stage=question.stage or _usual_stage(units) or "",
        basis="association",
        effect=crude,
        adjusted=adjusted,
        orders=None if reason else _orders(units),
        people=int(units.loc[units["exposed"], "profile_id"].nunique()),
        reason=reason,
        details={"days": question.days, **question.details},
        query=question.query,
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
    names, context = _context(units)
    slope = statistics.cluster_slope(defected, exposed, context, _people(units))
    if slope is None or crude is None:
        return None
    return Effect(
        value=slope.value,
        low=max(slope.low, -1.0),
        high=min(slope.high, 1.0),
        n_exposed=crude.n_exposed,
        n_compared=crude.n_compared,
        p_value=slope.p_value,
        method=f"linear model beside {', '.join(names)}; the larger of person-clustered and classical errors",
    )


def _orders(units: pd.DataFrame) -> Effect | None:
    """Gap in purchases per unit over the horizon, from units whose horizon has passed, context held equal."""
    followed = units[units["orders"].notna()]
    exposed = followed["exposed"].to_numpy(dtype=np.float64)
    n_exposed = int(exposed.sum())
    if min(n_exposed, len(exposed) - n_exposed) < LEAST_UNITS:
        return None
    orders = followed["orders"].to_numpy(dtype=np.float64)
    slope = statistics.cluster_slope(orders, exposed, _context(followed)[1], _people(followed))
    if slope is None:
        return None
    return Effect(
        value=slope.value,
        low=slope.low,
        high=slope.high,
        n_exposed=n_exposed,
        n_compared=len(exposed) - n_exposed,
        p_value=slope.p_value,
        method=f"purchases per unit within {HORIZON} days; linear model, the larger of clustered and classical errors",
    )


def _context(units: pd.DataFrame) -> tuple[list[str], statistics.Floats]:
    names = [name for name in units.columns if name.startswith("x_") and units[name].nunique() > 1]
    if not names:
        return [], np.empty((len(units), 0))
    import pandas as pd

    dummies = pd.get_dummies(units[names], columns=names, drop_first=True, dtype=np.float64)
    return [name[2:] for name in names], dummies.to_numpy(dtype=np.float64)


def _usual_stage(units: pd.DataFrame) -> str | None:
    """The stage in which most exposed units happened."""
    if "x_stage" not in units:
        return None
    stages = units.loc[units["exposed"] & (units["x_stage"] != "none"), "x_stage"]
    return str(stages.mode().iloc[0]) if len(stages) else None


def _people(units: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.int64]]:
    import pandas as pd

    return np.asarray(pd.factorize(units["profile_id"])[0], dtype=np.int64)
