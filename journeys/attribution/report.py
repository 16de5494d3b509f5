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
from journeys.measures import Frozen, Measure, Query
from journeys.scope import Scope, has_column

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
    """What one channel gets under each model."""

    channel: str
    conversions: dict[str, float]
    value: dict[str, float]


class Attribution(Frozen):
    """All models side by side. `unattributed` are purchases with no touch in the window: nobody gets credit."""

    window_days: int
    channels: tuple[ChannelCredit, ...]
    conversions: Measure
    value: Measure
    unattributed: Measure
    removal_effects: dict[str, float]
    queries: dict[str, Query]


def attribute(connection: duckdb.DuckDBPyConnection, scope: Scope, *, days: int = WINDOW_DAYS) -> Attribution:
    """Attribution of the purchases of the people in scope. InputError for a window of zero."""
    if days < 1:
        raise InputError("The attribution window must be at least one day.")
    known = has_column(connection, "touchpoints", "acquisition_channel")
    channel = "coalesce(t.acquisition_channel, t.channel)" if known else "t.channel"
    rows, query = scope.fetch(connection, PATHS.replace("{channel}", f"coalesce({channel}, 'unknown')"), days=days)
    everything, whole_query = scope.fetch(connection, UNTOUCHED)
    paths = [_path(row) for row in rows]
    counted = {model: credit(paths, model) for model in MODELS}
    valued = {model: credit(paths, model, of_value=True) for model in MODELS}
    conversions = sum(path.conversions for path in paths)
    value = sum(path.value for path in paths)
    purchases = int(everything[0]["purchases"])
    names = sorted(counted["linear"], key=lambda name: -counted["linear"][name])
    return Attribution(
        window_days=days,
        channels=tuple(
            ChannelCredit(
                channel=name,
                conversions={model: counted[model].get(name, 0.0) for model in MODELS},
                value={model: valued[model].get(name, 0.0) for model in MODELS},
            )
            for name in names
        ),
        conversions=Measure(value=conversions, n=purchases, unit="purchases", query="paths"),
        value=Measure(value=value, n=purchases, unit="revenue", query="paths"),
        unattributed=Measure(value=purchases - conversions, n=purchases, unit="purchases", query="purchases"),
        removal_effects=markov.removal_effects(paths) if paths else {},
        queries={"paths": query, "purchases": whole_query},
    )


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
