"""Regulations as erasures of the register: the same states, guards and receipts; all of it in worker threads.

Whoever sends a regulation stands for its people, as a controller does. A regulation that was deleted is a request that
was cancelled, and is not shown any more.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from api.cursors import Position
from api.regulations.schemas import Status, Wanted
from api.security import Caller
from api.services import Services
from cdp.clock import wall_now
from cdp.errors import InputError, NotFoundError
from privacy.register import Asked
from privacy.requests import request as acts
from privacy.requests.request import Request
from privacy.requests.words import Kind, State

WORKSPACE = "wayfinder"
TYPE = "SUPPRESS_WITH_DELETE"
SUBJECT = "USER_ID"

_LIST = "regulations"
_STATUS: dict[State, Status] = {
    State.RECEIVED: "INITIALIZED",
    State.VERIFIED: "INITIALIZED",
    State.APPROVED: "INITIALIZED",
    State.EXECUTING: "RUNNING",
    State.COMPLETED: "FINISHED",
    State.PARTIAL: "PARTIAL_SUCCESS",
    State.REFUSED: "FAILED",
}


async def create(services: Services, caller: Caller, wanted: Wanted) -> str:
    """Keep an erasure, or find the open one of the same people; returns its id. InputError for an id that cannot be."""
    return (await asyncio.to_thread(_received, services, caller, wanted)).request


async def read(services: Services, name: str) -> dict[str, Any]:
    """One regulation; NotFoundError."""
    one = await asyncio.to_thread(services.register.read, name)
    _require_shown(one)
    return {
        "id": one.request,
        "workspaceId": WORKSPACE,
        "overallStatus": _STATUS[one.state],
        "createdAt": one.requested_at,
        "finishedAt": _finished(one),
        "streamStatus": [],
    }


async def listed(services: Services, status: Status | None, cursor: str | None, count: int) -> dict[str, Any]:
    """A page of regulations, oldest first. InputError for a cursor that is none."""
    listing = f"{_LIST}:{status}"
    position = services.cursors.decode(listing, cursor)
    rows = [
        one for one in await asyncio.to_thread(services.register.all)
        if _is_shown(one) and (status is None or _STATUS[one.state] == status)
    ]  # fmt: skip
    after = tuple(position.after) if position else ()
    rest = [one for one in rows if not after or _place(one) > after]
    more = len(rest) > count
    return {
        "regulations": [_entry(one) for one in rest[:count]],
        "pagination": {
            "current": cursor or services.cursors.encode(listing, Position(0, [])),
            "next": services.cursors.encode(listing, Position(0, list(_place(rest[count - 1])))) if more else None,
            "totalEntries": len(rows),
        },
    }


async def delete(services: Services, caller: Caller, name: str) -> None:
    """Cancel an erasure; NotFoundError, ConflictError once it is being carried out."""

    def acted(before: Request) -> Request:
        _require_shown(before)
        after = acts.cancel(before, actor=caller.actor, now=wall_now())
        # Before it is kept: what the trail does not know of does not happen.
        services.audit.record(caller.actor, "privacy.request.cancelled", name, {"way": _LIST})
        return after

    await asyncio.to_thread(services.register.change, name, acted)


def _received(services: Services, caller: Caller, wanted: Wanted) -> Request:
    ids = list(dict.fromkeys(_normal(services, value, place) for place, value in enumerate(wanted.subject_ids)))
    now = wall_now()
    vouched = partial(acts.vouch, actor=caller.actor, now=now, four_eyes=services.policy.four_eyes)
    asked = Asked(Kind.ERASURE, [[f"user_id:{value}"] for value in ids], [[("user_id", value)] for value in ids])
    made, is_new = services.register.receive(asked, actor=caller.actor, now=now, policy=services.policy, then=vouched)
    detail = {"kind": made.kind, "people": made.subjects, "way": _LIST}
    services.audit.record(
        caller.actor, f"privacy.request.{'received' if is_new else 'repeated'}", made.request, detail
    )  # fmt: skip
    return made


def _normal(services: Services, value: str, place: int) -> str:
    try:
        return services.normalise("user_id", value)
    except InputError:
        raise InputError(f"body.subjectIds.{place}: it cannot be a user id; check its form.") from None


def _is_shown(one: Request) -> bool:
    return one.kind == Kind.ERASURE and one.state is not State.CANCELLED


def _require_shown(one: Request) -> None:
    if not _is_shown(one):
        raise NotFoundError("There is no such regulation.")


def _finished(one: Request) -> str | None:
    return None if one.is_open else one.history[-1].at


def _entry(one: Request) -> dict[str, Any]:
    return {
        "id": one.request,
        "subjectType": SUBJECT,
        "subjects": [],
        "status": _STATUS[one.state],
        "createdAt": one.requested_at,
        "regulationType": TYPE,
        "finishedAt": _finished(one),
    }


def _place(one: Request) -> tuple[str, str]:
    return one.requested_at, one.request
