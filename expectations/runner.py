"""The runner: contracts of rows (raw entities) and of tables (what is published).

Rows: the caller hands over the typed contract view of new rows in bounded chunks and gets back which rows fail, with a
code and a sentence. Tables: see `expectations.published`. Neither raises for bad data; the caller decides what a
failure means. Results are indexes and counts, never values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cdp.clock import wall_now
from expectations.judge import judge
from expectations.suite import Rule, load_suite

if TYPE_CHECKING:
    import duckdb
    import pandas as pd


@dataclass(frozen=True)
class RowFailure:
    """One row broke one rule: the frame's index label, a stable code, a sentence naming the column."""

    index: int
    code: str
    reason: str


@dataclass(frozen=True)
class TableFailure:
    """One expectation on a table does not hold; `detail` holds counts only."""

    expectation: str
    column: str
    detail: str


@dataclass(frozen=True)
class TableReport:
    """The contract of one table: `ok` when nothing failed."""

    name: str
    ok: bool
    failures: list[TableFailure]


def row_rules(source: str, entity: str) -> tuple[Rule, ...]:
    """The rules of an entity, in the order in which their failures are reported."""
    return load_suite(f"{source}.{entity}").rules


def row_columns(source: str, entity: str) -> tuple[str, ...]:
    """The columns of the contract view that the rules look at."""
    return load_suite(f"{source}.{entity}").columns


def check_rows(source: str, entity: str, frame: pd.DataFrame, now: datetime) -> list[RowFailure]:
    """All failures of a chunk of the contract view, ordered by row, then by rule.

    `frame` is indexed by unique integers. `now` (aware) is the moment that nothing in the data may lie beyond, give or
    take the tolerance written in the suite.
    """
    verdicts = judge(load_suite(f"{source}.{entity}"), frame, now)
    found = [RowFailure(index, one.rule.code, one.rule.reason) for one in verdicts for index in one.failing]
    return sorted(found, key=lambda failure: failure.index)


def check_table(name: str, frame: pd.DataFrame) -> TableReport:
    """Judge the measures of one published table: a frame of one row, one column per measure."""
    failures = [
        TableFailure(one.rule.code, one.rule.column, f"{one.rule.reason} (measured {frame[one.rule.column].iloc[0]:g})")
        for one in judge(load_suite(name), frame, wall_now())
        if one.failing
    ]
    return TableReport(name, not failures, failures)


def check_published(connection: duckdb.DuckDBPyConnection, *, derived: bool = False) -> list[TableReport]:
    """The contracts of the models' tables, or of what was `derived` from them.

    A table that is missing is a failed report, nothing is raised.
    """
    from expectations import published

    reports = []
    for name in published.DERIVED if derived else published.MEASURES:
        frame = published.measure(connection, name)
        if frame is None:
            missing = TableFailure("missing", "", "the table, a column of it or a table that it refers to is missing")
            reports.append(TableReport(name, False, [missing]))
        else:
            reports.append(check_table(name, frame))
    return reports
