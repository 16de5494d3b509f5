"""Traits of given people, for lists of members: the columns of `marts.profiles` that a caller names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import duckdb
from sqlglot import exp

from segments import catalogue as catalogues
from segments import compiler, sql
from segments.export import require_fields


def traits_of(
    connection: duckdb.DuckDBPyConnection, profile_ids: Sequence[str], fields: Sequence[str]
) -> Mapping[str, dict[str, Any]]:
    """For each of the profiles in the snapshot its fields as JSON values (moments in UTC). InputError as exports do."""
    require_fields(fields, catalogues.read(connection))
    wanted = exp.Unnest(expressions=[exp.Placeholder()])
    query = (
        exp.select(sql.column("profile_id"), *[sql.column(field) for field in fields])
        .from_(sql.relation("marts.profiles"))
        .where(exp.In(this=sql.column("profile_id"), query=exp.Subquery(this=exp.select(wanted))))
    )
    rows = connection.execute(compiler.text(query), [list(profile_ids)]).fetchall()
    return {row[0]: dict(zip(fields, map(_json, row[1:]), strict=True)) for row in rows}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value
