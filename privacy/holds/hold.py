"""One legal hold: for which basis something is kept, until which day, and what was done with it; no personal data.

Whom it means and what is kept lies sealed beside it (`privacy.holds.register`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal

from cdp.errors import ConflictError, InputError
from privacy.requests.request import Step

Status = Literal["active", "released", "ended"]


@dataclass(frozen=True)
class Hold:
    """`until` is the last day on which it holds, ISO; `kept` counts records by erasure and category.

    `tokens` are keyed hashes of the identifiers named, by which the same hold is recognised.
    """

    hold: str
    basis: str
    categories: tuple[str, ...]
    until: str
    placed_at: str
    placed_by: str
    status: Status = "active"
    tokens: tuple[str, ...] = ()
    kept: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    history: tuple[Step, ...] = ()

    @property
    def reason(self) -> str:
        """Why something is kept, as a receipt says it."""
        return f"legal hold {self.hold}: {self.basis}, until {self.until}; sealed and used for nothing else"

    @property
    def records(self) -> int:
        """How many records it keeps, or kept until it ended."""
        return sum(sum(counts.values()) for counts in self.kept.values())

    def is_in_force(self, today: date) -> bool:
        """Whether what it names is kept of people who are erased now."""
        return self.status == "active" and today <= date.fromisoformat(self.until)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Hold:
        """From the record as kept."""
        given = dict(content)
        given |= {name: tuple(given[name]) for name in ("categories", "tokens")}
        return cls(**{**given, "history": tuple(Step(**one) for one in given["history"])})


def last_day(text: str, today: date) -> date:
    """The end of a hold, as written. InputError when it is no date or lies in the past."""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise InputError("until: the last day of a hold is a date like 2030-12-31.") from None
    if day < today:
        raise InputError(f"until: {day} is in the past; a hold ends today at the earliest.")
    return day


def extend(hold: Hold, until: date, *, actor: str, now: datetime) -> Hold:
    """Let it hold longer. ConflictError once it was released or has ended; InputError for an earlier day."""
    if hold.status != "active":
        raise ConflictError(f"Hold {hold.hold} is {hold.status}; place a new one while the data is still there.")
    if until.isoformat() < hold.until:
        raise InputError(f"until: hold {hold.hold} lasts until {hold.until} already; release it to end it sooner.")
    if until.isoformat() == hold.until:
        return hold
    return replace(_with(hold, "extend", actor, now, until.isoformat()), until=until.isoformat())


def release(hold: Hold, *, actor: str, now: datetime) -> Hold:
    """It is needed no more: the next run erases what it keeps."""
    return hold if hold.status != "active" else replace(_with(hold, "release", actor, now), status="released")


def kept(hold: Hold, request: str, counts: Mapping[str, int], *, actor: str, now: datetime) -> Hold:
    """What an erasure left under it; noting it again changes nothing."""
    if hold.kept.get(request) == counts:
        return hold
    return replace(_with(hold, "keep", actor, now, request), kept={**hold.kept, request: dict(counts)})


def end(hold: Hold, *, actor: str, now: datetime) -> Hold:
    """What it kept is erased."""
    return hold if hold.status == "ended" else replace(_with(hold, "end", actor, now), status="ended")


def _with(hold: Hold, action: str, actor: str, now: datetime, note: str = "") -> Hold:
    return replace(hold, history=(*hold.history, Step(now.isoformat(), actor, action, note)))
