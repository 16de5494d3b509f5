"""Answers about consent: the ledger from the store, what the sources say from the snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import duckdb

from api import masking
from api.consents.schemas import NewStatement, Restriction, RestrictionEnd
from api.profiles.service import living
from api.security import Caller
from api.services import Services
from cdp.clock import wall_now
from cdp.domain.consent import EVERYTHING, State, Statement
from privacy.consent import effective, showing
from privacy.requests import request as acts
from privacy.requests.words import Kind
from privacy.subjects import require_about
from segments.moments import asked

SECONDS = 10.0

Records = tuple[tuple[str, str], ...]


async def shown(services: Services, caller: Caller, profile_id: str, as_of: str | None) -> dict[str, Any]:
    """What is effective for a person, now or at a moment."""
    await living(services, profile_id, "/consents")
    moment = asked(as_of, "as_of")

    def question(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        ledger = services.consents.ledger()
        return showing.shown(connection, services.store, ledger, profile_id, as_of=moment)

    facts = await services.analyst.ask(await services.analyst.publication(), question, seconds=SECONDS)
    services.audit.record(caller.actor, "consent.read", profile_id, {"personal": caller.sees_personal_data})
    if not caller.sees_personal_data:
        facts["entries"] = [{**one, "proof": masking.masked(one["proof"])} for one in facts["entries"]]
    return facts


async def say(
    services: Services, caller: Caller, profile_id: str, wanted: NewStatement, *, browser_objects: bool
) -> dict[str, Any]:
    """Write down what a person said, and what their browser says; a refusal counts at once."""
    at, now = asked(wanted.at, "at"), services.clock.now()

    def statements(records: Records) -> list[Statement]:
        first = showing.stated(
            profile_id, wanted.purpose, wanted.state, at=at, now=now, channel=wanted.channel,
            recorded_by=caller.actor, text_version=wanted.text_version, proof=wanted.proof, origin=wanted.origin,
            records=records,
        )  # fmt: skip
        if not browser_objects:
            return [first]
        return [first, showing.browser_objects(profile_id, now=now, recorded_by=caller.actor, records=records)]

    return await _write(services, caller, profile_id, statements)


async def restrict(services: Services, caller: Caller, profile_id: str, wanted: Restriction) -> dict[str, Any]:
    """Keep a person's data out of use, and note that the request that asks for it is under way."""
    await living(services, profile_id, "/consents")
    begin = partial(acts.begin, actor=caller.actor, now=wall_now())
    if wanted.request is not None:
        await asyncio.to_thread(
            require_about, services.register, services.store, wanted.request, Kind.RESTRICTION, profile_id,
            begin=begin, normalise=services.normalise,
        )  # fmt: skip
    written = await _everything(services, caller, profile_id, wanted, "restricted", request=wanted.request)
    if wanted.request is not None:
        before = await asyncio.to_thread(services.register.read, wanted.request)
        if await asyncio.to_thread(services.register.change, wanted.request, begin) != before:
            services.audit.record(caller.actor, "privacy.request.begun", wanted.request)
    return written


async def lift(services: Services, caller: Caller, profile_id: str, wanted: RestrictionEnd) -> dict[str, Any]:
    """End a restriction."""
    return await _everything(services, caller, profile_id, wanted, "lifted")


async def _everything(
    services: Services,
    caller: Caller,
    profile_id: str,
    wanted: Restriction | RestrictionEnd,
    state: State,
    *,
    request: str | None = None,
) -> dict[str, Any]:
    at, now = asked(wanted.at, "at"), services.clock.now()

    def statements(records: Records) -> list[Statement]:
        one = showing.stated(
            profile_id, EVERYTHING, state, at=at, now=now, channel=wanted.channel, recorded_by=caller.actor,
            text_version=wanted.text_version, proof=wanted.proof, records=records,
        )  # fmt: skip
        return [replace(one, request=request)]

    return await _write(services, caller, profile_id, statements)


async def _write(
    services: Services, caller: Caller, profile_id: str, statements: Callable[[Records], list[Statement]]
) -> dict[str, Any]:
    await living(services, profile_id, "/consents")
    # What is wrong with the statement is told before anything is looked up.
    statements(())
    publication = await services.analyst.publication()

    def records(connection: duckdb.DuckDBPyConnection) -> Records:
        return effective.records_of(connection, profile_id)

    held = await services.analyst.ask(publication, records, seconds=SECONDS)
    moment = max(services.clock.now(), publication.as_of)
    written = await asyncio.to_thread(services.store.consents.write, statements(held), at=moment)
    for one in written:
        detail = {"entry": one.seq, "purpose": one.purpose, "origin": one.origin}
        services.audit.record(caller.actor, f"consent.{one.state}", profile_id, detail)
    return await shown(services, caller, profile_id, None)
