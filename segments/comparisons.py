"""A column or measure compared with the value of a definition, as its kind demands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlglot import exp

from segments import moments, sql
from segments.catalogue import Kind
from segments.definition import Ago, Compared

_TEXT_TESTS: dict[str, type[exp.Func]] = {
    "contains": exp.Contains, "starts with": exp.StartsWith, "ends with": exp.EndsWith,
}  # fmt: skip


def compared(left: exp.Expr, kind: Kind, test: Compared, as_of: datetime) -> exp.Expr:
    """`left` tested as the operator says; unknown (NULL) where `left` is, except for the two tests of presence."""
    if test.op in ("is missing", "is known"):
        missing = _missing(left, kind)
        return missing if test.op == "is missing" else exp.not_(missing, copy=False)
    values = test.value if isinstance(test.value, tuple) else (test.value,)
    literals = [_literal(value, kind, as_of) for value in values]
    if test.op in ("in", "not in"):
        listed = exp.In(this=left, expressions=literals)
        return listed if test.op == "in" else exp.not_(listed, copy=False)
    if test.op == "between":
        return exp.Between(this=left, low=literals[0], high=literals[1])
    if test.op in _TEXT_TESTS:
        function = exp.ArrayContains if kind is Kind.TEXTS else _TEXT_TESTS[test.op]
        return function(this=left, expression=literals[0])
    return sql.compare(left, test.op, literals[0])


def resolve(value: str | Ago, as_of: datetime) -> datetime:
    """The UTC time that a moment means when now is `as_of`."""
    return moments.before(as_of, value.ago) if isinstance(value, Ago) else moments.moment(value)


def _missing(left: exp.Expr, kind: Kind) -> exp.Expr:
    missing: exp.Expr = exp.Is(this=left, expression=exp.null())
    if kind is not Kind.TEXTS:
        return missing
    empty = sql.equals(exp.ArraySize(this=left.copy()), exp.Literal.number(0))
    return sql.known_true(exp.or_(missing, empty, copy=False))


def _literal(value: Any, kind: Kind, as_of: datetime) -> exp.Expr:
    if kind not in (Kind.MOMENT, Kind.DATE):
        return sql.literal(value)
    when = resolve(value, as_of)
    return sql.day(when.date()) if kind is Kind.DATE else sql.timestamp(when)
