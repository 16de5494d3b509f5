"""The next best action of each person: of the interventions that apply to them, the one of the highest priority.

Who an intervention applies to is handed in as a relation; this writes marts.interventions (one row per ranked
intervention) and marts.next_actions (one row per person with an action) in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from journeys.interventions.model import Intervention
from journeys.scope import checked_relation

INTERVENTIONS = """
create or replace table marts.interventions (
    intervention varchar, rank integer, title varchar, stage varchar, reason varchar, people bigint, basis varchar,
    wording varchar, outcome varchar, effect double, effect_low double, effect_high double, effect_n bigint,
    worth double, worth_low double, worth_high double, priority double, investment varchar, difficulty integer,
    period_days integer
)
"""

NEXT_ACTIONS = """
create or replace table marts.next_actions as
select
    a.profile_id,
    i.intervention,
    i.rank,
    i.title,
    i.stage,
    i.reason,
    i.wording as evidence,
    i.basis
from {relation} as a
inner join marts.interventions as i on a.key = i.intervention
order by a.profile_id
"""


def write(
    connection: duckdb.DuckDBPyConnection, ranked: Sequence[Intervention], assigned: str, reasons: Mapping[str, str]
) -> int:
    """Write both tables; `assigned` is a relation (profile_id, key of the best intervention; null for none).

    `reasons` says per intervention whom it applies to; `people` of marts.interventions counts those whose next action
    it is. Returns how many people have one.
    """
    relation = checked_relation(assigned)
    sizes = dict(
        connection.execute(f"select key, count(*) from {relation} where key is not null group by key").fetchall()
    )
    connection.execute("begin")
    connection.execute(INTERVENTIONS)
    for rank, one in enumerate(ranked, start=1):
        connection.execute(
            f"insert into marts.interventions values ({', '.join('?' * 20)})",
            [
                one.key, rank, one.title, one.stage, reasons.get(one.key), sizes.get(one.key, 0), one.basis,
                one.wording, one.effect.outcome, one.effect.value, one.effect.low, one.effect.high, one.effect.n,
                one.worth.value, one.worth.low, one.worth.high, one.priority, one.investment, one.difficulty,
                one.period_days,
            ],
        )  # fmt: skip
    connection.execute(NEXT_ACTIONS.format(relation=relation))
    connection.execute("commit")
    return sum(sizes.values())
