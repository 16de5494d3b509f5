"""What a definition means, said a second time: in plain Python over rows, slow and obvious.

The compiled SQL must agree with it on every definition and all data.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from segments.definition import (
    Ago,
    And,
    Compared,
    Consent,
    Event,
    Everyone,
    Experiment,
    Match,
    Not,
    Or,
    Prediction,
    Rank,
    Reachable,
    Sample,
    SegmentDefinition,
    SegmentRef,
    Stage,
    Trait,
    Transition,
    Window,
)  # fmt: skip
from segments.definition import Sequence as Steps

Row = Mapping[str, Any]
UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass
class World:
    as_of: datetime
    profiles: list[dict[str, Any]]
    touchpoints: list[dict[str, Any]] = field(default_factory=list)
    transitions: list[dict[str, Any]] = field(default_factory=list)
    experiments: list[dict[str, Any]] = field(default_factory=list)
    predictions: list[dict[str, Any]] = field(default_factory=list)
    library: Mapping[str, SegmentDefinition] = field(default_factory=dict)
    pools: dict[int, list[Row]] = field(default_factory=dict)
    _indexes: dict[int, dict[str, list[Row]]] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.as_of.astimezone(UTC).replace(tzinfo=None)

    def of(self, rows: Sequence[Row], profile: Row) -> list[Row]:
        index = self._indexes.get(id(rows))
        if index is None:
            index = self._indexes[id(rows)] = {}
            for row in rows:
                index.setdefault(row["profile_id"], []).append(row)
        return index.get(profile["profile_id"], [])


def members(where: Any, world: World) -> set[str]:
    return {profile["profile_id"] for profile in world.profiles if holds(where, profile, world)}


def holds(node: Any, profile: Row, world: World) -> bool:  # noqa: C901 - one arm per kind of condition
    match node:
        case And():
            return all(holds(child, profile, world) for child in node.of)
        case Or():
            return any(holds(child, profile, world) for child in node.of)
        case Not():
            return not holds(node.of, profile, world)
        case Everyone():
            return True
        case Trait():
            return passes(profile[node.trait], node, world)
        case Prediction():
            found = world.of(world.predictions, profile)
            return passes(found[0][node.prediction] if found else None, node, world)
        case Event():
            return passes(measured(node, profile, world), node, world)
        case Steps():
            return sequence(node, profile, world)
        case Stage():
            return stage(node, profile, world)
        case Transition():
            rows = [
                row
                for row in world.of(world.transitions, profile)
                if node.move in (None, row["move"])
                and node.from_stage in (None, row["from_stage"])
                and node.to_stage in (None, row["to_stage"])
                and inside(node.window, row["occurred_at"], world)
            ]
            return order(node.op, len(rows), node.value)
        case SegmentRef():
            return holds(world.library[node.key].where, profile, world)
        case Consent():
            return consent_state(profile) == node.state
        case Reachable():
            addresses = {"email": ["email"], "phone": ["phone"], "post": ["street", "postcode"]}[node.channel]
            known = all(profile[name] is not None for name in addresses)
            return known and (node.purpose is None or allowed(profile, node.purpose))
        case Sample():
            drawn = int(hashlib.md5(f"{node.salt}:{profile['profile_id']}".encode()).hexdigest()[:8], 16)
            bounds = [round(share / 100 * 2**32) for share in (node.from_percent, node.to_percent)]
            return bounds[0] <= drawn < bounds[1]
        case Rank():
            return rank(node, profile, world)
        case Experiment():
            return any(
                row["experiment"] == node.experiment
                and node.arm in (None, row["arm"])
                and row["assigned_at"] <= world.now
                for row in world.of(world.experiments, profile)
            )
    raise TypeError(type(node).__name__)


def passes(left: Any, test: Compared, world: World) -> bool:
    missing = left is None or left == []
    if test.op in ("is missing", "is known"):
        return missing == (test.op == "is missing")
    if missing:
        return False
    values = [resolved(value, left, world) for value in (test.value if isinstance(test.value, tuple) else [test.value])]
    match test.op:
        case "in":
            return left in values
        case "not in":
            return left not in values
        case "between":
            return bool(values[0] <= left <= values[1])
        case "contains":
            return values[0] in left
        case "starts with":
            return bool(left.startswith(values[0]))
        case "ends with":
            return bool(left.endswith(values[0]))
    return order(test.op, left, values[0])


def order(operator: str, left: Any, right: Any) -> bool:
    return {
        "=": lambda: left == right, "!=": lambda: left != right, "<": lambda: left < right,
        "<=": lambda: left <= right, ">": lambda: left > right, ">=": lambda: left >= right,
    }[operator]()  # fmt: skip


def resolved(value: Any, left: Any, world: World) -> Any:
    if not isinstance(left, date):
        return value
    when = moment(value, world)
    return when if isinstance(left, datetime) else when.date()


def moment(value: Any, world: World) -> datetime:
    if isinstance(value, Ago):
        return world.now - length(value.ago)
    parsed = datetime.fromisoformat(value)
    return parsed.astimezone(UTC).replace(tzinfo=None) if parsed.tzinfo else parsed


def length(text: str) -> timedelta:
    unit = text.lstrip("0123456789")
    return int(text.removesuffix(unit)) * UNITS[unit]


def inside(window: Window | None, when: datetime, world: World) -> bool:
    if when > world.now:
        return False
    if window is None:
        return True
    if window.last is not None:
        return when >= world.now - length(window.last)
    after = window.since is None or when >= moment(window.since, world)
    return after and (window.until is None or when < moment(window.until, world))


def matching(match: Match, window: Window | None, profile: Row, world: World) -> list[Row]:
    return [
        row
        for row in world.of(world.touchpoints, profile)
        if match.event in (None, row["event_name"])
        and match.touchpoint in (None, row["touchpoint_type"])
        and all(passes(row[one.property], one, world) for one in match.where)
        and inside(window, row["occurred_at"], world)
    ]


def measured(node: Event, profile: Row, world: World) -> Any:
    rows = sorted(
        matching(node, node.window, profile, world), key=lambda row: (row["occurred_at"], row["touchpoint_id"])
    )
    if node.measure == "count":
        return len(rows)
    if node.measure == "days":
        return len({row["occurred_at"].date() for row in rows})
    if node.of_property is None:
        return None if not rows else rows[0 if node.measure == "first" else -1]["occurred_at"]
    known = [row[node.of_property] for row in rows if row[node.of_property] is not None]
    if node.measure == "sum":
        return round(math.fsum(known), 6)
    if not known:
        return None
    if node.measure in ("first", "last"):
        return known[0 if node.measure == "first" else -1]
    if node.measure == "average":
        return round(math.fsum(known) / len(known), 6)
    return min(known) if node.measure == "minimum" else max(known)


def sequence(node: Steps, profile: Row, world: World) -> bool:
    """Any choice of one event per step that keeps all rules, tried one by one."""

    def rest(number: int, before: datetime | None) -> bool:
        if number == len(node.steps):
            return before is not None and stays_absent(before)
        step = node.steps[number]
        for row in matching(step, node.window, profile, world):
            when = row["occurred_at"]
            if before is not None:
                if when <= before or (step.within is not None and when - before > length(step.within)):
                    continue
                between = [] if step.without is None else matching(step.without, node.window, profile, world)
                if any(before < other["occurred_at"] < when for other in between):
                    continue
            if rest(number + 1, when):
                return True
        return False

    def stays_absent(last: datetime) -> bool:
        if node.then_no is None:
            return True
        end = world.now if node.then_no.within is None else last + length(node.then_no.within)
        unwanted = matching(node.then_no, node.window, profile, world)
        return end <= world.now and not any(last < row["occurred_at"] <= end for row in unwanted)

    return rest(0, None)


def stage(node: Stage, profile: Row, world: World) -> bool:
    if profile["current_stage"] not in node.stages:
        return False
    if node.time is None:
        return True
    since = profile["stage_since"]
    return since is not None and order(node.time.op, world.now - since, length(node.time.value))


def consent_state(profile: Row) -> str:
    if profile["unsubscribed"]:
        return "refused"
    return {True: "given", False: "refused", None: "unknown"}[profile["marketing_consent"]]


def allowed(profile: Row, purpose: str) -> bool:
    return consent_state(profile) == "given" if purpose in ("marketing", "personalisation") else True


def rank(node: Rank, profile: Row, world: World) -> bool:
    pool = world.pools.get(id(node))
    if pool is None:
        pool = world.pools[id(node)] = [
            row
            for row in world.profiles
            if row[node.trait] is not None and (node.among is None or holds(node.among, row, world))
        ]
    if profile not in pool:
        return False
    sign = 1 if node.side == "top" else -1
    better = sum(1 for row in pool if sign * row[node.trait] > sign * profile[node.trait])
    return better * 100 < node.percent * len(pool)
