"""Lifetime value per profile from the published purchases: expected purchases times expected value over a horizon.

Purchases on one day count once (the models know days). Values are averages of the repeat days, as Gamma-Gamma has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import numpy as np
from numpy.typing import NDArray

from cdp.errors import InputError
from journeys.measures import Frozen, Measure, Query
from journeys.scope import Scope, traced
from journeys.value import bgnbd, gamma_gamma, uncertainty

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
LEAST_REPEATERS = 30
HORIZON_DAYS = 365

# Sums depend on their order in the last digits, and a fit makes more of them: the order does not depend on random ids.
SUMMARY = """
with {people},
days as (
    select b.profile_id, b.occurred_at::date as day, sum(coalesce(b.amount, 0)) as amount
    from marts.purchases as b
    inner join people using (profile_id)
    where b.occurred_at <= $until and b.occurred_at >= $since
    group by b.profile_id, day
),
numbered as (
    select *, row_number() over (partition by profile_id order by day) as visit from days
)
select
    profile_id,
    (count(*) - 1)::double as frequency,
    date_diff('day', min(day), max(day))::double as recency,
    date_diff('day', min(day), $until::date)::double as age,
    round(coalesce(avg(amount) filter (visit > 1), 0)::double, 6) as mean_value,
    round(sum(amount)::double, 6) as revenue
from numbered
group by profile_id
order by frequency, recency, age, mean_value, revenue, profile_id
"""


class LifetimeValue(Frozen):
    """The fitted models and what they say: of all customers together, and per customer (`mean_value`).

    Intervals are those of `uncertainty`; they are null where the likelihood cannot be followed.
    """

    purchase_model: dict[str, float]
    value_model: dict[str, float]
    horizon_days: int
    customers: Measure
    repeaters: Measure
    alive: Measure
    expected_purchases: Measure
    expected_revenue: Measure
    mean_value: Measure
    queries: dict[str, Query]


@dataclass(frozen=True)
class _Customers:
    """Summary of each customer as the models need it, in days."""

    frequency: Floats
    recency: Floats
    age: Floats
    mean: Floats

    def predicted(self, often: bgnbd.BgNbd, much: gamma_gamma.GammaGamma, horizon: int) -> tuple[Floats, ...]:
        """Per customer: P(alive), expected purchases, value per purchase, expected revenue."""
        purchases = often.expected_purchases(float(horizon), self.frequency, self.recency, self.age)
        each = much.expected_value(self.frequency, self.mean)
        return often.alive(self.frequency, self.recency, self.age), purchases, each, purchases * each


def estimate(
    connection: duckdb.DuckDBPyConnection, scope: Scope, *, horizon_days: int = HORIZON_DAYS
) -> tuple[LifetimeValue, pd.DataFrame]:
    """The summary and one row per customer: profile_id, alive, expected_purchases, expected_value, lifetime_value."""
    if horizon_days < 1:
        raise InputError("The horizon of lifetime value must be at least one day.")
    sql = scope.render(SUMMARY)
    table = connection.execute(sql, scope.parameters).df()
    repeaters = int((table["frequency"] > 0).sum()) if len(table) else 0
    if repeaters < LEAST_REPEATERS:
        raise InputError(
            f"Lifetime value needs at least {LEAST_REPEATERS} customers who bought again; there are {repeaters}."
        )
    names = ("frequency", "recency", "age", "mean_value")
    customers = _Customers(*(table[name].to_numpy(dtype=np.float64) for name in names))
    often = bgnbd.fit(customers.frequency, customers.recency, customers.age)
    much = gamma_gamma.fit(customers.frequency, customers.mean)
    columns = ("alive", "expected_purchases", "expected_value", "lifetime_value")
    for name, values in zip(columns, customers.predicted(often, much, horizon_days), strict=True):
        table[name] = values
    ends = _intervals(customers, often, much, horizon_days)
    count = len(table)

    def measure(name: str, unit: str, *, mean: bool) -> Measure:
        total = float(table[name].sum())
        low, high = ends[name] if ends else (None, None)
        scale = 1 / count if mean else 1.0
        return Measure(
            value=total * scale,
            n=count,
            low=None if low is None else low * scale,
            high=None if high is None else high * scale,
            unit=unit,
            query="customers",
        )

    summary = LifetimeValue(
        purchase_model={"r": often.r, "alpha": often.alpha, "a": often.a, "b": often.b},
        value_model={"p": much.p, "q": much.q, "v": much.v},
        horizon_days=horizon_days,
        customers=Measure(value=count, n=count, query="customers"),
        repeaters=Measure(value=repeaters, n=count, query="customers"),
        alive=measure("alive", "mean probability", mean=True),
        expected_purchases=measure("expected_purchases", "purchases", mean=False),
        expected_revenue=measure("lifetime_value", "revenue", mean=False),
        mean_value=measure("lifetime_value", "revenue per customer", mean=True),
        queries={"customers": traced(sql, scope.parameters, scope.relation), **scope.traces},
    )
    return summary, table[["profile_id", *columns]]


def _intervals(
    customers: _Customers, often: bgnbd.BgNbd, much: gamma_gamma.GammaGamma, horizon: int
) -> dict[str, tuple[float, float]]:
    """95 % intervals of the sums over all customers; empty where the likelihood cannot be followed."""
    x, recency, age, mean = customers.frequency, customers.recency, customers.age, customers.mean
    first = uncertainty.draws(lambda logs: bgnbd.BgNbd.of_logs(logs).loss(x, recency, age), often.logs)
    second = uncertainty.draws(lambda logs: gamma_gamma.GammaGamma.of_logs(logs).loss(x, mean), much.logs)
    if first is None or second is None:
        return {}
    names = ("alive", "expected_purchases", "lifetime_value")
    found: dict[str, list[float]] = {name: [] for name in names}
    for row, one, other in zip(uncertainty.weights(len(x)), first, second, strict=True):
        drawn = bgnbd.BgNbd.of_logs(one), gamma_gamma.GammaGamma.of_logs(other)
        alive, purchases, _, value = customers.predicted(*drawn, horizon)
        for name, values in zip(names, (alive, purchases, value), strict=True):
            found[name].append(float(row @ values))
    ends = {name: uncertainty.middle(values) for name, values in found.items()}
    return {name: each for name, each in ends.items() if each is not None} if all(ends.values()) else {}
