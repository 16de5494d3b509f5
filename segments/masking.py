"""Enough of a person to recognise the kind, not the person: the rows of a preview's sample.

Masking happens in the query, so that full values never leave the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
from sqlglot import exp

from segments import compiler, sql

_SHOWN = ("country", "current_stage", "purchases", "last_seen_at")


def masked_rows(connection: duckdb.DuckDBPyConnection, profile_ids: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
    """profile_id, initials, first letter and top-level domain of the mail, and a few traits; ordered by profile_id."""
    if not profile_ids:
        return ()
    columns = [
        sql.column("profile_id"),
        exp.alias_(_initials(), "initials", quoted=True),
        exp.alias_(_mail(), "email", quoted=True),
        *[sql.column(name) for name in _SHOWN],
    ]
    chosen = exp.In(this=sql.column("profile_id"), expressions=[sql.text(one) for one in profile_ids])
    query = exp.select(*columns).from_(sql.relation("marts.profiles")).where(chosen).order_by(sql.column("profile_id"))
    found = connection.execute(compiler.text(query))
    names = [column[0] for column in found.description or ()]
    return tuple(dict(zip(names, row, strict=True)) for row in found.fetchall())


def _initials() -> exp.Expr:
    letters: list[exp.Expr] = [_or_nothing(_left(sql.column(name))) for name in ("first_name", "last_name")]
    return exp.Nullif(this=exp.Concat(expressions=letters, safe=True), expression=sql.text(""))


def _mail() -> exp.Expr:
    mail = sql.column("email")
    ending = exp.RegexpExtract(this=mail, expression=sql.text("[.][A-Za-z]{2,10}$"))
    return exp.Case(
        ifs=[exp.If(this=exp.Is(this=mail.copy(), expression=exp.null()).not_(),
                    true=exp.Concat(expressions=[_left(mail.copy()), sql.text("***@***"), ending], safe=True))]
    )  # fmt: skip


def _left(column: exp.Expr) -> exp.Expr:
    return exp.Left(this=column, expression=exp.Literal.number(1))


def _or_nothing(value: exp.Expr) -> exp.Expr:
    return exp.Coalesce(this=value, expressions=[sql.text("")])
