"""Holdouts: people who are left out of something by a stable hash, and what leaving them out shows.

The hash is that of the segments' `sample('key', 5%)`, so a holdout drawn here and a segment with that condition are the
same people, every time. Drawn by chance, it may carry a claim of cause: everybody known at the start is compared as
drawn, whether or not they were reached.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import duckdb

from cdp.errors import InputError
from journeys import statistics
from journeys.findings.uplift import LEAST_PEOPLE, is_everybody
from journeys.measures import Effect, Frozen, Measure, Query
from journeys.scope import Scope, checked_relation, naive

# md5 is the same on every engine and version; its first eight digits are an even number between 0 and 2^32.
_DRAWN = "('0x' || md5($key || ':' || p.profile_id)[1:8])::ubigint / 4294967296.0 < $share"

HOLDOUT = f"""
select p.profile_id
from {{relation}} as p
where ({_DRAWN}) = $held_out
order by p.profile_id
"""

SIZES = f"""
with {{people}}
select count(*) filter ({_DRAWN}) as held_out, count(*) as people
from people as p
"""

# Who was known at the start and can buy under their own name: both do not depend on what the holdout was spared.
MEASURED = f"""
with {{people}},
drawn as (
    select p.profile_id, {_DRAWN} as held_out
    from marts.profiles as p
    inner join people using (profile_id)
    where p.first_seen_at <= $start
        and exists (
            select 1 from marts.source_records as r where r.profile_id = p.profile_id and r.created_at <= $start
        )
)
select
    d.held_out,
    count(*) as people,
    count(*) filter (
        exists (
            select 1 from marts.purchases as b
            where b.profile_id = d.profile_id and b.occurred_at > $start and b.occurred_at <= $start + to_days($days)
        )
    ) as bought
from drawn as d
group by d.held_out
"""


class HoldoutResult(Frozen):
    """How many are held out, and the share that bought within `days` of `since`: everybody else minus the holdout.

    `condition` is what a segment says to hold out the same people.
    """

    key: str
    share: float
    condition: str
    held_out: Measure
    since: datetime | None
    days: int
    basis: str
    effect: Effect | None
    sentence: str
    reason: str | None
    queries: dict[str, Query]


def draw(connection: duckdb.DuckDBPyConnection, relation: str, *, key: str, share: float) -> list[str]:
    """Profile ids of a relation that are held out under `key`: the same ones every time, independent between keys."""
    sql, values = drawn(relation, key=key, share=share)
    return [row[0] for row in connection.execute(sql, values).fetchall()]


def drawn(relation: str, *, key: str, share: float, held_out: bool = True) -> tuple[str, dict[str, Any]]:
    """SQL and values that select those of a relation who are held out under `key`, or those who are not."""
    values = {**_checked(key, share), "held_out": held_out}
    return HOLDOUT.replace("{relation}", checked_relation(relation)), values


def measure(
    connection: duckdb.DuckDBPyConnection,
    scope: Scope,
    *,
    key: str,
    share: float,
    since: datetime | None = None,
    days: int = 90,
) -> HoldoutResult:
    """How many are held out, and with `since` what the others did more from then on, within `days`.

    InputError when the period is not over yet, and for an effect on people chosen by what is known today.
    """
    values = _checked(key, share)
    sizes, size_query = scope.fetch(connection, SIZES, **values)
    condition = _condition(key, share)
    held = Measure(value=int(sizes[0]["held_out"]), n=int(sizes[0]["people"]), query="sizes")
    if since is None:
        return HoldoutResult(
            key=key, share=share, condition=condition, held_out=held, since=None, days=days, basis="randomised",
            effect=None, sentence="",
            reason="Say when what they are spared began, and the effect is measured from then on.",
            queries={"sizes": size_query},
        )  # fmt: skip
    if not is_everybody(scope):
        raise InputError(
            "A holdout is measured among everybody: who is in a segment today may follow from the campaign."
        )
    if days < 1:
        raise InputError("The window must be at least one day.")
    if naive(since) + timedelta(days=days) > naive(scope.until):
        raise InputError(
            f"The {days} days from {since:%Y-%m-%d} are not over yet; choose an earlier start or fewer days."
        )
    rows, query = scope.fetch(connection, MEASURED, **values, start=naive(since), days=days)
    groups = {bool(row["held_out"]): row for row in rows}
    effect = _effect(groups)
    enough = effect is not None and min(effect.n_exposed, effect.n_compared) >= LEAST_PEOPLE
    return HoldoutResult(
        key=key,
        share=share,
        condition=condition,
        held_out=held,
        since=since,
        days=days,
        basis="randomised",
        effect=effect,
        sentence=_sentence(effect, days) if effect is not None and enough else "",
        reason=None if enough else f"Too few people were known by {since:%Y-%m-%d} to compare.",
        queries={"holdout": query, "sizes": size_query},
    )


def _checked(key: str, share: float) -> dict[str, Any]:
    if not 0 < share < 1:
        raise InputError("The share of a holdout must be more than 0 and less than 100 percent.")
    if not key:
        raise InputError("A holdout needs a key, so that it can be drawn again.")
    return {"key": key, "share": share}


def _condition(key: str, share: float) -> str:
    quoted = key.replace("'", "''")
    return f"sample('{quoted}', {100 * share:.10g}%)"


def _effect(groups: dict[bool, dict[str, Any]]) -> Effect | None:
    if len(groups) < 2:
        return None
    reached, held = groups[False], groups[True]
    a, n_a, b, n_b = reached["bought"], reached["people"], held["bought"], held["people"]
    low, high = statistics.difference(a, n_a, b, n_b)
    return Effect(
        value=a / n_a - b / n_b, low=low, high=high, n_exposed=n_a, n_compared=n_b, rate_exposed=a / n_a,
        rate_compared=b / n_b, method="difference of shares, not held out minus held out (Newcombe interval)",
    )  # fmt: skip


def _sentence(effect: Effect, days: int) -> str:
    rates = f"{100 * (effect.rate_exposed or 0):.1f} % bought within {days} days, against"
    rates += f" {100 * (effect.rate_compared or 0):.1f} % of the holdout"
    if effect.low * effect.high > 0:
        verb = "raises" if effect.value > 0 else "lowers"
        return f"What the holdout was spared {verb} purchases: {rates}."
    return f"No effect is shown: {rates}."
