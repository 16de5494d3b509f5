"""What the personas of a snapshot look like: size, description, where they stand, what they do."""

from __future__ import annotations

from typing import Any

import duckdb

from cdp.errors import NotFoundError
from journeys.measures import Frozen, Measure, Query
from journeys.scope import Scope, has_column

SIZES = """
with {people},
chosen as (
    select p.* from marts.profiles as p inner join people using (profile_id)
)
select
    r.position, r.persona, r.title, r.titles, r.description, r.sentence, r.is_rest,
    count(p.profile_id) as people,
    sum(count(p.profile_id)) over () as everyone,
    avg(p.purchases) as purchases,
    avg(p.revenue) as revenue,
    avg(p.touchpoints) as touchpoints,
    avg((p.tickets > 0)::integer) as with_ticket
from marts.personas as r
left join chosen as p on r.persona = p.persona
group by all
order by r.position
"""

STAGES = """
with {people}
select p.persona, s.stage, count(*) as people
from marts.profiles as p
inner join people using (profile_id)
inner join marts.journey_stages as s on p.current_stage = s.stage
group by p.persona, s.stage, s.position
order by p.persona, s.position
"""


class Portrait(Frozen):
    """One persona: who it is, how many, where they stand now, and averages of what they did."""

    key: str
    title: str
    titles: dict[str, str]
    description: str
    rule: str
    is_rest: bool
    people: Measure
    share: Measure
    stages: dict[str, Measure]
    purchases: Measure
    revenue: Measure
    touchpoints: Measure
    with_ticket: Measure


class Portraits(Frozen):
    """All personas in the order of the rules; sizes sum to everybody in scope."""

    personas: tuple[Portrait, ...]
    people: int
    queries: dict[str, Query]


def describe(connection: duckdb.DuckDBPyConnection, scope: Scope) -> Portraits:
    """The personas of the people in scope. NotFoundError when the snapshot has none."""
    if not has_column(connection, "personas", "persona") or not has_column(connection, "profiles", "persona"):
        raise NotFoundError("The snapshot has no personas yet: run `cdp run` again.")
    rows, sizes = scope.fetch(connection, SIZES)
    stages, mix = scope.fetch(connection, STAGES)
    everyone = int(rows[0]["everyone"]) if rows else 0
    personas = tuple(
        _portrait(row, everyone, [one for one in stages if one["persona"] == row["persona"]]) for row in rows
    )
    return Portraits(personas=personas, people=everyone, queries={"sizes": sizes, "stages": mix})


def _portrait(row: dict[str, Any], everyone: int, stages: list[dict[str, Any]]) -> Portrait:
    import json

    people = int(row["people"])

    def mean(name: str, unit: str) -> Measure:
        value = row[name]
        return Measure(value=None if value is None else float(value), n=people, unit=unit, query="sizes")

    return Portrait(
        key=row["persona"],
        title=row["title"],
        titles=json.loads(row["titles"]),
        description=row["description"],
        rule=row["sentence"],
        is_rest=row["is_rest"],
        people=Measure(value=people, n=everyone, query="sizes"),
        share=Measure(value=people / everyone if everyone else None, n=everyone, unit="share of people", query="sizes"),
        stages={
            one["stage"]: Measure(value=one["people"] / people, n=people, unit="share of people", query="stages")
            for one in stages
        },
        purchases=mean("purchases", "purchases a person"),
        revenue=mean("revenue", "revenue a person"),
        touchpoints=mean("touchpoints", "touchpoints a person"),
        with_ticket=mean("with_ticket", "share of people"),
    )
