"""Lifetime value per profile from the published purchases: expected purchases times expected value over a horizon.

Purchases on one day count once (the models know days). Values are averages of the repeat days, as Gamma-Gamma has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from cdp.errors import InputError
from journeys.measures import Frozen, Measure, Query
from journeys.scope import Scope, traced
from journeys.value import bgnbd, gamma_gamma

if TYPE_CHECKING:
    import pandas as pd

LEAST_REPEATERS = 30
HORIZON_DAYS = 365

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
    coalesce(avg(amount) filter (visit > 1), 0)::double as mean_value,
    sum(amount)::double as revenue
from numbered
group by profile_id
order by profile_id
"""


class LifetimeValue(Frozen):
    """The fitted models and what they say about all customers together."""

    purchase_model: dict[str, float]
    value_model: dict[str, float]
    horizon_days: int
    customers: Measure
    alive: Measure
    expected_purchases: Measure
    expected_revenue: Measure
    queries: dict[str, Query]


def estimate(
    connection: duckdb.DuckDBPyConnection, scope: Scope, *, horizon_days: int = HORIZON_DAYS
) -> tuple[LifetimeValue, pd.DataFrame]:
    """The summary and one row per customer: profile_id, alive, expected_purchases, expected_value, lifetime_value."""
    if horizon_days < 1:
        raise InputError("The horizon of lifetime value must be at least one day.")
    sql = scope.render(SUMMARY)
    customers = connection.execute(sql, scope.parameters).df()
    repeaters = int((customers["frequency"] > 0).sum()) if len(customers) else 0
    if repeaters < LEAST_REPEATERS:
        raise InputError(
            f"Lifetime value needs at least {LEAST_REPEATERS} customers who bought again; there are {repeaters}."
        )
    frequency, recency, age, mean = (
        customers[name].to_numpy(dtype=np.float64) for name in ("frequency", "recency", "age", "mean_value")
    )
    often, much = bgnbd.fit(frequency, recency, age), gamma_gamma.fit(frequency, mean)
    customers["alive"] = often.alive(frequency, recency, age)
    customers["expected_purchases"] = often.expected_purchases(float(horizon_days), frequency, recency, age)
    customers["expected_value"] = much.expected_value(frequency, mean)
    customers["lifetime_value"] = customers["expected_purchases"] * customers["expected_value"]
    count = len(customers)

    def total(name: str, unit: str) -> Measure:
        return Measure(value=float(customers[name].sum()), n=count, unit=unit, query="customers")

    summary = LifetimeValue(
        purchase_model={"r": often.r, "alpha": often.alpha, "a": often.a, "b": often.b},
        value_model={"p": much.p, "q": much.q, "v": much.v},
        horizon_days=horizon_days,
        customers=Measure(value=count, n=count, query="customers"),
        alive=Measure(value=float(customers["alive"].mean()), n=count, unit="mean probability", query="customers"),
        expected_purchases=total("expected_purchases", "purchases"),
        expected_revenue=total("lifetime_value", "revenue"),
        queries={"customers": traced(sql, _bound(scope), scope.relation)},
    )
    kept = ["profile_id", "alive", "expected_purchases", "expected_value", "lifetime_value"]
    return summary, customers[kept]


def _bound(scope: Scope) -> dict[str, Any]:
    return scope.parameters
