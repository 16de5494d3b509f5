"""Findings and catalogue joined into a ranked list.

Worth is the number of purchases at stake over the following 180 days: people affected times the gap per person. The gap
is measured, the promise is not: closing it whole is the most an intervention could win. What is surely there comes
first: the list is ordered by the lower end of the interval over the difficulty, then by the estimate.
"""

from __future__ import annotations

from journeys.findings import words
from journeys.findings.model import Finding, Findings
from journeys.interventions.catalogue import Entry
from journeys.interventions.model import EffectOnPeople, Intervention, SegmentDocument
from journeys.measures import Measure

# Until somebody fills it in, every change is taken to be of middling difficulty.
USUAL_DIFFICULTY = 2


def rank(findings: Findings, entries: tuple[Entry, ...], lang: str = "en") -> tuple[Intervention, ...]:
    """Interventions whose finding was discovered and does harm (or, for an experiment, good), best first."""
    by_key = {finding.key: finding for finding in findings.findings}
    rows = [
        _intervention(entry, by_key[entry.finding], lang)
        for entry in entries
        if entry.finding in by_key and _actionable(by_key[entry.finding])
    ]
    return tuple(sorted(rows, key=lambda row: (-row.priority, -(row.worth.value or 0.0), row.key)))


def _actionable(finding: Finding) -> bool:
    return finding.best is not None and finding.best.value > 0


def _intervention(entry: Entry, finding: Finding, lang: str) -> Intervention:
    worth = _worth(finding)
    difficulty = entry.difficulty or USUAL_DIFFICULTY
    best = finding.best
    assert best is not None  # noqa: S101 - _actionable has looked
    crude = finding.effect or best
    return Intervention(
        key=entry.key,
        title=entry.named(lang),
        stage=finding.stage,
        people=finding.people,
        effect=EffectOnPeople(
            value=best.value,
            low=best.low,
            high=best.high,
            n=best.n_exposed + best.n_compared,
            outcome=finding.outcome,
            rate_exposed=crude.rate_exposed,
            rate_compared=crude.rate_compared,
        ),
        worth=worth,
        basis=finding.basis,
        wording=words.sentence(finding, lang),
        finding=finding.key,
        segment=_segment(entry, finding, lang),
        investment=entry.investment,
        difficulty=entry.difficulty,
        period_days=entry.period_days,
        status=entry.status,
        priority=max(worth.low or 0.0, 0.0) / difficulty,
        adjusted=finding.adjusted,
    )


def _segment(entry: Entry, finding: Finding, lang: str) -> SegmentDocument | None:
    if entry.segment is None:
        return None
    return SegmentDocument(
        key=entry.key,
        title=entry.named(lang),
        description=words.sentence(finding, lang),
        purpose=entry.segment.purpose,
        where=entry.segment.where,
    )


def _worth(finding: Finding) -> Measure:
    orders = finding.orders
    if orders is None:
        return Measure(value=None, n=0, unit="purchases in 180 days", query=finding.query)
    # An experiment counts what treatment adds; an inflection counts what exposure takes away.
    sign = 1.0 if finding.kind == "experiment" else -1.0
    ends = sorted((sign * orders.low * finding.people, sign * orders.high * finding.people))
    return Measure(
        value=sign * orders.value * finding.people,
        n=orders.n_exposed + orders.n_compared,
        low=ends[0],
        high=ends[1],
        unit="purchases in 180 days",
        query=finding.query,
    )
