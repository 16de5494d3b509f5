"""Callbacks: which of a request's changes which address still has to be told, and what is said there. Pure.

Nothing is queued: the changes are in the request's history, and beside each address stands how many of them it has been
told. A change is told at least once and in order; one that cannot be told is given up after a few days, and the next
change is tried anew.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from privacy.opendsr import words
from privacy.requests.request import Request

# How long to wait after each failure; after the last one the change is given up.
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 480, 1440, 1440, 1440))


@dataclass(frozen=True)
class Callback:
    """An address: how many changes it has been told, the first of them by the answer to the request itself."""

    url: str
    told: int = 1
    failures: int = 0
    not_before: str = ""


def waiting(request: Request, now: datetime) -> list[Callback]:
    """The addresses that have something to be told now."""
    if request.origin.get("way") != words.WAY:
        return []
    there = len(words.changes(request))
    return [
        one for one in _all(request)
        if one.told < there and (not one.not_before or datetime.fromisoformat(one.not_before) <= now)
    ]  # fmt: skip


def body(request: Request, callback: Callback, domain: str) -> dict[str, Any]:
    """What is said of the first change that an address has not been told (8.6); nothing tells that a person exists."""
    changes = words.changes(request)
    said = words.described(request, words.DIALECTS[request.origin["version"]], domain, telling=False)
    if callback.told < len(changes) - 1:
        # It went on since; what it became is said in its turn.
        said.pop("extensions", None)
    return {**said, "request_status": changes[callback.told], "status_callback_url": callback.url}


def taken(request: Request, callback: Callback) -> Request:
    """The address was told."""
    return _with(request, replace(callback, told=callback.told + 1, failures=0, not_before=""))


def failed(request: Request, callback: Callback, now: datetime) -> Request:
    """The address was not told: once more later, or never when that was the last time."""
    if callback.failures >= len(WAITS):
        return taken(request, callback)
    later = (now + WAITS[callback.failures]).isoformat()
    return _with(request, replace(callback, failures=callback.failures + 1, not_before=later))


def is_last(callback: Callback) -> bool:
    """Whether one more failure gives the change up."""
    return callback.failures >= len(WAITS)


def _all(request: Request) -> list[Callback]:
    return [Callback(**one) for one in request.origin["callbacks"]]


def _with(request: Request, callback: Callback) -> Request:
    kept = [asdict(callback if one.url == callback.url else one) for one in _all(request)]
    return replace(request, origin={**request.origin, "callbacks": kept})
