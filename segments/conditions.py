"""What each kind of condition means, as a boolean expression over the relations of a plan.

Expressions may be unknown (NULL) where data is missing; unknown counts as false, and `not` sees to it that the
negation of an unknown is true. Everything relative is computed from the plan's `as_of`, never from the database clock.
"""

from __future__ import annotations

from datetime import datetime
from functools import singledispatch
from typing import Any

from sqlglot import exp

from segments import moments, sql
from segments.catalogue import Kind
from segments.check import event_kind
from segments.comparisons import compared, resolve
from segments.definition import (
    And,
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
    SegmentRef,
    Sequence,
    Stage,
    Trait,
    Transition,
    Window,
)
from segments.gate import has_address
from segments.plan import EVENTS, MOVES, PREDICTIONS, PROFILES, Plan
from segments.ranks import best
from segments.rows import Rows
from segments.sequences import SequenceEvents, matching_sequence

_SAMPLE_DIGITS = 8


@singledispatch
def condition(node: Any, plan: Plan) -> exp.Expr:
    """The expression that is true for exactly the profiles that satisfy the node."""
    raise TypeError(f"no condition for {type(node).__name__}")


def allowed(purpose: str, plan: Plan) -> exp.Expr:
    """True for profiles that the consent gate lets be used for the purpose."""
    return plan.gate.allows(purpose, PROFILES, plan.statements(purpose))


@condition.register
def _(node: And, plan: Plan) -> exp.Expr:
    return sql.all_of([condition(child, plan) for child in node.of])


@condition.register
def _(node: Or, plan: Plan) -> exp.Expr:
    return sql.any_of([condition(child, plan) for child in node.of])


@condition.register
def _(node: Not, plan: Plan) -> exp.Expr:
    return exp.not_(sql.known_true(condition(node.of, plan)), copy=False)


@condition.register
def _(_: Everyone, __: Plan) -> exp.Expr:
    return exp.true()


@condition.register
def _(node: Trait, plan: Plan) -> exp.Expr:
    return compared(sql.column(node.trait, PROFILES), plan.catalogue.traits[node.trait], node, plan.as_of)


@condition.register
def _(node: Prediction, plan: Plan) -> exp.Expr:
    kind = plan.catalogue.predictions[node.prediction]
    return compared(sql.column(node.prediction, PREDICTIONS), kind, node, plan.as_of)


@condition.register
def _(node: Event, plan: Plan) -> exp.Expr:
    value: exp.Expr = plan.measure(EVENTS, _rows(node, node.window, plan), _aggregate(node))
    if node.measure in ("count", "days", "sum"):
        value = sql.total(value)
    return compared(value, event_kind(node, plan.catalogue.properties) or Kind.NUMBER, node, plan.as_of)


@condition.register
def _(node: Sequence, plan: Plan) -> exp.Expr:
    def rows(match: Match | None) -> Rows | None:
        return None if match is None else _rows(match, node.window, plan)

    events = SequenceEvents(
        steps=[_rows(step, node.window, plan) for step in node.steps],
        without=[rows(step.without) for step in node.steps],
        absent=rows(node.then_no),
    )
    return plan.in_set("sequence " + node.model_dump_json(), lambda: matching_sequence(plan, node, events))


@condition.register
def _(node: Stage, plan: Plan) -> exp.Expr:
    stages = [sql.text(stage) for stage in node.stages]
    parts: list[exp.Expr] = [exp.In(this=sql.column("current_stage", PROFILES), expressions=stages)]
    if node.time is not None:
        # In the stage for at least so long: entered at or before that long ago.
        turned = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}[node.time.op]
        edge = sql.timestamp(moments.before(plan.as_of, node.time.value))
        parts.append(sql.compare(sql.column("stage_since", PROFILES), turned, edge))
    return sql.all_of(parts)


@condition.register
def _(node: Transition, plan: Plan) -> exp.Expr:
    names = {"move": node.move, "from_stage": node.from_stage, "to_stage": node.to_stage}
    since, until = _bounds(node.window, plan)
    known = tuple((name, value) for name, value in names.items() if value is not None)
    counted = plan.measure(MOVES, Rows(known, since, until), exp.Count(this=exp.Star()))
    return sql.compare(sql.total(counted), node.op, sql.literal(node.value))


@condition.register
def _(node: SegmentRef, plan: Plan) -> exp.Expr:
    return condition(plan.library[node.key].where, plan)


@condition.register
def _(node: Consent, plan: Plan) -> exp.Expr:
    return plan.gate.state(node.state, PROFILES, plan.statements(node.purpose))


