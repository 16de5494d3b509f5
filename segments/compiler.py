"""The one compiler: a definition becomes one SELECT of profile_ids.

Preview, evaluation and single-profile questions all use it, so they cannot disagree. Definitions are checked against
the catalogue first; SQL is built from sqlglot nodes only, so that no text of a definition can become syntax.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlglot import exp

from segments import check, sql
from segments.catalogue import Catalogue
from segments.conditions import condition
from segments.definition import SegmentDefinition
from segments.gate import Gate
from segments.plan import PROFILES, Plan
from segments.tree import Library

DIALECT = "duckdb"


def compile(
    definition: SegmentDefinition,
    catalogue: Catalogue,
    *,
    as_of: datetime,
    library: Library | None = None,
    profile_ids: str | None = None,
    gate: Gate | None = None,
) -> exp.Select:
    """SELECT of the `profile_id`s that belong to the segment at `as_of`, each once.

    `library` resolves references to other segments; `profile_ids` names a relation with a column `profile_id` and
    restricts the answer to those profiles. Raises DefinitionError with the path of every wrong node.
    """
    plan = Plan(catalogue, as_of, library or {}, gate or Gate(), restrict_to=profile_ids)
    check.require(definition, catalogue, plan.library)
    return plan.select({"profile_id": sql.column("profile_id", PROFILES)}, [condition(definition.where, plan)])


def compile_flags(definitions: Iterable[SegmentDefinition], plan: Plan) -> dict[str, exp.Expr]:
    """For each definition a boolean that is never unknown, over one shared plan; definitions are checked before."""
    flags: dict[str, exp.Expr] = {}
    for definition in definitions:
        check.require(definition, plan.catalogue, plan.library)
        flags[definition.key] = sql.known_true(condition(definition.where, plan))
    return flags


def text(query: exp.Expr, *, dialect: str = DIALECT) -> str:
    """The query as SQL text, without comments."""
    return query.sql(dialect=dialect, comments=False)
