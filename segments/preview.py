"""What a segment would be, before anyone saves it: sizes, reach, drop-off, overlap and a masked sample.

One query answers everything but the sample's details, with the same compiled conditions as evaluation. The sample only
ever shows people whom the consent gate lets be used for the segment's purpose, and never in full.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args

import duckdb
from sqlglot import exp

from cdp.clock import stopwatch
from cdp.wording import nearest
from segments import catalogue as catalogues
from segments import check, compiler, masking, sql
from segments.catalogue import Catalogue
from segments.conditions import allowed, condition
from segments.definition import And, Channel, SegmentDefinition
from segments.errors import DefinitionError, Problem
from segments.gate import Gate, has_address
from segments.plan import PROFILES, Plan
from segments.sentence import phrase, sentence
from segments.tree import Library, blocking_nodes, time_dependent

CHANNELS: tuple[str, ...] = get_args(Channel)


@dataclass(frozen=True)
class DropOff:
    """One condition of a segment: how many satisfy it alone, and how many are left after it and all before it."""

    path: str
    condition: str
    alone: int
    remaining: int
    removed: int


@dataclass(frozen=True)
class Overlap:
    """How many members also belong to another segment."""

    key: str
    title: str
    size: int
    both: int


@dataclass(frozen=True)
class Preview:
    """All counts are profiles; `share` is of all living profiles, `reachable` counts people who may be contacted.

    What it cost: `rows_scanned`, the rows of all tables that the engine scans for it, and `seconds` of wall-clock time.
    """

    sentence: str
    purpose: str
    profiles: int
    size: int
    share: float
    exportable: int
    reachable: Mapping[str, int]
    drop_off: tuple[DropOff, ...]
    overlap: tuple[Overlap, ...]
    sample: tuple[Mapping[str, Any], ...]
    blocking: tuple[str, ...]
    time_dependent: bool
    rows_scanned: int = field(compare=False)
    seconds: float = field(compare=False)


def preview(
    connection: duckdb.DuckDBPyConnection,
    definition: SegmentDefinition,
    *,
    as_of: datetime,
    library: Library | None = None,
    overlap: Sequence[str] = (),
    sample: int = 5,
    catalogue: Catalogue | None = None,
    gate: Gate | None = None,
) -> Preview:
    """Preview a definition on the snapshot behind `connection` at `as_of`.

    `overlap` names segments of the library to compare with; `catalogue` saves reading the names again when it is kept
    beside the snapshot. Raises DefinitionError as compiling does.
    """
    started = stopwatch()
    known = dict(library or {})
    names = catalogue or catalogues.read(connection)
    plan = Plan(names, as_of, known, gate or Gate())
    unknown = [
        Problem("overlap", f"there is no segment {key[:64]}.{nearest(key, known)}", tuple(sorted(known)))
        for key in overlap
        if key not in known
    ]
    if unknown:
        raise DefinitionError(unknown, subject="The preview")
    others = [known[key] for key in overlap]
    check.require(definition, names, known)
    flags = compiler.compile_flags(others, plan)
    query = compiler.text(_question(plan, definition, flags, others, sample))
    (row,) = connection.execute(query).fetchall()
    answers = iter(row)
    profiles, size, exportable = next(answers), next(answers), next(answers)
    return Preview(
        sentence=sentence(definition.where),
        purpose=definition.purpose,
        profiles=profiles,
        size=size,
        share=size / profiles if profiles else 0.0,
        exportable=exportable,
        reachable={channel: next(answers) for channel in CHANNELS},
        drop_off=tuple(_drop_off(definition, answers, profiles)),
        overlap=tuple(Overlap(one.key, one.title, next(answers), next(answers)) for one in others),
        sample=masking.masked_rows(connection, next(answers) or []) if sample else (),
        blocking=tuple(f"{path}: {reason}" for path, reason in blocking_nodes(definition, known)),
        time_dependent=time_dependent(definition, known),
        rows_scanned=_rows_scanned(connection, query),
        seconds=stopwatch() - started,
    )


def _rows_scanned(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    """Rows of all tables that the engine's plan of a query scans; a table that is scanned twice counts twice."""
    (plan,) = connection.execute(f"EXPLAIN (FORMAT JSON) {query}").fetchall()
    sizes = connection.execute("SELECT schema_name || '.' || table_name, estimated_size FROM duckdb_tables()")
    rows = dict(sizes.fetchall())
    scanned, nodes = 0, json.loads(plan[1])
    while nodes:
        node = nodes.pop()
        nodes.extend(node["children"])
        table = str(node["extra_info"].get("Table", ""))
        scanned += rows.get(".".join(table.split(".")[-2:]), 0)
    return scanned


def _parts(definition: SegmentDefinition) -> list[tuple[str, Any]]:
    """The conditions that must all hold, in the author's order: the whole tree when it is no `and`."""
    where = definition.where
    if isinstance(where, And):
        return [(f"where.of[{number}]", node) for number, node in enumerate(where.of)]
    return [("where", where)]


def _question(
    plan: Plan,
    definition: SegmentDefinition,
    flags: Mapping[str, exp.Expr],
    others: Sequence[SegmentDefinition],
    sample: int,
) -> exp.Select:
    """One row: all counts in the order in which `preview` reads them, then the ids of the sample."""
    parts = [sql.known_true(condition(node, plan)) for _, node in _parts(definition)]
    usable = sql.known_true(allowed(definition.purpose, plan))
    columns: dict[str, exp.Expr] = {f"part_{number}": part for number, part in enumerate(parts)}
    columns |= {"profile_id": sql.column("profile_id", PROFILES), "usable": usable}
    columns |= {f"by_{channel}": has_address(channel, PROFILES) for channel in CHANNELS}
    columns |= {f"other_{number}": flags[one.key] for number, one in enumerate(others)}
    rows = plan.select(columns, [])

    # The first condition that a person fails: who is left after each, without asking all before it again.
    passed = exp.Case()
    for number in range(len(parts)):
        passed = passed.when(exp.not_(sql.column(f"part_{number}")), exp.Literal.number(number), copy=False)
    passed.set("default", exp.Literal.number(len(parts)))
    rows = exp.select("*", exp.alias_(passed, "passed", quoted=True)).from_(rows.subquery("conditions"))

    def left(number: int) -> exp.Expr:
        return exp.GTE(this=sql.column("passed"), expression=exp.Literal.number(number))

    def seen(*names: str) -> exp.Expr:
        return sql.all_of([left(len(parts)), *(sql.column(name) for name in names)])

    counted = [exp.true(), seen(), seen("usable"), *(seen("usable", f"by_{channel}") for channel in CHANNELS)]
    for number in range(len(parts)):
        counted += [sql.column(f"part_{number}"), left(number + 1)]
    for number in range(len(others)):
        counted += [sql.column(f"other_{number}"), seen(f"other_{number}")]
    selected: list[exp.Expr] = [sql.count_where(one) for one in counted]
    if sample:
        smallest = exp.Anonymous(this="MIN", expressions=[sql.column("profile_id"), exp.Literal.number(sample)])
        selected.append(exp.Filter(this=smallest, expression=exp.Where(this=seen("usable"))))
    named = [exp.alias_(one, f"answer_{number}", quoted=True) for number, one in enumerate(selected)]
    return exp.select(*named).from_(rows.subquery("people"))


def _drop_off(definition: SegmentDefinition, answers: Iterator[Any], profiles: int) -> Iterator[DropOff]:
    before = profiles
    for path, node in _parts(definition):
        alone, remaining = next(answers), next(answers)
        yield DropOff(path, phrase(node), alone, remaining, before - remaining)
        before = remaining
