"""The best or worst percent by a number: the one kind of condition that looks at everyone.

A profile is in the top p percent when fewer than p percent of all ranked profiles are strictly better; equals are in or
out together.
"""

from __future__ import annotations

from sqlglot import exp

from segments import sql
from segments.definition import Rank
from segments.plan import PROFILES, Plan


def best(plan: Plan, node: Rank, among: list[exp.Expr]) -> exp.Query:
    """Distinct profile_ids in the share that the node names, of all profiles with the number and `among` true."""
    value = sql.column(node.trait, PROFILES)
    order = exp.Order(expressions=[exp.Ordered(this=value, desc=node.side == "top", nulls_first=False)])
    known = exp.Is(this=value.copy(), expression=exp.null()).not_()
    columns = [
        sql.column("profile_id", PROFILES),
        exp.alias_(exp.Window(this=exp.Rank(), order=order), "place", quoted=True),
        exp.alias_(exp.Window(this=exp.Count(this=exp.Star())), "everyone", quoted=True),
    ]
    ranked = plan.source(columns, [known, *[part.copy() for part in among]])
    better = exp.Paren(this=exp.Sub(this=sql.column("place"), expression=exp.Literal.number(1)))
    share = exp.Mul(this=sql.column("everyone"), expression=sql.number(float(node.percent)))
    hundredfold = exp.Mul(this=better, expression=exp.Literal.number(100))
    return (
        exp.select(sql.column("profile_id"))
        .from_(ranked.subquery("ranked"))
        .where(exp.LT(this=hundredfold, expression=share))
    )
