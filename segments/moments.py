"""Durations and moments as definitions write them.

A duration has a fixed length (`90min`, `36h`, `30d`, `2w`); months and years have none and are refused with a hint. A
moment is a date, a time with zone, or so long ago, and becomes a UTC time only when "now" is known.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from cdp.errors import InputError

_DURATION = re.compile(r"(\d{1,6})(min|h|d|w)")
_SECONDS = {"min": 60, "h": 3600, "d": 86400, "w": 604800}
_WORDS = {"min": "minute", "h": "hour", "d": "day", "w": "week"}
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)


def duration(text: str) -> timedelta:
    """The length of `30d`; ValueError with the allowed units."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("a duration is a whole number with min, h, d or w, for example 90min, 36h, 30d or 2w")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def duration_words(text: str) -> str:
    """`30d` as people say it: `30 days`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text} is no duration")
    word = _WORDS[match[2]]
    return f"{int(match[1])} {word}" + ("" if int(match[1]) == 1 else "s")


def moment(text: str) -> datetime:
    """`2025-01-31` (midnight UTC) or `2025-01-31T12:00:00Z` as a UTC time; ValueError otherwise."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return datetime.combine(date.fromisoformat(text), datetime.min.time(), tzinfo=UTC)
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("a moment is 2025-01-31 or 2025-01-31T12:00:00Z") from None
    if parsed.tzinfo is None:
        raise ValueError("a time needs its zone, for example 2025-01-31T12:00:00Z")
    try:
        return parsed.astimezone(UTC)
    except OverflowError:
        raise ValueError("a moment lies between the years 1 and 9999") from None


def asked(text: str | None, name: str) -> datetime | None:
    """A moment that somebody gives under a name, if they do. InputError for one that is none."""
    if text is None:
        return None
    try:
        return moment(text)
    except ValueError as error:
        raise InputError(f"{name}: {error}.") from None


def before(now: datetime, text: str) -> datetime:
    """The moment `text` (a duration) before `now`, not earlier than the calendar begins."""
    try:
        return max(now - duration(text), EARLIEST)
    except OverflowError:
        return EARLIEST
