"""The only place that reads the wall clock.

Everything else is handed a `Clock`. "Now" for data is `CDP_AS_OF` when it is set (so old data can be replayed), else
the real time; durations and lock ages always use real time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the time is, in UTC."""

    def now(self) -> datetime:
        """The data's now: aware, UTC."""
        ...


@dataclass(frozen=True)
class SystemClock:
    """Real time, or the fixed moment of `CDP_AS_OF`."""

    as_of: datetime | None = None

    def now(self) -> datetime:
        """The data's now: `as_of` when set, else the wall clock."""
        return self.as_of or wall_now()


@dataclass
class FixedClock:
    """A clock that tests and replays set by hand."""

    moment: datetime

    def now(self) -> datetime:
        """The moment it was set to."""
        return self.moment


def wall_now() -> datetime:
    """Real time, aware, UTC; for audit entries, locks and run times."""
    return datetime.now(tz=UTC)


def stopwatch() -> float:
    """Seconds on a monotonic clock; differences are durations."""
    return time.perf_counter()
