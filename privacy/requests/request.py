"""One subject request and what may happen to it: an immutable record, and a function per action that makes the next.

A request holds no personal data: whom it means is elsewhere, encrypted. Every action names who does it and when; what
the state does not allow is a ConflictError that says what the state is. Doing again what was done changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from cdp.errors import ConflictError
from privacy.requests.deadlines import Calendar, Deadlines, deadlines, rule_set
from privacy.requests.words import Delay, Kind, Refusal, State, Verification

Standing = Literal["open", "due_soon", "overdue", "closed"]
OPEN_STANDINGS: tuple[Standing, ...] = ("open", "due_soon", "overdue")

# From which states an action leads where.
_FROM: dict[str, tuple[frozenset[State], State]] = {
    "verify": (frozenset({State.RECEIVED}), State.VERIFIED),
    "approve": (frozenset({State.VERIFIED}), State.APPROVED),
    "begin": (frozenset({State.APPROVED, State.EXECUTING}), State.EXECUTING),
    "complete": (frozenset({State.EXECUTING}), State.COMPLETED),
    "refuse": (frozenset({State.RECEIVED, State.VERIFIED, State.APPROVED}), State.REFUSED),
    "give_up": (frozenset({State.EXECUTING}), State.REFUSED),
    "cancel": (frozenset({State.RECEIVED, State.VERIFIED, State.APPROVED}), State.CANCELLED),
}
_NEXT = {
    State.RECEIVED: "the identity of the person has to be verified first",
    State.VERIFIED: "it has to be approved first",
    State.APPROVED: "it waits to be carried out",
    State.EXECUTING: "it is being carried out",
}


@dataclass(frozen=True)
class Step:
    """One action in the history: `note` is a code."""

    at: str
    actor: str
    action: str
    note: str = ""


@dataclass(frozen=True)
class Request:
    """A request; moments are ISO 8601 in UTC, `due_at` and `confirm_by` are the first moment that is too late.

    The time to answer runs from `asked_at` when the person asked somebody who passed it on, else from `requested_at`.

    `tokens` are keyed hashes of the identifiers named, by which a repeated request is recognised. `origin` says by
    which way it came and what that way needs to answer.
    """

    request: str
    kind: str
    status: str
    requested_at: str
    subjects: int
    doubtful: int = 0
    rules: str = "gdpr"
    due_at: str = ""
    confirm_by: str | None = None
    confirmed_at: str | None = None
    extended: bool = False
    requester: str = "command line"
    reason: str | None = None
    allow_many: bool = False
    tokens: tuple[str, ...] = ()
    history: tuple[Step, ...] = ()
    reminded: tuple[str, ...] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)
    asked_at: str | None = None

    @property
    def state(self) -> State:
        """Where it is."""
        return State(self.status)

    @property
    def is_open(self) -> bool:
        """Something is still to be done."""
        return not self.state.is_final

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Request:
        """From the record as kept, also by a version that kept less or more."""
        known = {one.name for one in fields(cls)}
        given = {name: value for name, value in content.items() if name in known}
        for name in ("tokens", "reminded"):
            given[name] = tuple(given.get(name, ()))
        given["history"] = tuple(Step(**one) for one in given.get("history", ()))
        return cls(**given)


def receive(
    name: str, kind: Kind, *, subjects: int, requester: str, now: datetime, rules: str, days: Calendar,
    tokens: tuple[str, ...] = (), origin: Mapping[str, Any] | None = None, since: datetime | None = None,
) -> Request:  # fmt: skip
    """A new request: the time to answer it runs from `since` or now. InputError for unknown rules."""
    ends = deadlines(rule_set(rules), since or now, days)
    return Request(
        request=name,
        kind=str(kind),
        status=str(State.RECEIVED),
        requested_at=now.isoformat(),
        subjects=subjects,
        rules=rules,
        due_at=ends.due.isoformat(),
        confirm_by=ends.confirm_by.isoformat() if ends.confirm_by else None,
        requester=requester,
        tokens=tokens,
        history=(Step(now.isoformat(), requester, "receive"),),
        origin=dict(origin or {}),
        asked_at=since.isoformat() if since else None,
    )


def verify(request: Request, how: Verification, *, actor: str, now: datetime) -> Request:
    """Note that the person is who they say."""
    return _to(request, "verify", actor, now, str(how))


def approve(request: Request, *, actor: str, now: datetime, four_eyes: bool, allow_many: bool = False) -> Request:
    """Let it be carried out; with `four_eyes` an erasure only by somebody else than who asked for it."""
    if (
        four_eyes
        and request.kind == Kind.ERASURE
        and request.state is State.VERIFIED
        and actor in (request.requester, *_verifiers(request))
    ):
        raise ConflictError(
            f"Request {request.request} has to be approved by somebody else than who made it or verified the person."
        )
    approved = _to(request, "approve", actor, now, "many" if allow_many else "")
    return replace(approved, allow_many=request.allow_many or allow_many)


def vouch(request: Request, *, actor: str, now: datetime, four_eyes: bool) -> Request:
    """Verified by a controller, who has made sure of the person, and approved unless an erasure takes four eyes."""
    verified = verify(request, Verification.CONTROLLER, actor=actor, now=now)
    if four_eyes and request.kind == Kind.ERASURE:
        return verified
    return approve(verified, actor=actor, now=now, four_eyes=False)


def begin(request: Request, *, actor: str, now: datetime) -> Request:
    """Carrying out begins, or goes on after it was interrupted."""
    return request if request.state is State.EXECUTING else _to(request, "begin", actor, now)


def complete(request: Request, *, actor: str, now: datetime, partial: bool = False, held: bool = False) -> Request:
    """All is done; `partial` when something could not be done or checked, `held` when a legal hold keeps something."""
    if request.state in (State.COMPLETED, State.PARTIAL):
        return request
    note = "_".join(word for word, said in (("partial", partial), ("held", held)) if said)
    done = _to(request, "complete", actor, now, note)
    return replace(done, status=str(State.PARTIAL)) if partial else done


def answer(request: Request, *, actor: str, now: datetime) -> Request:
    """A person answered it. ConflictError for an erasure, whose end only its receipt can tell."""
    if request.kind == Kind.ERASURE:
        raise ConflictError(f"Request {request.request} is an erasure: `cdp privacy run` carries it out and proves it.")
    if request.state is State.COMPLETED:
        return request
    return complete(begin(request, actor=actor, now=now), actor=actor, now=now)


def refuse(request: Request, why: Refusal, *, actor: str, now: datetime) -> Request:
    """Nothing is done, for a reason that the person is told."""
    refused = _to(request, "refuse", actor, now, str(why))
    return replace(refused, reason=request.reason or str(why))


def give_up(request: Request, why: Refusal, *, actor: str, now: datetime) -> Request:
    """Refuse what was begun, before anything was done: whom it means shows only then."""
    refused = _to(request, "give_up", actor, now, str(why))
    return replace(refused, reason=request.reason or str(why))


def cancel(request: Request, *, actor: str, now: datetime) -> Request:
    """The person no longer wants it. ConflictError once carrying out has begun."""
    if request.state in (State.EXECUTING, State.COMPLETED, State.PARTIAL):
        raise ConflictError(
            f"Request {request.request} is {request.status} and can no longer be cancelled; what is erased stays so."
        )
    return _to(request, "cancel", actor, now)


def confirm(request: Request, *, actor: str, now: datetime) -> Request:
    """Note that the person was told that the request was received."""
    if request.confirmed_at is not None:
        return request
    if not request.is_open:
        raise ConflictError(f"Request {request.request} is {request.status}; there is nothing to confirm.")
    return replace(_with(request, "confirm", actor, now), confirmed_at=now.isoformat())


def extend(request: Request, why: Delay, *, actor: str, now: datetime, days: Calendar) -> Request:
    """Take the longer time that the law allows, once, before the first ends: the person has to be told by then."""
    rules = rule_set(request.rules)
    if not request.is_open:
        raise ConflictError(f"Request {request.request} is {request.status}; there is nothing to extend.")
    if rules.extended is None:
        raise ConflictError(f"The rules {rules.name} know no extension; request {request.request} stays due as it is.")
    if request.extended:
        raise ConflictError(f"Request {request.request} was extended before; the rules {rules.name} allow it once.")
    ends = deadlines(rules, received_at(request), days, extended=True)
    if now >= datetime.fromisoformat(request.due_at):
        raise ConflictError(
            f"Request {request.request} was due on {last_day(request, days)}; an extension had to be told before."
        )
    return replace(_with(request, "extend", actor, now, str(why)), extended=True, due_at=ends.due.isoformat())


def remind(request: Request, code: str, *, actor: str, now: datetime) -> Request:
    """Note that somebody was reminded."""
    return replace(_with(request, "remind", actor, now, code), reminded=(*request.reminded, code))


def reminders(request: Request, now: datetime) -> tuple[str, ...]:
    """Codes of what somebody has to be reminded of now and was not yet: `confirm`, `7_days`, `1_day`, `overdue`.

    Of several that are due at once only the most urgent counts, so that a server that was off does not send them all.
    """
    if not request.is_open or not request.due_at:
        return ()
    found = []
    if request.confirm_by and request.confirmed_at is None and now >= _moment(request.confirm_by) - timedelta(3):
        found.append("confirm")
    reached = [
        f"{days}_day{'s' if days > 1 else ''}" for days in rule_set(request.rules).remind_days
        if now >= _moment(request.due_at) - timedelta(days)
    ]  # fmt: skip
    if now >= _moment(request.due_at):
        reached.append("overdue")
    # An extension moves the due date, and what was said of the former one is said again of the new.
    suffix = "_extended" if request.extended else ""
    found += [code + suffix for code in reached[-1:]]
    return tuple(code for code in found if code not in request.reminded)


def standing(request: Request, now: datetime) -> Standing:
    """How a request stands to its deadline; a confirmation that was missed counts too."""
    if not request.is_open:
        return "closed"
    if request.due_at and now >= _moment(request.due_at):
        return "overdue"
    if request.confirm_by and request.confirmed_at is None and now >= _moment(request.confirm_by):
        return "overdue"
    if request.due_at and now >= _moment(request.due_at) - timedelta(rule_set(request.rules).remind_days[0]):
        return "due_soon"
    return "open"


def received_at(request: Request) -> datetime:
    """When it was received, here or by whoever passed it on."""
    return _moment(request.asked_at or request.requested_at)


def last_day(request: Request, days: Calendar) -> str:
    """The last day on which an answer is in time, ISO; empty for a request that was kept without a deadline."""
    return days.day_of(_moment(request.due_at) - timedelta(seconds=1)).isoformat() if request.due_at else ""


def moments(request: Request, days: Calendar) -> Deadlines:
    """The deadlines as the rules give them today."""
    return deadlines(rule_set(request.rules), received_at(request), days, extended=request.extended)


def _to(request: Request, action: str, actor: str, now: datetime, note: str = "") -> Request:
    allowed, target = _FROM[action]
    if request.state is target:
        return request
    if request.state not in allowed:
        why = _NEXT.get(request.state, "nothing can be changed any more")
        raise ConflictError(f"Request {request.request} is {request.status}: {why}.")
    return replace(_with(request, action, actor, now, note), status=str(target))


def _with(request: Request, action: str, actor: str, now: datetime, note: str = "") -> Request:
    return replace(request, history=(*request.history, Step(now.isoformat(), actor, action, note)))


def _verifiers(request: Request) -> list[str]:
    return [step.actor for step in request.history if step.action == "verify"]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
