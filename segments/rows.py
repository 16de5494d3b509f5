"""Which rows of the events (or moves) a measure looks at, and the cheap filter that several measures share.

An OR of everything wanted is exact but slow: the engine cannot skip blocks by it. What all measures have in common (one
of these names, not before this moment) is therefore said once more, plainly, beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlglot import exp

from segments import sql


@dataclass(frozen=True)
class Rows:
    """Rows with these values in named columns, not before `since`, before `until`, and satisfying all of `others`."""

    names: tuple[tuple[str, str], ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    others: tuple[exp.Expr, ...] = ()

    @property
    def condition(self) -> exp.Expr:
        """A fresh expression that is true for exactly these rows."""
        when = sql.column("occurred_at")
        parts: list[exp.Expr] = [sql.equals(sql.column(name), sql.text(value)) for name, value in self.names]
        if self.since is not None:
            parts.append(exp.GTE(this=when, expression=sql.timestamp(self.since)))
        if self.until is not None:
            parts.append(exp.LT(this=when.copy(), expression=sql.timestamp(self.until)))
        return sql.all_of([*parts, *[one.copy() for one in self.others]])


def any_rows(wanted: Sequence[Rows]) -> list[exp.Expr]:
    """Conditions that hold for a row exactly when one of several descriptions fits, the skippable ones first."""
    distinct = {sql.same(rows.condition): rows for rows in wanted}
    if len(distinct) == 1:
        found = next(iter(distinct.values())).condition
        return [] if found == exp.true() else [found]
    if any(rows.condition == exp.true() for rows in distinct.values()):
        return []
    return [*_shared(list(distinct.values())), sql.any_of([rows.condition for rows in distinct.values()])]


def _shared(wanted: Sequence[Rows]) -> list[exp.Expr]:
    shared: list[exp.Expr] = []
    for name in ("event_name", "touchpoint_type", "move"):
        values = {dict(rows.names).get(name) for rows in wanted}
        if None not in values:
            listed = [sql.text(value) for value in sorted(value for value in values if value is not None)]
            shared.append(exp.In(this=sql.column(name), expressions=listed))
    moments = [rows.since for rows in wanted]
    earliest = min((moment for moment in moments if moment is not None), default=None)
    if earliest is not None and None not in moments:
        shared.append(exp.GTE(this=sql.column("occurred_at"), expression=sql.timestamp(earliest)))
    return shared
