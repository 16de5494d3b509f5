"""From a number to the people behind it: a relation of profile ids, and a segment definition where one says the same.

A definition is plain data in the text form of the segments' own documents. It is only given where it selects exactly
the people of the number, now and after later runs: a whole population up to now, and conditions that segments can
express. Everything else is a list of the people it was at this publication.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import duckdb

from journeys import period
from journeys.audience import Audience
from journeys.funnels.definition import Funnel, Step
from journeys.funnels.names import Names
from journeys.funnels.timeline import Hashes
from journeys.scope import checked_relation

Condition = dict[str, Any]
RELATION = "people_behind"


def listed(connection: duckdb.DuckDBPyConnection, sql: str, values: dict[str, Any], name: str = RELATION) -> str:
    """The relation `name` with the profile ids of a query; it lives as long as the connection."""
    bound = {key: value for key, value in values.items() if f"${key}" in sql}
    return _keep(connection, connection.execute(sql, bound or None).to_arrow_table(), name)


def hashed(connection: duckdb.DuckDBPyConnection, people: Hashes, name: str = RELATION) -> str:
    """The relation `name` with the profiles that have these hashes."""
    import pyarrow as pa

    connection.register("hashes_behind", pa.table({"person": pa.array(people, pa.uint64())}))
    sql = "select profile_id from marts.profiles where hash(profile_id) in (select person from hashes_behind)"
    found = connection.execute(sql).to_arrow_table()
    connection.unregister("hashes_behind")
    return _keep(connection, found, name)


def _keep(connection: duckdb.DuckDBPyConnection, table: Any, name: str) -> str:
    relation = checked_relation(name)
    connection.register(f"{name}_found", table)
    connection.execute(
        f"create or replace temp table {relation} as select profile_id from {name}_found order by profile_id"
    )
    connection.unregister(f"{name}_found")
    return relation


def of_audience(audience: Audience, condition: Condition | None, as_of: datetime) -> Condition | None:
    """A condition narrowed to an audience, or None where segments cannot say who that is."""
    to_now = audience.since is None and (audience.until is None or audience.until >= as_of)
    if condition is None or not to_now or audience.channel or audience.hours or audience.who:
        return None
    parts: list[Condition] = []
    if audience.segment is not None:
        parts.append({"type": "segment", "key": audience.segment})
    if audience.persona is not None:
        parts.append({"type": "trait", "trait": "persona", "op": "=", "value": audience.persona})
    return {"type": "and", "of": [*parts, condition]} if parts else condition


def of_funnel(connection: duckdb.DuckDBPyConnection, funnel: Funnel, node: str) -> Condition | None:
    """Who did step 1, or step 2 after it within the window, or only the first; None for anything else.

    Later steps are bound to the window from step 1, which a sequence of a segment cannot be.
    """
    plain = funnel.mode == "ordered" and funnel.unit == "profile" and not funnel.exclusions
    if not plain or node not in ("step.1.reached", "step.1.dropped", "step.2.reached"):
        return None
    names = Names(connection)
    first, second = (_match(names, step) for step in funnel.steps[:2])
    window = period.spell(funnel.window)
    if first is None or second is None or window.endswith(" s"):
        return None
    did: Condition = {"type": "event", **first}
    if node == "step.1.reached":
        return did
    both: Condition = {"type": "sequence", "steps": [first, {**second, "within": window}]}
    return both if node == "step.2.reached" else {"type": "and", "of": [did, {"type": "not", "of": both}]}


def _match(names: Names, step: Step) -> Condition | None:
    found = names.find(step)
    kinds = [(kind, every) for kind, every in found.names.items() if every]
    if len(kinds) != 1 or len(kinds[0][1]) != 1 or found.has_stages:
        return None
    where = [{"property": name, "op": "=", "value": value} for name, value in found.where.items()]
    return {kinds[0][0]: kinds[0][1][0], **({"where": where} if where else {})}


def of_stage_move(here: str, following: str | None) -> Condition:
    """Who ever moved from one stage straight into another, or stands in it."""
    if following is None:
        return {"type": "stage", "stages": [here]}
    return {"type": "transition", "from": here, "to": following}


def of_map(node: str) -> Condition | None:
    """Who stands in a stage (`people.use.now`) or ever reached it (`people.use.reached`); None for other numbers."""
    kind, _, rest = node.partition(".")
    stage, _, what = rest.rpartition(".")
    if kind != "people" or not stage:
        return None
    if what == "now":
        return {"type": "stage", "stages": [stage]}
    return {"type": "transition", "to": stage} if what == "reached" else None
