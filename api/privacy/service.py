"""Answers about subject requests, over the register in the privacy folder; all of it in worker threads.

A server keeps requests and lets people act on them; it looks nobody up and carries nothing out. What would tell that a
person exists (doubtful records, a refusal because of whom the identifiers led to, the receipt) is for `pii:read` only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from api.conditional import names
from api.corrections.service import require_carried_out
from api.cursors import Position
from api.privacy.schemas import Approval, Identifier, Wanted
from api.security import Caller
from api.services import Services
from cdp.clock import wall_now
from cdp.errors import InputError, NotFoundError, VersionMismatch
from cdp.ids import digest
from cdp.store.recipients import standing
from privacy import receipts
from privacy.naming import PROFILE, living
from privacy.packages.vault import READ, Record
from privacy.register import Asked
from privacy.requests import request as acts
from privacy.requests.request import Request
from privacy.requests.words import PACKAGED, Delay, Kind, Refusal, State, Verification, told

Act = Callable[..., Request]


async def create(services: Services, caller: Caller, wanted: Wanted) -> tuple[Request, bool]:
    """Keep a request, or find the open one that asks the same (False). InputError names what is wrong."""
    return await asyncio.to_thread(_received, services, caller, wanted)


async def listed(
    services: Services, caller: Caller, *, kind: Kind | None, state: State | None, still_open: bool,
    cursor: str | None, limit: int,
) -> dict[str, Any]:  # fmt: skip
    """A page of requests, oldest first."""
    listing = f"requests:{kind}:{state}:{still_open}"
    position = services.cursors.decode(listing, cursor)
    after = tuple(position.after) if position else ()
    rows = [
        one for one in await asyncio.to_thread(services.register.all)
        if (kind is None or one.kind == kind) and (state is None or one.state is state)
        and (one.is_open or not still_open) and (not after or _place(one) > after)
    ]  # fmt: skip
    page = rows[:limit]
    more = services.cursors.encode(listing, Position(0, list(_place(page[-1])))) if len(rows) > limit else None
    return {"data": [shown(services, caller, one) for one in page], "next_cursor": more}


async def read(services: Services, request: str) -> Request:
    """One request; NotFoundError."""
    return await asyncio.to_thread(services.register.read, request)


async def verify(services: Services, caller: Caller, request: str, how: Verification, tag: str | None) -> Request:
    """The person is who they say."""
    return await _changed(
        services, caller, request, tag, partial(acts.verify, how=how), action="verified", how=str(how)
    )


async def approve(services: Services, caller: Caller, request: str, given: Approval, tag: str | None) -> Request:
    """Let it be carried out; ConflictError for the same caller where four eyes are needed."""
    act = partial(acts.approve, four_eyes=services.policy.four_eyes, allow_many=given.allow_many)
    return await _changed(services, caller, request, tag, act, action="approved", many=given.allow_many)


async def extend(services: Services, caller: Caller, request: str, why: Delay, tag: str | None) -> Request:
    """Take the longer time; ConflictError when that is too late."""
    act = partial(acts.extend, why=why, days=services.policy.days)
    return await _changed(services, caller, request, tag, act, action="extended", why=str(why))


async def refuse(services: Services, caller: Caller, request: str, why: Refusal, tag: str | None) -> Request:
    """Do nothing, for a reason."""
    return await _changed(services, caller, request, tag, partial(acts.refuse, why=why), action="refused", why=str(why))


async def confirm(services: Services, caller: Caller, request: str, tag: str | None) -> Request:
    """The person was told that it was received."""
    return await _changed(services, caller, request, tag, acts.confirm, action="confirmed")


async def complete(services: Services, caller: Caller, request: str, tag: str | None) -> Request:
    """A person answered it; ConflictError while a correction that it asked for waits for a run."""
    await require_carried_out(services, await read(services, request))
    return await _changed(services, caller, request, tag, acts.answer, action="completed")


async def cancel(services: Services, caller: Caller, request: str, tag: str | None) -> Request:
    """The person no longer wants it; ConflictError once it is being carried out."""
    return await _changed(services, caller, request, tag, acts.cancel, action="cancelled")


async def receipt(services: Services, caller: Caller, request: str) -> dict[str, Any]:
    """What was done and proved; NotFoundError until then."""
    await read(services, request)
    signed = await asyncio.to_thread(receipts.read, services.privacy, request)
    services.audit.record(caller.actor, "privacy.receipt.read", request)
    return signed


async def package(services: Services, caller: Caller, request: str) -> tuple[Record, bytes]:
    """The archive of a package, kept as a read of the person before it leaves.

    NotFoundError for a request that has none or about whose person nothing is held, PackageGone when its time is over.
    """
    one = await read(services, request)
    if one.kind not in PACKAGED:
        raise NotFoundError(f"Request {request} asks for {one.kind}; only access and portability have a package.")
    if one.is_open:
        raise NotFoundError(f"Request {request} is {one.status}; its package is made when it is carried out.")
    record, whose, archive = await asyncio.to_thread(services.packages.open, request, wall_now())
    for seen in (request, *sorted(whose.profiles)):
        services.audit.record(caller.actor, READ, seen, {"request": request})
    return record, archive


async def recipients(services: Services, caller: Caller, request: str) -> dict[str, Any]:
    """Who had been given the person and knows of the erasure; nobody for a store without destinations."""
    await read(services, request)
    url = services.store.url
    found = [] if url == "memory:" else await asyncio.to_thread(standing, url, request)
    services.audit.record(caller.actor, "privacy.recipients.read", request, {"destinations": len(found)})
    return {"data": found}


def etag(one: Request) -> str:
    """Tells one state of a request from another; what was found of the person does not show in it."""
    return f'"{digest(one.request, *(f"{step.at} {step.actor} {step.action}" for step in one.history))[:32]}"'


def shown(services: Services, caller: Caller, one: Request) -> dict[str, Any]:
    """A request over the wire."""

    def code(text: str) -> str:
        return told(text, telling=caller.sees_personal_data)

    return {
        "request": one.request,
        "kind": one.kind,
        "status": one.status,
        "standing": acts.standing(one, wall_now()),
        "rules": one.rules,
        "requested_at": one.requested_at,
        "due_on": acts.last_day(one, services.policy.days) or None,
        "confirm_by": one.confirm_by,
        "confirmed_at": one.confirmed_at,
        "extended": one.extended,
        "people": one.subjects,
        "doubtful": one.doubtful if caller.sees_personal_data else None,
        "reason": code(one.reason) if one.reason else None,
        "history": [{**asdict(step), "note": code(step.note)} for step in one.history],
    }


def _received(services: Services, caller: Caller, wanted: Wanted) -> tuple[Request, bool]:
    compared = [
        [normal(services, one, f"body.people.{number}.identifiers.{place}")
         for place, one in enumerate(person.identifiers)]
        for number, person in enumerate(wanted.people)
    ]  # fmt: skip
    subjects = [[f"{one.type}:{one.value}" for one in person.identifiers] for person in wanted.people]
    asked = Asked(wanted.kind, subjects, compared, wanted.rules)
    made, is_new = services.register.receive(asked, actor=caller.actor, now=wall_now(), policy=services.policy)
    action = "received" if is_new else "repeated"
    detail = {"kind": made.kind, "people": made.subjects}
    services.audit.record(caller.actor, f"privacy.request.{action}", made.request, detail)
    return made, is_new


def normal(services: Services, one: Identifier, place: str) -> tuple[str, str]:
    """An identifier as it is compared with others: type and value in normal form. InputError names `place`."""
    if ":" in one.type:
        raise InputError(f"{place}.type: is not known; an example is email.")
    if one.type == PROFILE:
        if not one.value.strip():
            raise InputError(f"{place}.value: is blank; name the id of a profile.")
        return PROFILE, living(services.store, one.value.strip())
    try:
        return one.type, services.normalise(one.type, one.value)
    except InputError as error:
        raise InputError(f"{place}: {error.message}") from None


async def _changed(
    services: Services, caller: Caller, request: str, tag: str | None, act: Act, *, action: str, **detail: Any
) -> Request:
    def acted(before: Request) -> Request:
        if tag is not None and not names(tag, etag(before)):
            raise VersionMismatch("The request is not as you have read it: read it again, then decide.")
        after = act(before, actor=caller.actor, now=wall_now())
        # Before it is kept: what the trail does not know of does not happen.
        services.audit.record(caller.actor, f"privacy.request.{action}", request, detail)
        return after

    return await asyncio.to_thread(services.register.change, request, acted)


def _place(one: Request) -> tuple[str, str]:
    return one.requested_at, one.request
