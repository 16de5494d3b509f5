"""Uplift of randomised experiments: arms compared as they were assigned, whatever happened afterwards.

Assignment is in the data, so a difference between arms may be called an effect. People are divided into parts only by
what was known at assignment (`PARTS`): a part that the treatment itself can fill is no comparison of random arms.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import duckdb
import numpy as np

from journeys import statistics
from journeys.findings.model import Finding
from journeys.measures import Effect, Query
from journeys.scope import Scope

Part = Literal["stage", "first_channel", "customer", "quarter"]
PARTS: tuple[Part, ...] = get_args(Part)
CONTROLS = ("control", "holdout", "none")
# Fewer people than this in an arm say nothing.
LEAST_PEOPLE = 30
HORIZON = 180
EVERYBODY = "marts.profiles"

# What is known of a person at assignment, for `arms as a`.
_PARTS: dict[str, str] = {
    "": "select a.experiment, a.profile_id, 'all' as part from arms as a",
    "stage": """
        select a.experiment, a.profile_id, coalesce(e.stage, 'none') as part
        from arms as a
        asof left join marts.stage_episodes as e on a.profile_id = e.profile_id and a.assigned_at > e.entered_at""",
    "first_channel": """
        select a.experiment, a.profile_id, coalesce(min_by(t.channel, t.occurred_at), 'none') as part
        from arms as a
        left join marts.touchpoints as t on a.profile_id = t.profile_id and t.occurred_at <= a.assigned_at
        group by a.experiment, a.profile_id""",
    "customer": """
        select
            a.experiment,
            a.profile_id,
            case when count(p.purchase_id) <= 1 then 'new' else 'returning' end as part
        from arms as a
        left join marts.purchases as p on a.profile_id = p.profile_id and p.occurred_at <= a.assigned_at
        group by a.experiment, a.profile_id""",
    "quarter": """
        select a.experiment, a.profile_id, year(a.assigned_at) || '-Q' || quarter(a.assigned_at) as part
        from arms as a""",
}

# Counted per arm: everybody assigned; those whose horizon has passed; buyers and, among them, those with two purchases.
ARMS = """
with {people},
arms as (
    select x.experiment, x.profile_id, x.arm, x.assigned_at
    from marts.experiments as x
    inner join people using (profile_id)
    where x.assigned_at >= $since and x.assigned_at <= $until
    -- A person assigned twice, to different arms, tells nothing about either.
    qualify count(distinct x.arm) over (partition by x.experiment, x.profile_id) = 1
        and row_number() over (partition by x.experiment, x.profile_id order by x.assigned_at) = 1
),
parts as ({parts}
),
later as (
    select
        a.experiment,
        a.profile_id,
        a.arm,
        a.assigned_at <= $until - to_days($horizon) as followed,
        count(p.purchase_id) as purchases,
        count(p.purchase_id) filter (p.occurred_at <= a.assigned_at) as before,
        count(p.purchase_id) filter (
            p.occurred_at > a.assigned_at and p.occurred_at <= a.assigned_at + to_days($horizon)
        ) as orders
    from arms as a
    left join marts.purchases as p on a.profile_id = p.profile_id and p.occurred_at <= $until
    group by a.experiment, a.profile_id, a.arm, a.assigned_at
)
select
    l.experiment,
    l.arm,
    s.part,
    count(*) as assigned,
    count(*) filter (l.before <= 1) as newcomers,
    count(*) filter (l.purchases >= 1) as buyers,
    count(*) filter (l.purchases >= 2) as repeated,
    count(*) filter (l.followed) as followed,
    count(*) filter (l.followed and l.orders >= 1) as converted,
    avg(l.orders) filter (l.followed) as orders,
    var_samp(l.orders) filter (l.followed) as orders_variance
