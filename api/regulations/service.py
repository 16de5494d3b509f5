"""Regulations as erasures of the register, and as liftings of suppressions in the journal; all of it in worker threads.

Whoever sends a regulation stands for its people, as a controller does. A regulation that was deleted is a request that
was cancelled, and is not shown any more. A suppression is lifted at once; what is still to be carried out suppresses
when it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from functools import partial
from typing import Any

from api.cursors import Position
from api.regulations.schemas import RegulationType, Status, Wanted
from api.security import Caller
from api.services import Services
from cdp.clock import wall_now
from cdp.domain.words import IdentifierType
from cdp.errors import ConflictError, InputError, NotFoundError
from cdp.store.recipients import standing
from privacy import suppression
from privacy.closure import Named
from privacy.journal import Entry, Journal
from privacy.register import Asked
from privacy.requests import request as acts
from privacy.requests.request import Request
from privacy.requests.words import Kind, State

WORKSPACE = "wayfinder"
SUBJECT = "USER_ID"
_LIFTING: RegulationType = "UNSUPPRESS"
_ERASURE: RegulationType = "SUPPRESS_WITH_DELETE"

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
    """Keep an erasure, or find the open one of the same people, or lift; returns its id. InputError for a wrong id."""
    if wanted.regulation_type == _LIFTING:
        return await asyncio.to_thread(_lifted, services, caller, wanted)
    return (await asyncio.to_thread(_received, services, caller, wanted)).request


async def read(services: Services, caller: Caller, name: str) -> dict[str, Any]:
    """One regulation; NotFoundError."""
    return await asyncio.to_thread(_read, services, caller, name)


async def listed(
    services: Services,
    status: Status | None,
    types: Collection[RegulationType] | None,
    cursor: str | None,
    count: int,
) -> dict[str, Any]:
    """A page of regulations, oldest first. InputError for a cursor that is none."""
    listing = f"{_LIST}:{status}:{','.join(sorted(types or []))}"
    position = services.cursors.decode(listing, cursor)
    rows = [
        one for one in await asyncio.to_thread(_entries, services)
        if (status is None or one["status"] == status) and (not types or one["regulationType"] in types)
    ]  # fmt: skip
    after = tuple(position.after) if position else ()
    rest = [one for one in rows if not after or _place(one) > after]
    more = len(rest) > count
    return {
        "regulations": rest[:count],
        "pagination": {
            "current": cursor or services.cursors.encode(listing, Position(0, [])),
            "next": services.cursors.encode(listing, Position(0, list(_place(rest[count - 1])))) if more else None,
            "totalEntries": len(rows),
        },
    }


async def delete(services: Services, caller: Caller, name: str) -> None:
    """Cancel an erasure; NotFoundError, ConflictError once it is being carried out."""
    if name.startswith(suppression.PREFIX):
        await asyncio.to_thread(_lifting, services, name)
        raise ConflictError("It was carried out at once; whom it let in is kept out again by another regulation.")

    def acted(before: Request) -> Request:
        _require_shown(before)
        after = acts.cancel(before, actor=caller.actor, now=wall_now())
        # Before it is kept: what the trail does not know of does not happen.
        services.audit.record(caller.actor, "privacy.request.cancelled", name, {"way": _LIST})
        return after

    await asyncio.to_thread(services.register.change, name, acted)


def _lifted(services: Services, caller: Caller, wanted: Wanted) -> str:
    kind, now = str(IdentifierType.USER_ID), wall_now()
    named = [Named(kind, _normal(services, value, place)) for place, value in enumerate(wanted.subject_ids)]
    name = suppression.new_name(now)
    detail = {"identifiers": len(named), "way": _LIST}
    audit = partial(services.audit.record, caller.actor, "privacy.unsuppressed", name, detail)
    suppression.lift(services.privacy, named, name=name, at=now, audit=audit)
    return name


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


def _read(services: Services, caller: Caller, name: str) -> dict[str, Any]:
    if name.startswith(suppression.PREFIX):
        entry, streams = _lifting_entry(_lifting(services, name)), []
    else:
        one = services.register.read(name)
        _require_shown(one)
        entry, streams = _erasure_entry(one), _streams(services, name) if caller.sees_personal_data else []
    return {
        "id": name,
        "workspaceId": WORKSPACE,
        "overallStatus": entry["status"],
        "createdAt": entry["createdAt"],
        "finishedAt": entry["finishedAt"],
        "streamStatus": streams,
    }


def _streams(services: Services, name: str) -> list[dict[str, Any]]:
    """The destinations that were given somebody of an erasure; none for a store without destinations."""
    url = services.store.url
    told = [] if url == "memory:" else standing(url, name)
    found = [
        {
            "name": one["destination"],
            "id": one["destination"],
            "status": "FAILED" if one["failed"] else "RUNNING" if one["pending"] else "FINISHED",
        }
        for one in told
    ]
    return [{"id": WORKSPACE, "destinationStatus": found}] if found else []


def _lifting(services: Services, name: str) -> Entry:
    for one in Journal(services.privacy).liftings():
        if one.request == name:
            return one
    raise NotFoundError("There is no such regulation.")


def _entries(services: Services) -> list[dict[str, Any]]:
    """All of both kinds, oldest first."""
    found = [_erasure_entry(one) for one in services.register.all() if _is_shown(one)]
    found += [_lifting_entry(one) for one in Journal(services.privacy).liftings()]
    return sorted(found, key=_place)


def _is_shown(one: Request) -> bool:
    return one.kind == Kind.ERASURE and one.state is not State.CANCELLED


def _require_shown(one: Request) -> None:
    if not _is_shown(one):
        raise NotFoundError("There is no such regulation.")


def _erasure_entry(one: Request) -> dict[str, Any]:
    finished = None if one.is_open else one.history[-1].at
    return _entry(one.request, _ERASURE, _STATUS[one.state], one.requested_at, finished)


def _lifting_entry(one: Entry) -> dict[str, Any]:
    at = one.at.isoformat()
    return _entry(one.request, _LIFTING, "FINISHED", at, at)


def _entry(name: str, kind: RegulationType, status: Status, created: str, finished: str | None) -> dict[str, Any]:
    return {
        "id": name,
        "subjectType": SUBJECT,
        "subjects": [],
        "status": status,
        "createdAt": created,
        "regulationType": kind,
        "finishedAt": finished,
    }


def _place(entry: dict[str, Any]) -> tuple[str, str]:
    return entry["createdAt"], entry["id"]
