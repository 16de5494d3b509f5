"""Periods, hours and durations as people type them.

A period is `FROM..TO`, both days included, UTC; either end may be missing, and a month or a year stands for its first
or last day. Hours are `18..22`: from 18:00 until before 22:00. A duration is a number with `min`, `h`, `d` or `w`.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta

from cdp.errors import InputError

_DAY = re.compile(r"^(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?$")
_DURATION = re.compile(r"^(\d{1,6})\s*(min|h|d|w)$")
_HOURS = re.compile(r"^(\d{1,2})\.\.(\d{1,2})$")
_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}

Period = tuple[datetime | None, datetime | None]


def period(text: str) -> Period:
    """First and last moment of `FROM..TO`; InputError saying how to write one."""
    first, dots, last = text.strip().partition("..")
    if not dots or not (first or last):
        raise InputError(
            f"`{text[:40]}` is no period: write FROM..TO, for example `2025-01-01..2025-06-30` or `2025-01..`."
        )
    since = _moment(first, end=False) if first else None
    until = _moment(last, end=True) if last else None
    if since and until and since >= until:
        raise InputError(f"The period {text[:40]} ends before it begins.")
    return since, until


def _moment(text: str, *, end: bool) -> datetime:
    found = _DAY.match(text.strip())
    try:
        if found is None:
            raise ValueError(text)
        year, month, day = (int(part) if part else None for part in found.groups())
        month = month or (12 if end else 1)
        day = day or (monthrange(year or 1, month)[1] if end else 1)
        moment = datetime(year or 0, month, day, tzinfo=UTC)
        return moment + timedelta(days=1) - timedelta(microseconds=1) if end else moment
    except (ValueError, OverflowError):
        raise InputError(f"`{text[:20]}` is no day: write `2025-06-30`, `2025-06` or `2025`.") from None


def hours(text: str) -> tuple[int, int]:
    """Begin and end of `18..22`; the end is not included and may lie beyond midnight (`22..6`)."""
    found = _HOURS.match(text.strip())
    begin, end = (int(found[1]), int(found[2])) if found else (-1, -1)
    if not (0 <= begin <= 23 and 0 <= end <= 24 and begin != end):
        raise InputError(f"`{text[:20]}` are no hours of the day: write FROM..TO in whole hours (UTC), as in `18..22`.")
    return begin, end


def duration(text: str) -> timedelta:
    """`30min`, `12h`, `7d`, `2w`; zero is a duration, whether it makes sense is the question's business."""
    found = _DURATION.match(text.strip())
    if found is None:
        raise InputError(f"`{text[:20]}` is no duration: write a number with min, h, d or w, as in `7d`.")
    return int(found[1]) * _UNITS[found[2]]


def spell(span: timedelta) -> str:
    """A duration as it is typed: in the largest unit that divides it, else in seconds."""
    for unit, size in reversed(_UNITS.items()):
        if span >= size and span % size == timedelta(0):
            return f"{span // size}{unit}"
    return f"{span.total_seconds():g} s"


def days(span: timedelta) -> int:
    """A duration in whole days; InputError when it is none."""
    if span % timedelta(days=1):
        raise InputError(f"{spell(span)} is no number of whole days: write it in d or w.")
    return span // timedelta(days=1)
