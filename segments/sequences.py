"""Sequences: A, then B within so long, without C between, then no D: one pass of window functions per step.

Events of one instant count once per step and neither precede nor lie between one another. A step is reached at an event
when some reached event of the step before lies strictly earlier and the gap allows it; the latest such event suffices,
because a longer gap can only be worse for `within` and `without` alike.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from segments import moments, sql
from segments.definition import Sequence, Step
from segments.plan import Plan
from segments.rows import Rows, any_rows


@dataclass(frozen=True)
class SequenceEvents:
    """Which touchpoints are a step, an exclusion before it, or must stay absent after the last one."""

    steps: list[Rows]
    without: list[Rows | None]
    absent: Rows | None

    def flags(self) -> dict[str, Rows]:
        """Each of them with the name of its flag."""
        flags = {f"step_{number}": one for number, one in enumerate(self.steps)}
        flags |= {f"without_{number}": one for number, one in enumerate(self.without) if one is not None}
        return flags if self.absent is None else {**flags, "absent": self.absent}


def matching_sequence(plan: Plan, node: Sequence, events: SequenceEvents) -> exp.Query:
    """Distinct profile_ids whose events hold all steps in order."""
    query = _instants(plan, events)
    for number, step in enumerate(node.steps):
        query = _reach(query, number, step, excluding=events.without[number] is not None)
    reached = sql.column(f"reached_{len(node.steps) - 1}")
    conditions: list[exp.Expr] = [exp.Is(this=reached, expression=exp.null()).not_()]
    if node.then_no is not None:
        following = exp.Window(
            this=exp.Min(this=_when(sql.column("absent"), sql.column("occurred_at"))),
            partition_by=[sql.column("profile_id")],
            order=_in_time(),
            spec=_rows(start=exp.Literal.number(1), start_side="FOLLOWING", end="UNBOUNDED", end_side="FOLLOWING"),
        )
        query = exp.select(exp.Star(), exp.alias_(following, "following", quoted=True)).from_(query.subquery("done"))
        conditions.append(_stays_absent(plan, reached, node.then_no.within))
    return exp.select(sql.column("profile_id")).distinct().from_(query.subquery("steps")).where(*conditions)


def _stays_absent(plan: Plan, reached: exp.Column, within: str | None) -> exp.Expr:
    """True where nothing unwanted follows the last step: ever, or during a time that is over."""
    silent: exp.Expr = exp.Is(this=sql.column("following"), expression=exp.null())
    if within is None:
        return silent
    over = sql.timestamp(moments.before(plan.as_of, within))
    later = exp.GT(this=exp.Sub(this=sql.column("following"), expression=_interval(within)), expression=reached.copy())
    return exp.and_(exp.LTE(this=reached.copy(), expression=over), exp.or_(silent, later, copy=False), copy=False)


def _instants(plan: Plan, events: SequenceEvents) -> exp.Select:
    """One row per profile and instant at which anything of interest happened, with a flag for each."""
    flags = events.flags()
    keys = [sql.column("profile_id"), sql.column("occurred_at")]
    query = exp.select(*[key.copy() for key in keys]).from_(plan.table("touchpoints"))
    for name, one in flags.items():
        flag = exp.LogicalOr(this=sql.known_true(one.condition))
        query.select(exp.alias_(flag, name, quoted=True), copy=False)
    query.where(plan.until_now(), *any_rows(list(flags.values())), copy=False)
    plan.restrict_inside(query)
    return query.group_by(*keys, copy=False)


def _reach(rows: exp.Select, number: int, step: Step, *, excluding: bool) -> exp.Select:
    """The rows with `reached_n`: the instant when the first n+1 steps are complete, else NULL."""
    here = sql.column("occurred_at")
    if number == 0:
        reached = _when(sql.column("step_0"), here)
        return exp.select(exp.Star(), exp.alias_(reached, "reached_0", quoted=True)).from_(rows.subquery("instants"))
    earlier, excluded = sql.column(f"earlier_{number}"), sql.column(f"excluded_{number}")
    found = _latest_before(sql.column(f"reached_{number - 1}"))
    columns: list[exp.Expr] = [exp.Star(), exp.alias_(found, earlier.name, quoted=True)]
    conditions: list[exp.Expr] = [
        sql.column(f"step_{number}"),
        exp.Is(this=earlier.copy(), expression=exp.null()).not_(),
    ]
    if step.within is not None:
        edge = exp.Sub(this=here.copy(), expression=_interval(step.within))
        conditions.append(exp.GTE(this=earlier.copy(), expression=edge))
    if excluding:
        latest = _latest_before(_when(sql.column(f"without_{number}"), here.copy()))
        columns.append(exp.alias_(latest, excluded.name, quoted=True))
        since = exp.LTE(this=excluded.copy(), expression=earlier.copy())
        conditions.append(exp.or_(exp.Is(this=excluded.copy(), expression=exp.null()), since, copy=False))
    looked_back = exp.select(*columns).from_(rows.subquery(f"before_{number}"))
    reached = _when(sql.all_of(conditions), here)
    return exp.select(exp.Star(), exp.alias_(reached, f"reached_{number}", quoted=True)).from_(
        looked_back.subquery(f"at_{number}")
    )


def _when(condition: exp.Expr, value: exp.Expr) -> exp.Case:
    """The value where the condition holds, else NULL."""
    return exp.Case(ifs=[exp.If(this=condition, true=value)])


def _latest_before(value: exp.Expr) -> exp.Window:
    """The largest value over the profile's rows strictly before this one."""
    return exp.Window(
        this=exp.Max(this=value),
        partition_by=[sql.column("profile_id")],
        order=_in_time(),
        spec=_rows(start="UNBOUNDED", start_side="PRECEDING", end=exp.Literal.number(1), end_side="PRECEDING"),
    )


def _in_time() -> exp.Order:
    return exp.Order(expressions=[exp.Ordered(this=sql.column("occurred_at"), nulls_first=True)])


def _rows(**bounds: exp.Expr | str) -> exp.WindowSpec:
    return exp.WindowSpec(kind="ROWS", **bounds)


def _interval(duration: str) -> exp.Interval:
    seconds = int(moments.duration(duration).total_seconds())
    return exp.Interval(this=exp.Literal.string(str(seconds)), unit=exp.var("SECOND"))
