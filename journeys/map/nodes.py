"""From a number on the map to the people behind it.

A node is the key a number carries (`people.decision.now`, `moves.use.lapse`, `touchpoint.decision.payment_error`, …).
`people_behind` gives the SQL that selects their profile ids, so that any node becomes a segment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cdp.errors import InputError, NotFoundError
from journeys.feeling.tables import NOTHING_READ
from journeys.map.queries import MOVES
from journeys.scope import Scope

STAYS_WHERE = "with {stays}\nselect distinct profile_id from stays where stage = $stage"
INSIDE = """with {{stays}}
select distinct x.profile_id
from {table} as x
inner join stays as s
    on x.profile_id = s.profile_id
    and x.{moment} >= s.entered_at
    and (s.left_at is null or x.{moment} < s.left_at)
where s.stage = $stage and x.{moment} >= $since and x.{moment} <= $until"""
TOUCHED = INSIDE.format(table="marts.touchpoints", moment="occurred_at")
WROTE = INSIDE.format(table="marts.tickets", moment="created_at")
MOVED = MOVES[: MOVES.rindex("select stage, move")] + "select distinct profile_id from firsts where stage = $stage"

Node = tuple[str, dict[str, Any]]


def _people(stage: str, rest: str) -> Node:
    return {
        "reached": (STAYS_WHERE, {"stage": stage}),
        "now": (f"{STAYS_WHERE} and is_open", {"stage": stage}),
        "steps_on": (f"{STAYS_WHERE} and next_move = 'forward'", {"stage": stage}),
    }[rest]


def _moves(stage: str, rest: str) -> Node:
    if rest == "restart":
        return f"{STAYS_WHERE} and next_stage is not null", {"stage": stage}
    if rest == "stay":
        return f"{STAYS_WHERE} and is_open", {"stage": stage}
    return f"{MOVED} and move = $move", {"stage": stage, "move": rest}


def _time(stage: str, rest: str) -> Node:
    del rest
    return STAYS_WHERE, {"stage": stage}


def _feeling(stage: str, rest: str) -> Node:
    """Who rated or wrote; by a part of it, those whose rating, verdict or silence is counted there."""
    said = "x.ticket_id in (select ticket_id from {verdicts} where score is not null)"
    test = {
        "": f"(x.satisfaction is not null or {said})",
        "tickets": "true",
        "backed": f"(x.satisfaction is not null or {said})",
        "rated": "x.satisfaction is not null",
        "from_text": f"x.satisfaction is null and {said}",
        "text_share": f"x.satisfaction is null and {said}",
        "no_verdict": f"x.satisfaction is null and not {said}",
    }[rest]
    return f"{WROTE} and {test}", {"stage": stage}


def _touchpoint(stage: str, rest: str) -> Node:
    return f"{TOUCHED} and x.touchpoint_type = $type", {"stage": stage, "type": rest}


def _service(stage: str, rest: str) -> Node:
    if rest == "slow":
        return f"{WROTE} and x.is_slow", {"stage": stage}
    if rest in ("tickets", "hours"):
        return WROTE, {"stage": stage}
    return f"{TOUCHED} and x.lane = 'service'", {"stage": stage}


_KINDS: dict[str, Callable[[str, str], Node]] = {
    "people": _people,
    "moves": _moves,
    "time": _time,
    "feeling": _feeling,
    "touchpoint": _touchpoint,
    "service": _service,
}


def people_behind(scope: Scope, key: str, *, verdicts: str = NOTHING_READ) -> tuple[str, dict[str, Any]]:
    """SQL selecting the profile ids behind a node, and its parameters. NotFoundError for a key that is no node.

    `verdicts` is the relation of what texts say (`journeys.feeling.tables.verdicts`).
    """
    kind, _, rest = key.partition(".")
    if kind == "intervention":
        raise InputError(
            "Whom an intervention begins with is a segment of its own: `cdp journey interventions --node KEY "
            "--segment-out FILE` writes it, and the list of interventions carries it."
        )
    stage, _, rest = rest.partition(".")
    try:
        sql, values = _KINDS[kind](stage, rest)
    except KeyError:
        raise NotFoundError(f"`{key[:120]}` is no number of the map that has people behind it.") from None
    text = scope.render(sql.replace("{verdicts}", verdicts))
    bound = {name: value for name, value in {**scope.parameters, **values}.items() if f"${name}" in text}
    return text, bound


def has_people(key: str) -> bool:
    """Whether the number with this key has people behind it."""
    return key.split(".", maxsplit=1)[0] in _KINDS
