"""How old the news of each source is, measured against the data's now.

What counts is the newest time a record speaks of, not when a file arrived: a file of old records is no news.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from pipelines.sources.registry import SOURCES, STALE_AFTER_DAYS


@dataclass(frozen=True)
class SourceFreshness:
    """The newest record time of a source (aware, UTC; None when nothing dated came) and whether that is too old."""

    source: str
    newest: datetime | None
    age_days: float | None
    limit_days: int
    stale: bool


def check(
    connection: duckdb.DuckDBPyConnection, now: datetime, limits: Mapping[str, int] = STALE_AFTER_DAYS
) -> list[SourceFreshness]:
    """One entry per source that ever delivered; a source never delivered is nobody's worry."""
    rows = connection.execute(
        "select source, max(newest) from ops.batches where kind = 'file' group by source"
    ).fetchall()
    found = dict(rows)
    return [_judge(source, found[source], now, limits[source]) for source in SOURCES if source in found]


def _judge(source: str, newest: datetime | None, now: datetime, limit: int) -> SourceFreshness:
    if newest is None:
        return SourceFreshness(source, None, None, limit, stale=False)
    aware = newest.replace(tzinfo=UTC)
    age = (now - aware) / timedelta(days=1)
    return SourceFreshness(source, aware, round(age, 2), limit, stale=age > limit)
