"""Everybody in exactly one place: the first of an ordered list of definitions that holds for a person.

Personas and next best actions are such lists. All definitions share one query, as segments do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb
from sqlglot import exp

from segments import catalogue as catalogues
from segments import check, compiler, document, sql
from segments.conditions import allowed
from segments.definition import SegmentDefinition
from segments.errors import DefinitionError
from segments.gate import Gate
from segments.plan import PROFILES, Plan
from segments.tree import Library


def readable(
    connection: duckdb.DuckDBPyConnection, documents: Iterable[Mapping[str, Any]], *, library: Library
) -> tuple[list[SegmentDefinition], list[str]]:
    """The documents that are sound definitions on the data of the connection, and the keys of those that are not."""
    catalogue = catalogues.read(connection, open_events=True)
    sound, unsound = [], []
    for given in documents:
        try:
            one = document.parse(given)
            check.require(one, catalogue, {**library, one.key: one})
        except DefinitionError:
            unsound.append(str(given.get("key")))
        else:
            sound.append(one)
    return sound, unsound


def first_of(
    connection: duckdb.DuckDBPyConnection,
    definitions: Sequence[SegmentDefinition],
    table: str,
    *,
    as_of: datetime,
    library: Library | None = None,
    only_allowed: bool = False,
    gate: Gate | None = None,
) -> None:
    """Write the temporary table `table` (profile_id, key): per profile the first definition that holds, null for none.

    With `only_allowed`, a definition holds only for people who may be used for its purpose. Raises DefinitionError
    naming the definition and the place that is wrong. The connection may be read-only.
    """
    known = {**(library or {}), **{one.key: one for one in definitions}}
    plan = Plan(catalogues.read(connection, open_events=True), as_of, known, gate or Gate())
    for one in definitions:
        check.require(one, plan.catalogue, plan.library)
    flags = compiler.compile_flags(definitions, plan)
    chosen: exp.Expr = exp.null()
    if definitions:
        case = exp.Case()
        for one in definitions:
            holds = flags[one.key]
            if only_allowed:
                holds = exp.and_(holds, sql.known_true(allowed(one.purpose, plan)), copy=False)
            case = case.when(holds, sql.text(one.key), copy=False)
        chosen = case
    columns = {"profile_id": sql.column("profile_id", PROFILES), "key": exp.cast(chosen, exp.DType.VARCHAR)}
    create = exp.Create(
        this=sql.relation(table),
        kind="TABLE",
        replace=True,
        properties=exp.Properties(expressions=[exp.TemporaryProperty()]),
        expression=plan.select(columns, []),
    )
    connection.execute(compiler.text(create))