@condition.register
def _(node: Reachable, plan: Plan) -> exp.Expr:
    address = has_address(node.channel, PROFILES)
    return address if node.purpose is None else sql.all_of([address, allowed(node.purpose, plan)])


@condition.register
def _(node: Sample, _: Plan) -> exp.Expr:
    salted = exp.DPipe(this=sql.text(f"{node.salt}:"), expression=sql.column("profile_id", PROFILES), safe=True)
    digits = exp.Literal.number(_SAMPLE_DIGITS)
    drawn = exp.Substring(this=exp.MD5(this=salted), start=exp.Literal.number(1), length=digits)
    lower, upper = sample_bound(node.from_percent), sample_bound(node.to_percent)
    if lower is None:
        return exp.false()
    parts: list[exp.Expr] = []
    if node.from_percent > 0:
        parts.append(exp.GTE(this=drawn, expression=sql.text(lower)))
    if upper is not None:
        parts.append(exp.LT(this=drawn.copy(), expression=sql.text(upper)))
    return sql.all_of(parts)


@condition.register
def _(node: Rank, plan: Plan) -> exp.Expr:
    plan.needs_everyone()
    among = [] if node.among is None else [condition(node.among, plan)]
    return plan.in_set("rank " + node.model_dump_json(), lambda: best(plan, node, among))


@condition.register
def _(node: Experiment, plan: Plan) -> exp.Expr:
    def assigned() -> exp.Query:
        query = exp.select(sql.column("profile_id")).distinct().from_(plan.table("experiments"))
        query.where(sql.equals(sql.column("experiment"), sql.text(node.experiment)), copy=False)
        query.where(exp.LTE(this=sql.column("assigned_at"), expression=sql.timestamp(plan.as_of)), copy=False)
        if node.arm is not None:
            query.where(sql.equals(sql.column("arm"), sql.text(node.arm)), copy=False)
        return plan.restrict_inside(query)

    return plan.in_set("experiment " + node.model_dump_json(), assigned)


def sample_bound(percent: float) -> str | None:
    """The smallest hash (8 hex digits) beyond a share of all hashes; None when the share is everything."""
    bound = round(percent / 100 * 16**_SAMPLE_DIGITS)
    return None if bound >= 16**_SAMPLE_DIGITS else f"{bound:0{_SAMPLE_DIGITS}x}"


def _rows(match: Match, window: Window | None, plan: Plan) -> Rows:
    """The touchpoints that a match describes within a window; an unknown property passes no comparison."""
    kinds = plan.catalogue.properties
    named = (("event_name", match.event), ("touchpoint_type", match.touchpoint))
    since, until = _bounds(window, plan)
    return Rows(
        names=tuple((column, value) for column, value in named if value is not None),
        since=since,
        until=until,
        others=tuple(compared(sql.column(one.property), kinds[one.property], one, plan.as_of) for one in match.where),
    )


def _bounds(window: Window | None, plan: Plan) -> tuple[datetime | None, datetime | None]:
    """First moment and end (excluded) of a window; the plan itself sees to it that nothing after `as_of` counts."""
    if window is None:
        return None, None
    if window.last is not None:
        return moments.before(plan.as_of, window.last), None
    since, until = window.since, window.until
    return (
        None if since is None else resolve(since, plan.as_of),
        None if until is None else resolve(until, plan.as_of),
    )


_NUMBERS: dict[str, type[exp.AggFunc]] = {
    "sum": exp.Sum, "average": exp.Avg, "minimum": exp.Min, "maximum": exp.Max,
}  # fmt: skip


def _aggregate(node: Event) -> exp.Expr:
    when = sql.column("occurred_at")
    if node.measure == "count":
        return exp.Count(this=exp.Star())
    if node.measure == "days":
        return exp.Count(this=exp.Distinct(expressions=[exp.cast(when, exp.DType.DATE)]))
    if node.measure in _NUMBERS:
        value = _NUMBERS[node.measure](this=sql.column(node.of_property or ""))
        # Sums of fractions depend on the order of adding in the last digits; six decimals do not.
        exact = node.measure in ("minimum", "maximum")
        return value if exact else exp.Round(this=value, decimals=exp.Literal.number(6))
    first = node.measure == "first"
    if node.of_property is None:
        return exp.Min(this=when) if first else exp.Max(this=when)
    # Ties in time are broken by the key, so that the answer does not depend on the order of reading.
    order = exp.Tuple(expressions=[when, sql.column("touchpoint_id")])
    return (exp.ArgMin if first else exp.ArgMax)(this=sql.column(node.of_property), expression=order)
