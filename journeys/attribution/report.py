"""Channel paths from the marts, and all attribution models side by side.

A journey ends at a purchase; its path is the channels of the person's touchpoints since the purchase before, within the
window. People whose touchpoints led to no purchase are null paths. The purchase itself is not a touch.
"""

from __future__ import annotations

from typing import Any

import duckdb

from cdp.errors import InputError
from journeys.attribution import markov, rules, shapley
from journeys.attribution.model import ChannelPath, Credit
from journeys.attribution.shares import Credits, credits
from journeys.audience import channel_of
from journeys.measures import Frozen, Measure, Query
from journeys.naming import unknown
from journeys.scope import Scope

MODELS = (*rules.RULES, "markov", "shapley")
WINDOW_DAYS = 30

PATHS = """
with {people},
bought as (
    select
        b.purchase_id, b.profile_id, b.occurred_at, coalesce(b.amount, 0) as amount,
        lag(b.occurred_at) over (partition by b.profile_id order by b.occurred_at, b.purchase_id) as before_at
    from marts.purchases as b
    inner join people using (profile_id)
    where b.occurred_at <= $until
),
touches as (
    select t.profile_id, t.occurred_at, t.touchpoint_id, {channel} as channel
    from marts.touchpoints as t
    inner join people using (profile_id)
    where
        t.lane = 'path' and t.amount is null
        and t.occurred_at <= $until and t.occurred_at >= $since - to_days($days)
),
ended as (
    select t.*, b.purchase_id, b.amount, b.occurred_at as end_at
    from touches as t
    asof left join bought as b on t.profile_id = b.profile_id and t.occurred_at <= b.occurred_at
),
converted as (
    select
        string_agg(channel, chr(31) order by occurred_at, touchpoint_id) as path,
        string_agg(
            (date_diff('second', occurred_at, end_at) / 86400.0)::varchar, ',' order by occurred_at, touchpoint_id
        ) as ages,
        any_value(amount) as amount
    from ended
    where purchase_id is not null and end_at >= $since and occurred_at >= end_at - to_days($days)
    group by purchase_id
),
-- The touchpoints of the last window of a person that no purchase followed.
open_ended as (
    select profile_id, max(occurred_at) as end_at from ended where purchase_id is null group by profile_id
),
lost as (
    select string_agg(e.channel, chr(31) order by e.occurred_at, e.touchpoint_id) as path
    from ended as e
    inner join open_ended as o using (profile_id)
    where e.purchase_id is null and e.occurred_at >= o.end_at - to_days($days) and o.end_at >= $since
    group by e.profile_id
)
select path, ages, count(*) as conversions, sum(amount) as value, 0 as nulls from converted group by path, ages
union all
select path, null, 0, 0, count(*) from lost group by path
"""

UNTOUCHED = """
with {people}
select count(*) as purchases, coalesce(sum(b.amount), 0) as value
from marts.purchases as b
inner join people using (profile_id)
where b.occurred_at >= $since and b.occurred_at <= $until
"""


class ChannelCredit(Frozen):
    """What one channel gets under each model, with the removal effect that Markov credit rests on."""

    channel: str
    conversions: dict[str, Measure]
    value: dict[str, Measure]
    removal_effect: float | None


class Attribution(Frozen):
    """Models side by side; per model the credits sum to `conversions` and `value`.

    `unattributed` are purchases with no touch in the window: nobody gets credit for them.
    """

    window_days: int
    half_life_days: float
    models: tuple[str, ...]
    channels: tuple[ChannelCredit, ...]
    conversions: Measure
    value: Measure
    unattributed: Measure
    journeys_without_purchase: Measure
    queries: dict[str, Query]


def attribute(
    connection: duckdb.DuckDBPyConnection,
    scope: Scope,
    *,
    days: int = WINDOW_DAYS,
    half_life: float = rules.HALF_LIFE,
    models: tuple[str, ...] = MODELS,
) -> Attribution:
    """Attribution of the purchases of the people in scope. InputError for a window of zero or an unknown model."""
    if days < 1:
        raise InputError("The attribution window must be at least one day.")
    if half_life <= 0:
        raise InputError("The half-life of time decay must be longer than zero.")
    for model in models:
        if model not in MODELS:
            raise InputError(unknown("attribution model", model, MODELS))
    channel = channel_of(connection)
    rows, query = scope.fetch(connection, PATHS.replace("{channel}", channel), days=days)
    everything, whole_query = scope.fetch(connection, UNTOUCHED)
    paths = [_path(row) for row in rows]
    conversions = sum(path.conversions for path in paths)
    value = sum(path.value for path in paths)
    purchases = int(everything[0]["purchases"])
    return Attribution(
        window_days=days,
        half_life_days=half_life,
        models=models,
        channels=_channels(paths, models, half_life, int(conversions)),
        conversions=Measure(value=conversions, n=purchases, unit="purchases", query="paths"),
        value=Measure(value=value, n=purchases, unit="revenue", query="paths"),
        unattributed=Measure(value=purchases - conversions, n=purchases, unit="purchases", query="purchases"),
        journeys_without_purchase=Measure(
            value=sum(path.nulls for path in paths), n=len(paths), unit="journeys", query="paths"
        ),
        queries={"paths": query, "purchases": whole_query, **scope.traces},
    )


def _channels(paths: list[ChannelPath], models: tuple[str, ...], half_life: float, n: int) -> tuple[ChannelCredit, ...]:
    """Channels with their credits, those with most credit over all models first."""
    if not paths or not models:
        return ()
    counted, valued = credits(paths, models, half_life=half_life)
    effects = markov.removal_effects(paths) if "markov" in models else {}
    names = counted[models[0]].channels
    weight = {name: sum(float(counted[model].value[i]) for model in models) for i, name in enumerate(names)}
    order = sorted(range(len(names)), key=lambda place: (-weight[names[place]], names[place]))
    return tuple(
        ChannelCredit(
            channel=names[place],
            conversions=_measures(counted, place, n, "purchases"),
            value=_measures(valued, place, n, "revenue"),
            removal_effect=effects.get(names[place]),
        )
        for place in order
    )


def _measures(of: dict[str, Credits], place: int, n: int, unit: str) -> dict[str, Measure]:
    return {
        model: Measure(
            value=float(each.value[place]),
            n=n,
            low=float(each.low[place]),
            high=float(each.high[place]),
            unit=unit,
            query="paths",
        )
        for model, each in of.items()
    }


def credit(paths: list[ChannelPath], model: str, *, of_value: bool = False) -> Credit:
    """Credit by channel under one of MODELS."""
    if model == "markov":
        return markov.attribute(paths, of_value=of_value)
    if model == "shapley":
        return shapley.attribute(paths, of_value=of_value)
    return rules.attribute(paths, model, of_value=of_value)


def _path(row: dict[str, Any]) -> ChannelPath:
    return ChannelPath(
        channels=tuple(row["path"].split(chr(31))),
        conversions=float(row["conversions"]),
        value=float(row["value"]),
        nulls=float(row["nulls"]),
        ages=tuple(float(age) for age in row["ages"].split(",")) if row["ages"] else (),
    )
