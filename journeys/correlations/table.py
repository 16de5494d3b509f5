"""Each level of each factor against everybody else: share or mean with interval, difference with interval, and a word.

All comparisons of one table are corrected together (Benjamini-Hochberg). Nothing here is randomised, so nothing is
worded as cause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np

from journeys import statistics
from journeys.correlations import cohort
from journeys.measures import Effect, Frozen, Measure, Query
from journeys.scope import Scope
from journeys.statistics import Floats

if TYPE_CHECKING:
    import pandas as pd

FALSE_DISCOVERY_RATE = 0.05
LEAST = 30

OUTCOMES = {
    "retention": "bought again",
    "lapse": "lapsed",
    "value": "revenue",
    "lifetime_value": "revenue so far and expected",
}
SHARES = ("retention", "lapse")
FACTORS = {
    "feeling": "feeling about support",
    "time_of_day": "time of day (UTC) at which most happens",
    "new_or_returning": "first purchase on the first day, or after coming back",
    "first_channel": "channel of the first touchpoint",
    "acquisition": "what brought the first known visit",
    "support": "experience with support",
}


class Cell(Frozen):
    """One level of a factor against the others of the cohort, for one outcome.

    `difference` is this level minus all others, null where either side has fewer than 30 people; `associated` says
    whether it lies within the false discovery rate of the whole table.
    """

    outcome: str
    factor: str
    level: str
    value: Measure
    others: Measure
    difference: Effect | None
    q_value: float | None = None
    associated: bool = False
    sentence: str = ""
    reason: str | None = None


class Correlations(Frozen):
    """The table; `customers` are those whose follow-up is over, the only ones counted."""

    basis: str = "association"
    exposure_days: int
    follow_days: int
    customers: int
    outcomes: dict[str, str]
    factors: dict[str, str]
    false_discovery_rate: float
    tested: int
    cells: tuple[Cell, ...]
    reason: str | None
    queries: dict[str, Query]


def measure(connection: duckdb.DuckDBPyConnection, scope: Scope) -> Correlations:
    """The table of the customers in scope; without any it is empty and says why."""
    found = cohort.read(connection, scope)
    cells = [cell for outcome in OUTCOMES for factor in FACTORS for cell in _cells(found.customers, outcome, factor)]
    tested = [cell.difference.p_value for cell in cells if cell.difference and cell.difference.p_value is not None]
    corrected = iter(statistics.benjamini_hochberg(tested))
    judged = tuple(_judged(cell, next(corrected) if cell.difference else None) for cell in cells)
    days = cohort.EXPOSURE_DAYS + cohort.FOLLOW_DAYS
    return Correlations(
        exposure_days=cohort.EXPOSURE_DAYS,
        follow_days=cohort.FOLLOW_DAYS,
        customers=len(found.customers),
        outcomes=OUTCOMES,
        factors=FACTORS,
        false_discovery_rate=FALSE_DISCOVERY_RATE,
        tested=len(tested),
        cells=judged,
        reason=None if len(found.customers) else f"Nobody bought for the first time {days} days ago or earlier.",
        queries=found.queries,
    )


def _cells(customers: pd.DataFrame, outcome: str, factor: str) -> list[Cell]:
    known = customers[customers[outcome].notna()]
    values = known[outcome].to_numpy(dtype=np.float64)
    levels = known[factor].to_numpy(dtype=object)
    return [_cell(outcome, factor, str(level), values[levels == level], values[levels != level])
            for level in sorted(set(levels))]  # fmt: skip


def _cell(outcome: str, factor: str, level: str, inside: Floats, outside: Floats) -> Cell:
    value, others = _measure(outcome, inside), _measure(outcome, outside)
    if min(len(inside), len(outside)) < LEAST:
        reason = f"Too few to compare: {len(inside)} and {len(outside)} people; {LEAST} each are needed."
        return Cell(
            outcome=outcome, factor=factor, level=level, value=value, others=others, difference=None, reason=reason
        )
    return Cell(
        outcome=outcome, factor=factor, level=level, value=value, others=others,
        difference=_difference(outcome, inside, outside),
    )  # fmt: skip


def _measure(outcome: str, values: Floats) -> Measure:
    n = len(values)
    unit = "share of customers" if outcome in SHARES else "revenue a customer"
    if not n:
        return Measure(value=None, n=0, unit=unit, query="customers")
    mean = float(values.mean())
    if outcome in SHARES:
        low, high = statistics.wilson(float(values.sum()), n)
    elif n > 1:
        error = float(values.std(ddof=1)) / n**0.5
        low, high = mean - statistics.Z95 * error, mean + statistics.Z95 * error
    else:
        return Measure(value=mean, n=n, unit=unit, query="customers")
    return Measure(value=mean, n=n, low=low, high=high, unit=unit, query="customers")


def _difference(outcome: str, inside: Floats, outside: Floats) -> Effect:
    a, b = float(inside.mean()), float(outside.mean())
    n_a, n_b = len(inside), len(outside)
    if outcome in SHARES:
        low, high = statistics.difference(float(inside.sum()), n_a, float(outside.sum()), n_b)
        pooled = (inside.sum() + outside.sum()) / (n_a + n_b)
        error = float(np.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b)))
        method = "difference of shares (Newcombe interval)"
    else:
        error = float(np.sqrt(inside.var(ddof=1) / n_a + outside.var(ddof=1) / n_b))
        low, high = a - b - statistics.Z95 * error, a - b + statistics.Z95 * error
        method = "difference of means (Welch, normal approximation)"
    return Effect(
        value=a - b, low=low, high=high, n_exposed=n_a, n_compared=n_b, rate_exposed=a, rate_compared=b,
        p_value=statistics.two_sided_p(a - b, error), method=method,
    )  # fmt: skip


def _judged(cell: Cell, q_value: float | None) -> Cell:
    if q_value is None or cell.difference is None:
        return cell
    associated = q_value <= FALSE_DISCOVERY_RATE
    return cell.model_copy(
        update={"q_value": q_value, "associated": associated, "sentence": _sentence(cell) if associated else ""}
    )


def _sentence(cell: Cell) -> str:
    """The comparison in words; an association."""
    effect = cell.difference
    if effect is None or effect.rate_exposed is None or effect.rate_compared is None:
        return ""
    if cell.outcome in SHARES:
        what = {"retention": "bought again", "lapse": "lapsed"}[cell.outcome]
        figures = f"{effect.rate_exposed:.0%} {what}, against {effect.rate_compared:.0%} of the others"
    else:
        figures = (
            f"{OUTCOMES[cell.outcome]} is {effect.rate_exposed:,.2f} a customer, against {effect.rate_compared:,.2f}"
        )
    factor = cell.factor.replace("_", " ")
    return (
        f"Where {factor} is “{cell.level}”, {figures} (n {effect.n_exposed:,} and {effect.n_compared:,}). "
        "An association, not a cause."
    )