from later as l
inner join parts as s on l.experiment = s.experiment and l.profile_id = s.profile_id
group by l.experiment, l.arm, s.part
order by l.experiment, s.part, l.arm
"""


def is_everybody(scope: Scope) -> bool:
    """Whether nobody was left out by what is known today; only then are the arms still random."""
    return scope.segment is None and scope.relation == EVERYBODY


def experiments(
    connection: duckdb.DuckDBPyConnection, scope: Scope, queries: dict[str, Query], *, by: Part | None = None
) -> list[tuple[Finding, float | None]]:
    """Uplift of every experiment in the data (by part of people), with the p value for the correction.

    The p value is null where an arm has too few people. The outcome is repeat purchase where most people were
    assigned with their first purchase, else a purchase within the horizon.
    """
    sql = ARMS.replace("{parts}", _PARTS[by or ""])
    name = f"experiments_by_{by}" if by else "experiments"
    rows, queries[name] = scope.fetch(connection, sql, horizon=HORIZON)
    results: list[tuple[Finding, float | None]] = []
    random = is_everybody(scope)
    for experiment in sorted({row["experiment"] for row in rows}):
        mine = [row for row in rows if row["experiment"] == experiment]
        early = 2 * sum(row["newcomers"] for row in mine) >= sum(row["assigned"] for row in mine)
        for part in dict.fromkeys(row["part"] for row in mine):
            arms = {row["arm"]: row for row in mine if row["part"] == part}
            control = next((arms[arm] for arm in CONTROLS if arm in arms), None)
            for row in arms.values():
                if control is not None and row is not control:
                    finding, p_value = _uplift(row, control, repeat=early, by=by, query=name)
                    results.append((finding if random else _unproven(finding), p_value))
    return results


def _unproven(finding: Finding) -> Finding:
    """The same difference among people who were chosen by what may have followed from the treatment."""
    return finding.model_copy(update={"basis": "association"})


def _uplift(
    row: dict[str, Any], control: dict[str, Any], *, repeat: bool, by: Part | None, query: str
) -> tuple[Finding, float | None]:
    among, counted = ("buyers", "repeated") if repeat else ("followed", "converted")
    a, n_a, b, n_b = row[counted], row[among], control[counted], control[among]
    effect = _difference(a, n_a, b, n_b) if n_a and n_b else None
    enough = min(n_a, n_b) >= LEAST_PEOPLE
    name, arm, part = str(row["experiment"]), str(row["arm"]), str(row["part"])
    key = name if arm in ("treatment", name) else f"{name}:{arm}"
    finding = Finding(
        key=f"{key}@{by}={part}" if by else key,
        kind="experiment",
        subject=name,
        outcome="repeat_purchase" if repeat else f"purchase_{HORIZON}d",
        stage="use" if repeat else "",
        basis="randomised",
        effect=effect,
        orders=_orders(row, control),
        people=n_b,
        reason=None if enough else f"Too few to compare: {n_a} and {n_b} people; {LEAST_PEOPLE} each are needed.",
        details={
            "experiment": name, "arm": arm, "control": str(control["arm"]), "assigned": row["assigned"],
            "assigned_control": control["assigned"], **({"by": by, "part": part} if by else {}),
        },
        query=query,
    )  # fmt: skip
    return finding, effect.p_value if effect and enough else None


def _difference(a: int, n_a: int, b: int, n_b: int) -> Effect:
    low, high = statistics.difference(a, n_a, b, n_b)
    pooled = (a + b) / (n_a + n_b)
    error = float(np.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b)))
    value = a / n_a - b / n_b
    return Effect(
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


def _orders(row: dict[str, Any], control: dict[str, Any]) -> Effect | None:
    """Difference of mean purchases over the horizon between random arms (Welch, normal approximation)."""
    n_a, n_b = row["followed"], control["followed"]
    if min(n_a, n_b) < LEAST_PEOPLE:
        return None
    value = row["orders"] - control["orders"]
    error = float(np.sqrt(row["orders_variance"] / n_a + control["orders_variance"] / n_b))
    return Effect(
        value=value,
        low=value - statistics.Z95 * error,
        high=value + statistics.Z95 * error,
        n_exposed=n_a,
        n_compared=n_b,
        p_value=statistics.two_sided_p(value, error),
        method=f"purchases per person within {HORIZON} days of assignment, difference of means",
    )
