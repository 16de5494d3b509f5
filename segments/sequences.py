"""Sequences: A, then B within so long, without C between, in one pass of window functions per step.

Events of one instant count once per step and neither precede nor lie between one another. A step is reached at an event
when some reached event of the step before lies strictly earlier and the gap allows it; the latest such event suffices,
because a longer gap can only be worse for `within` and `without` alike.
"""

from __future__ import annotations

from sqlglot import exp

from segments import moments, sql
from segments.definition import Step
from segments.plan import Plan


def matching_sequence(
    plan: Plan,
    steps: tuple[Step, ...],
    matching: list[exp.Expr],
    without: list[exp.Expr | None],
    window: list[exp.Expr],
) -> exp.Query:
    """Distinct profile_ids whose events hold all steps in order.

    `matching` and `without` say which events are a step or an exclusion; `window` bounds every event.
    """
    query = _instants(plan, matching, without, window)
    for number, step in enumerate(steps):
        query = _reach(query, number, step, excluding=without[number] is not None)
    reached = exp.Is(this=sql.column(f"reached_{len(steps) - 1}"), expression=exp.null()).not_()
    return exp.select(sql.column("profile_id")).distinct().from_(query.subquery("steps")).where(reached)


def _instants(
    plan: Plan, matching: list[exp.Expr], without: list[exp.Expr | None], window: list[exp.Expr]
) -> exp.Select:
    """One row per profile and instant at which any step or exclusion matches, with a flag for each."""
    flags = {f"step_{number}": one for number, one in enumerate(matching)}
    flags |= {f"without_{number}": one for number, one in enumerate(without) if one is not None}
    keys = [sql.column("profile_id"), sql.column("occurred_at")]
    query = exp.select(*[key.copy() for key in keys]).from_(plan.table("touchpoints"))
    for name, one in flags.items():
        flag = exp.LogicalOr(this=sql.known_true(one.copy()))
        query.select(exp.alias_(flag, name, quoted=True), copy=False)
    query.where(exp.LTE(this=keys[1].copy(), expression=sql.timestamp(plan.as_of)), copy=False)
    query.where(*[bound.copy() for bound in window], copy=False)
    query.where(sql.any_of([one.copy() for one in flags.values()]), copy=False)
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
        seconds = int(moments.duration(step.within).total_seconds())
        gap = exp.Interval(this=exp.Literal.string(str(seconds)), unit=exp.var("SECOND"))
        conditions.append(exp.GTE(this=earlier.copy(), expression=exp.Sub(this=here.copy(), expression=gap)))
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
        order=exp.Order(expressions=[exp.Ordered(this=sql.column("occurred_at"), nulls_first=True)]),
        spec=exp.WindowSpec(
            kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end=exp.Literal.number(1), end_side="PRECEDING"
        ),
    )
