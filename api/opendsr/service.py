"""Requests of controllers, over the register in the privacy folder; all of it in worker threads.

A controller is the name of an API key, so that a new key of the same name goes on where the former ended. It has made
sure of who the person is before it passes the request on: requests begin as verified, and as approved unless an erasure
takes four eyes here. A controller sees its own requests only.
"""

from __future__ import annotations

import asyncio
import base64
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from api.opendsr.schemas import RegulatedWanted, Wanted
from api.security import Caller
from api.services import Services
from cdp.clock import wall_now
from cdp.errors import ConflictError, InputError, NotFoundError
from cdp.outbound import require_callable
from privacy import tokens
from privacy.keys import token_keys
from privacy.opendsr import words
from privacy.opendsr.words import Dialect
from privacy.receipts import canonical
from privacy.register import Asked
from privacy.requests import request as acts
from privacy.requests.request import Request
from privacy.requests.words import PACKAGED, Kind, State

# How far ahead of ours a controller's clock may be.
SKEW = timedelta(days=1)
# Nobody asked before there was such a right; and moments at the beginning of time have none in UTC.
EARLIEST_YEAR = 1970


async def create(services: Services, caller: Caller, dialect: Dialect, wanted: Wanted, body: bytes) -> dict[str, Any]:
    """Keep a request; the same again gets the same answer. InputError, ConflictError for the id of another one."""
    made = await asyncio.to_thread(_received, services, caller, dialect, wanted)
    return words.receipt(made, base64.b64encode(body).decode())


async def status(services: Services, caller: Caller, dialect: Dialect, name: str) -> dict[str, Any]:
    """Where a request is; NotFoundError for one of nobody or of another controller."""
    return await asyncio.to_thread(_described, services, caller, dialect, name)


async def cancel(services: Services, caller: Caller, dialect: Dialect, name: str) -> dict[str, Any]:
    """The person no longer wants it; ConflictError once that is no longer possible."""
    return words.cancelled(await asyncio.to_thread(_cancelled, services, caller, name), dialect)


def discovery(services: Services, dialect: Dialect) -> dict[str, Any]:
    """What is supported."""
    return words.discovery(dialect, domain(services))


def domain(services: Services) -> str:
    """The domain that signs; routes answer without calling a service where there is none."""
    return services.signer.domain if services.signer else ""


def _received(services: Services, caller: Caller, dialect: Dialect, wanted: Wanted) -> Request:
    now = wall_now()
    kind = Kind(wanted.subject_request_type)
    _check(services, dialect, wanted)
    if wanted.submitted_time.year < EARLIEST_YEAR:
        raise InputError(f"submitted_time lies before {EARLIEST_YEAR}; name the moment at which the person asked.")
    if wanted.submitted_time > now + SKEW:
        raise InputError("submitted_time lies in the future.")
    named = [_identifier(services, wanted, place) for place in range(len(wanted.subject_identities))]
    content, keys = _content(wanted), token_keys(services.privacy)
    asked = Asked(
        kind,
        [[f"{type_}:{one.identity_value}" for (type_, _), one in zip(named, wanted.subject_identities, strict=True)]],
        [named],
        wanted.regulation if isinstance(wanted, RegulatedWanted) else "gdpr",
        {
            "way": words.WAY, "controller": caller.name, "id": wanted.subject_request_id, "version": dialect.version,
            "content": tokens.digest(keys.versions[keys.current], words.WAY, content),
            "callbacks": [{"url": url} for url in dict.fromkeys(wanted.status_callback_urls)],
        },
        min(wanted.submitted_time, now),
    )  # fmt: skip

    vouched = partial(acts.vouch, actor=caller.actor, now=now, four_eyes=services.policy.four_eyes)
    made, is_new = services.register.receive(asked, actor=caller.actor, now=now, policy=services.policy, then=vouched)
    if not tokens.any_version(keys, words.WAY, content, [str(made.origin["content"])]):
        raise ConflictError("subject_request_id was used for another request; each has an id of its own.")
    detail = {"kind": made.kind, "people": made.subjects, "way": words.WAY}
    services.audit.record(
        caller.actor, f"privacy.request.{'received' if is_new else 'repeated'}", made.request, detail
    )  # fmt: skip
    return made


def _content(wanted: Wanted) -> str:
    try:
        return canonical(wanted.model_dump(mode="json")).decode()
    except ValueError:
        raise InputError("extensions: a text in it is no Unicode.") from None


def _check(services: Services, dialect: Dialect, wanted: Wanted) -> None:
    major = dialect.version.partition(".")[0]
    if wanted.api_version not in (None, major, dialect.version):
        raise InputError(f"api_version: this address speaks {dialect.version}.")
    if wanted.extensions.get(domain(services)):
        raise InputError("extensions: none is known for this domain.")
    for place, url in enumerate(wanted.status_callback_urls):
        try:
            require_callable(services.outbound, url)
        except InputError as error:
            raise InputError(f"status_callback_urls.{place}: {error.message}") from None


def _identifier(services: Services, wanted: Wanted, place: int) -> tuple[str, str]:
    """Type and normal form of an identity. InputError for one that cannot be looked up, never repeating it."""
    one, where = wanted.subject_identities[place], f"subject_identities.{place}"
    kind = words.IDENTITIES.get(one.identity_type)
    if kind is None:
        raise InputError(f"{where}.identity_type: {one.identity_type} is not supported; see the discovery.")
    if one.identity_format != words.FORMAT:
        raise InputError(f"{where}.identity_format: only {words.FORMAT} is supported; see the discovery.")
    try:
        return kind, services.normalise(kind, one.identity_value)
    except InputError:
        raise InputError(f"{where}.identity_value: it cannot be a {one.identity_type}; check its form.") from None


def _described(services: Services, caller: Caller, dialect: Dialect, name: str) -> dict[str, Any]:
    one, telling = _own(services, caller, name), caller.sees_personal_data
    # Where nothing is held there is no package, so that it is there tells that somebody is.
    results = _results(services, one) if telling and one.kind in PACKAGED and not one.is_open else None
    return words.described(one, dialect, domain(services), telling=telling, results=results)


def _results(services: Services, one: Request) -> int | None:
    """Rows in the package of a request, None when there is none to be fetched."""
    try:
        record = services.packages.record(one.request)
    except NotFoundError:
        return None
    is_there = record.ended is None and wall_now() < datetime.fromisoformat(record.expires_at)
    return record.rows if is_there and not record.holds_nothing else None


def _own(services: Services, caller: Caller, name: str) -> Request:
    found = services.register.by_origin(way=words.WAY, controller=caller.name, id=name)
    if found is None:
        raise NotFoundError("There is no such request of this controller.")
    return found


def _cancelled(services: Services, caller: Caller, name: str) -> Request:
    own = _own(services, caller, name)

    def acted(before: Request) -> Request:
        if before.state is not State.CANCELLED and words.status(before) != "pending":
            raise ConflictError(f"The request is {words.status(before)}; only one that is pending can be cancelled.")
        after = acts.cancel(before, actor=caller.actor, now=wall_now())
        # Before it is kept: what the trail does not know of does not happen.
        services.audit.record(caller.actor, "privacy.request.cancelled", own.request, {"way": words.WAY})
        return after

    return services.register.change(own.request, acted)
