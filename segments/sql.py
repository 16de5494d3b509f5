"""The few SQL expressions that every part of the compiler is made of.

Values become literals of their own node type and names become quoted identifiers; no SQL text is ever put together
from a definition. Times are UTC without zone, as in the marts.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

from sqlglot import exp

from cdp.errors import InputError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


def column(name: str, table: str | None = None) -> exp.Column:
    """A quoted column of a table alias."""
    return exp.column(name, table=table, quoted=True)


def relation(name: str, alias: str | None = None) -> exp.Table:
    """A table by its plain dotted name (`marts.profiles`); InputError for anything but plain names."""
    parts = name.split(".")
    if not 1 <= len(parts) <= 3 or not all(_NAME.fullmatch(part) for part in parts):
        raise InputError("A relation is named by letters, digits and underscores, with dots between its parts.")
    identifiers = [exp.to_identifier(part, quoted=True) for part in parts]
    table = exp.Table(this=identifiers[-1])
    for place, identifier in zip(("db", "catalog"), reversed(identifiers[:-1]), strict=False):
        table.set(place, identifier)
    if alias is not None:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
    return table


def text(value: str) -> exp.Literal:
    """A text literal."""
    return exp.Literal.string(value)


def number(value: float) -> exp.Expr:
    """A number literal; fractions are DOUBLE so that they compare as the data does."""
    if isinstance(value, int):
        return exp.Literal.number(value)
    return exp.cast(exp.Literal.string(repr(value)), exp.DType.DOUBLE)


def timestamp(value: datetime) -> exp.Expr:
    """A UTC time as TIMESTAMP without zone."""
    utc = value.astimezone(UTC).replace(tzinfo=None)
    return exp.cast(exp.Literal.string(utc.isoformat(sep=" ")), exp.DType.TIMESTAMP)


def day(value: date) -> exp.Expr:
    """A date."""
    return exp.cast(exp.Literal.string(value.isoformat()), exp.DType.DATE)


def equals(left: exp.Expr, right: exp.Expr) -> exp.EQ:
    """Left = right."""
    return exp.EQ(this=left, expression=right)


def known_true(condition: exp.Expr) -> exp.Coalesce:
    """The condition with unknown taken for false."""
    return exp.Coalesce(this=condition, expressions=[exp.false()])


def total(expression: exp.Expr) -> exp.Coalesce:
    """A number with unknown taken for 0."""
    return exp.Coalesce(this=expression, expressions=[exp.Literal.number(0)])


def all_of(conditions: list[exp.Expr]) -> exp.Expr:
    """Conditions joined by AND; true when there are none."""
    return exp.and_(*conditions, copy=False) if conditions else exp.true()


def any_of(conditions: list[exp.Expr]) -> exp.Expr:
    """Conditions joined by OR; false when there are none."""
    return exp.or_(*conditions, copy=False) if conditions else exp.false()


def same(expression: exp.Expr) -> str:
    """A key that is equal for equal expressions."""
    return expression.sql(dialect="duckdb")


def count_where(condition: exp.Expr) -> exp.Expr:
    """How many rows satisfy a condition; plain count for the constant true."""
    if condition == exp.true():
        return exp.Count(this=exp.Star())
    # With FILTER the engine keeps a copy of all columns for each count, which hundreds of conditions would feel; of no
    # rows, COUNT_IF is null.
    return exp.Coalesce(this=exp.CountIf(this=condition), expressions=[exp.Literal.number(0)])


_COMPARISONS: dict[str, type[exp.Binary]] = {
    "=": exp.EQ, "!=": exp.NEQ, "<": exp.LT, "<=": exp.LTE, ">": exp.GT, ">=": exp.GTE,
}  # fmt: skip


def compare(left: exp.Expr, operator: str, right: exp.Expr) -> exp.Expr:
    """Left operator right, for the six orderings."""
    return _COMPARISONS[operator](this=left, expression=right)


def literal(value: Any) -> exp.Expr:
    """A literal of a text, number, flag, time or date."""
    match value:
        case bool():
            return exp.true() if value else exp.false()
        case str():
            return text(value)
        case int() | float():
            return number(value)
        case datetime():
            return timestamp(value)
        case date():
            return day(value)
    raise TypeError(f"no literal for {type(value).__name__}")
