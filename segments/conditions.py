"""What each kind of condition means, as a boolean expression over the relations of a plan.

Expressions may be unknown (NULL) where data is missing; unknown counts as false, and `not` sees to it that the
negation of an unknown is true. Everything relative is computed from the plan's `as_of`, never from the database clock.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlglot import exp

from segments import moments, sql
from segments.catalogue import Kind
from segments.check import event_kind
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
    SegmentRef,
    Sequence,
    Stage,
    Trait,
    Transition,
    Window,
)
from segments.gate import has_address
from segments.plan import EVENTS, MOVES, PREDICTIONS, PROFILES, Plan
from segments.sequences import matching_sequence

_SAMPLE_DIGITS = 8


def condition(node: Any, plan: Plan) -> exp.Expr:  # noqa: C901, PLR0911 - one arm per kind of node
    """The expression that is true for exactly the profiles that satisfy the node."""
    match node:
        case And():
            return sql.all_of([condition(child, plan) for child in node.of])
        case Or():
            return sql.any_of([condition(child, plan) for child in node.of])
        case Not():
            return exp.not_(sql.known_true(condition(node.of, plan)), copy=False)
        case Everyone():
            return exp.true()
        case Trait():
            return compared(sql.column(node.trait, PROFILES), plan.catalogue.traits[node.trait], node, plan.as_of)
        case Prediction():
            kind = plan.catalogue.predictions[node.prediction]
            return compared(sql.column(node.prediction, PREDICTIONS), kind, node, plan.as_of)
        case Event():
            return _event(node, plan)
        case Sequence():
            steps = [(matches(step, plan), step) for step in node.steps]
            without = [matches(step.without, plan) if step.without else None for step in node.steps]
            within = in_window(node.window, sql.column("occurred_at"), plan.as_of)
            key = "sequence " + node.model_dump_json()
            return plan.in_set(key, lambda: matching_sequence(plan, steps, without, within))
        case Stage():
            return _stage(node, plan)
        case Transition():
            return _transition(node, plan)
        case SegmentRef():
            return condition(plan.library[node.key].where, plan)
        case Consent():
            return plan.gate.state(node.state, PROFILES, plan.statements(node.purpose))
        case Reachable():
            address = has_address(node.channel, PROFILES)
            return address if node.purpose is None else exp.and_(address, allowed(node.purpose, plan), copy=False)
        case Sample():
            return _sample(node)
        case Rank():
            return _rank(node, plan)
        case Experiment():
            return _experiment(node, plan)
    raise TypeError(f"no condition for {type(node).__name__}")


def allowed(purpose: str, plan: Plan) -> exp.Expr:
    """True for profiles that the consent gate lets be used for the purpose."""
    return plan.gate.allows(purpose, PROFILES, plan.statements(purpose))


def compared(left: exp.Expr, kind: Kind, test: Compared, as_of: datetime) -> exp.Expr:  # noqa: PLR0911 - one per operator
    """A column or measure compared as the operator and the kind say; `left` is copied where it is needed twice."""
    if test.op in ("is missing", "is known"):
        missing: exp.Expr = exp.Is(this=left, expression=exp.null())
        if kind is Kind.TEXTS:
            empty = sql.equals(exp.ArraySize(this=left.copy()), exp.Literal.number(0))
            missing = sql.known_true(exp.or_(missing, empty, copy=False))
        return missing if test.op == "is missing" else exp.not_(missing, copy=False)
    values = test.value if isinstance(test.value, tuple) else (test.value,)
    literals = [_literal(value, kind, as_of) for value in values]
    match test.op:
        case "in":
            return exp.In(this=left, expressions=literals)
        case "not in":
            return exp.not_(exp.In(this=left, expressions=literals), copy=False)
        case "between":
            return exp.Between(this=left, low=literals[0], high=literals[1])
        case "contains" if kind is Kind.TEXTS:
            return exp.ArrayContains(this=left, expression=literals[0])
        case "contains":
            return exp.Contains(this=left, expression=literals[0])
        case "starts with":
            return exp.StartsWith(this=left, expression=literals[0])
        case "ends with":
            return exp.EndsWith(this=left, expression=literals[0])
    return sql.compare(left, test.op, literals[0])


def matches(match: Match, plan: Plan) -> exp.Expr:
    """True for the touchpoints that a match describes; unknown properties match no filter."""
    parts: list[exp.Expr] = []
    if match.event is not None:
        parts.append(sql.equals(sql.column("event_name"), sql.text(match.event)))
    if match.touchpoint is not None:
        parts.append(sql.equals(sql.column("touchpoint_type"), sql.text(match.touchpoint)))
    for one in match.where:
        kind = plan.catalogue.properties[one.property]
        parts.append(compared(sql.column(one.property), kind, one, plan.as_of))
    return sql.all_of(parts)


def in_window(window: Window | None, when: exp.Expr, as_of: datetime) -> list[exp.Expr]:
    """The bounds of a window on a time column; nothing after `as_of` ever counts."""
    if window is None:
        return []
    since = Ago(ago=window.last) if window.last is not None else window.since
    bounds: list[exp.Expr] = []
    if since is not None:
        bounds.append(exp.GTE(this=when.copy(), expression=sql.timestamp(resolve(since, as_of))))
    if window.until is not None:
        bounds.append(exp.LT(this=when.copy(), expression=sql.timestamp(resolve(window.until, as_of))))
    return bounds


def resolve(value: str | Ago, as_of: datetime) -> datetime:
    """The UTC time that a moment means when now is `as_of`."""
    return moments.before(as_of, value.ago) if isinstance(value, Ago) else moments.moment(value)


def sample_bound(percent: float) -> str | None:
    """The smallest hash (hex digits) beyond a share of all hashes; None when the share is everything."""
    bound = round(percent / 100 * 16**_SAMPLE_DIGITS)
    return None if bound >= 16**_SAMPLE_DIGITS else f"{bound:0{_SAMPLE_DIGITS}x}"


def _literal(value: Any, kind: Kind, as_of: datetime) -> exp.Expr:
    if kind in (Kind.MOMENT, Kind.DATE):
        when = resolve(value, as_of)
        plain: datetime | date = when.date() if kind is Kind.DATE else when
        return sql.literal(plain)
    return sql.literal(value)


def _event(node: Event, plan: Plan) -> exp.Expr:
    matching = sql.all_of(
        [one for one in (matches(node, plan), *in_window(node.window, sql.column("occurred_at"), plan.as_of))
         if one != exp.true()]
    )  # fmt: skip
    kind = event_kind(node, plan.catalogue.properties) or Kind.NUMBER
    value: exp.Expr = plan.measure(EVENTS, matching, _aggregate(node))
    if node.measure in ("count", "days", "sum"):
        value = sql.total(value)
    return compared(value, kind, node, plan.as_of)


def _aggregate(node: Event) -> exp.Expr:
    when = sql.column("occurred_at")
    of = sql.column(node.of_property) if node.of_property is not None else None
    match node.measure, of:
        case "count", _:
            return exp.Count(this=exp.Star())
        case "days", _:
            return exp.Count(this=exp.Distinct(expressions=[exp.cast(when, exp.DType.DATE)]))
        case "first", None:
            return exp.Min(this=when)
        case "last", None:
            return exp.Max(this=when)
        case ("first" | "last") as side, exp.Column():
            # Ties in time are broken by the key, so that the answer does not depend on the order of reading.
            order = exp.Tuple(expressions=[when, sql.column("touchpoint_id")])
            function = exp.ArgMin if side == "first" else exp.ArgMax
            return function(this=of, expression=order)
        case "minimum", _:
            return exp.Min(this=of)
        case "maximum", _:
            return exp.Max(this=of)
    # Sums of fractions depend on the order of adding in the last digits; six decimals do not.
    function_of_all = exp.Sum if node.measure == "sum" else exp.Avg
    return exp.Round(this=function_of_all(this=of), decimals=exp.Literal.number(6))


def _stage(node: Stage, plan: Plan) -> exp.Expr:
    parts: list[exp.Expr] = [
        exp.In(this=sql.column("current_stage", PROFILES), expressions=[sql.text(stage) for stage in node.stages])
    ]
    if node.time is not None:
        # In the stage for at least so long: entered at or before that long ago.
        turned = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}[node.time.op]
        edge = sql.timestamp(moments.before(plan.as_of, node.time.value))
        parts.append(sql.compare(sql.column("stage_since", PROFILES), turned, edge))
    return sql.all_of(parts)


def _transition(node: Transition, plan: Plan) -> exp.Expr:
    names = {"move": node.move, "from_stage": node.from_stage, "to_stage": node.to_stage}
    parts: list[exp.Expr] = [
        sql.equals(sql.column(name), sql.text(value)) for name, value in names.items() if value is not None
    ]
    parts += in_window(node.window, sql.column("occurred_at"), plan.as_of)
    counted = plan.measure(MOVES, sql.all_of(parts), exp.Count(this=exp.Star()))
    return sql.compare(sql.total(counted), node.op, sql.literal(node.value))


def _sample(node: Sample) -> exp.Expr:
    salted = exp.DPipe(this=sql.text(f"{node.salt}:"), expression=sql.column("profile_id", PROFILES), safe=True)
    drawn = exp.Substring(
        this=exp.MD5(this=salted), start=exp.Literal.number(1), length=exp.Literal.number(_SAMPLE_DIGITS)
    )
    lower, upper = sample_bound(node.from_percent), sample_bound(node.to_percent)
    if lower is None:
        return exp.false()
    parts: list[exp.Expr] = [exp.GTE(this=drawn, expression=sql.text(lower))] if node.from_percent > 0 else []
    if upper is not None:
        parts.append(exp.LT(this=drawn.copy(), expression=sql.text(upper)))
    return sql.all_of(parts)


def _rank(node: Rank, plan: Plan) -> exp.Expr:
    plan.needs_everyone()
    among = [] if node.among is None else [condition(node.among, plan)]
    value = sql.column(node.trait, PROFILES)

    def build() -> exp.Query:
        place = exp.Window(
            this=exp.Anonymous(this="RANK"),
            order=exp.Order(expressions=[exp.Ordered(this=value, desc=node.side == "top", nulls_first=False)]),
        )
        everyone = exp.Window(this=exp.Count(this=exp.Star()))
        known = exp.Is(this=value.copy(), expression=exp.null()).not_()
        columns = [
            sql.column("profile_id", PROFILES),
            exp.alias_(place, "place", quoted=True),
            exp.alias_(everyone, "everyone", quoted=True),
        ]
        ranked = plan.source(columns, [known, *[part.copy() for part in among]])
        # In the best p percent: fewer than p percent of all are strictly better.
        better = exp.Mul(this=exp.Paren(this=exp.Sub(this=sql.column("place"), expression=exp.Literal.number(1))),
                         expression=exp.Literal.number(100))  # fmt: skip
        share = exp.Mul(this=sql.column("everyone"), expression=sql.number(float(node.percent)))
        return (
            exp.select(sql.column("profile_id"))
            .from_(ranked.subquery("ranked"))
            .where(exp.LT(this=better, expression=share))
        )

    return plan.in_set("rank " + node.model_dump_json(), build)


def _experiment(node: Experiment, plan: Plan) -> exp.Expr:
    def build() -> exp.Query:
        query = exp.select(sql.column("profile_id")).distinct().from_(plan.table("experiments"))
        query.where(sql.equals(sql.column("experiment"), sql.text(node.experiment)), copy=False)
        query.where(exp.LTE(this=sql.column("assigned_at"), expression=sql.timestamp(plan.as_of)), copy=False)
        if node.arm is not None:
            query.where(sql.equals(sql.column("arm"), sql.text(node.arm)), copy=False)
        return plan.restrict_inside(query)

    return plan.in_set("experiment " + node.model_dump_json(), build)
