"""How old the news of each source is, measured against the data's now.

What counts is the newest time a record speaks of, not when a file arrived: a file of old records is no news.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from cdp.errors import CheckFailed
from pipelines.sources.registry import SOURCES, STALE_AFTER_DAYS


@dataclass(frozen=True)
class SourceFreshness:
    """The newest record time of a source (aware, UTC; None when nothing dated came) and whether that is too old."""

    source: str
    newest: datetime | None
    age_days: float | None
    limit_days: int
    stale: bool

    @property
    def sentence(self) -> str:
        """How old the news is, for people."""
        if self.newest is None or self.age_days is None:
            return f"{self.source}: nothing dated came yet."
        return (
            f"{self.source}: the newest record is of {self.newest:%Y-%m-%d}, {self.age_days:,.0f} days before now; "
            f"more than {self.limit_days} is stale."
        )


def judge(found: Iterable[SourceFreshness], tell: Callable[[str], None], *, block: bool) -> None:
    """Tell of every stale source; with `block` a CheckFailed that names them."""
    stale = [item.sentence for item in found if item.stale]
    if stale and block:
        raise CheckFailed(f"Nothing was published, because CDP_FRESHNESS is block. {' '.join(stale)}")
    for sentence in stale:
        tell(f"Stale: {sentence}")


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
