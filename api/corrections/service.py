"""Answers about corrections: the log from the store, which records they are about from the snapshot."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import duckdb

from api import masking
from api.corrections.schemas import NewCorrection
from api.paging import begin
from api.problems import NotPublished
from api.profiles.service import living
from api.security import Caller
from api.services import Services
from cdp.clock import wall_now
from cdp.domain.corrections import Correction, Field
from cdp.errors import ConflictError, InputError
from cdp.store.corrections import unknown
from privacy import corrections
from privacy.corrections import Wanted
from privacy.requests import request as acts
from privacy.requests.request import Request
from privacy.requests.words import Kind
from privacy.subjects import require_about

SECONDS = 10.0


async def shown(services: Services, caller: Caller, profile_id: str, cursor: str | None, limit: int) -> dict[str, Any]:
    """A page of the corrections of the records that a profile holds."""
    await living(services, profile_id, "/corrections")
    listing = await begin(services, f"corrections:{profile_id}", cursor, limit)
    before = int(listing.after[0]) if listing.after else None

    def question(served: duckdb.DuckDBPyConnection) -> list[tuple[int, dict[str, Any]]]:
        records = corrections.records_of(served, profile_id)
        page = services.store.corrections.listed(records=records, before=before, limit=listing.fetch)
        facts = corrections.listed(services.store, served, page, with_values=True)
        return [(one.seq, shown) for one, shown in zip(page, facts, strict=True)]

    rows = await services.analyst.ask(listing.publication, question, seconds=SECONDS)
    services.audit.record(caller.actor, "corrections.read", profile_id, {"personal": caller.sees_personal_data})
    page = listing.page(rows, lambda row: [row[0]], lambda row: _masked(row[1], caller))
    return {"profile_id": profile_id, "data": page["data"], "next_cursor": page["next_cursor"]}


async def correct(services: Services, caller: Caller, profile_id: str, given: NewCorrection) -> dict[str, Any]:
    """Keep a correction for the next run, and note that its request is under way."""
    await living(services, profile_id, "/corrections")
    values = {one.field: one.value for one in given.values}
    if len(values) < len(given.values):
        raise InputError("body.values: a field is named twice; give one value for each.")
    wanted = Wanted(values, given.lasts, given.records, given.request)
    begun = partial(acts.begin, actor=caller.actor, now=wall_now())
    if given.request is not None:
        await asyncio.to_thread(
            require_about, services.register, services.store, given.request, Kind.RECTIFICATION, profile_id,
            begin=begun, normalise=services.normalise,
        )  # fmt: skip

    def question(served: duckdb.DuckDBPyConnection) -> Correction:
        normalise = partial(_normalised, services)
        return corrections.prepared(served, profile_id, wanted, by=caller.actor, normalise=normalise)

    prepared = await services.analyst.ask(await services.analyst.publication(), question, seconds=SECONDS)
    made = await asyncio.to_thread(services.store.corrections.write, prepared)
    detail = {"correction": made.correction_id, "fields": list(made.fields)}
    services.audit.record(caller.actor, "privacy.corrected", profile_id, detail)
    if given.request is not None:
        before = await asyncio.to_thread(services.register.read, given.request)
        if await asyncio.to_thread(services.register.change, given.request, begun) != before:
            services.audit.record(caller.actor, "privacy.request.begun", given.request)
    return await _one(services, caller, made)


async def withdraw(services: Services, caller: Caller, profile_id: str, correction_id: str) -> dict[str, Any]:
    """Take a correction back with the next run. NotFoundError when it is not about a record of this profile."""
    await living(services, profile_id, "/corrections")

    def question(served: duckdb.DuckDBPyConnection) -> bool:
        return any(one.correction_id == correction_id for one in _about(services, served, profile_id))

    if not await services.analyst.ask(await services.analyst.publication(), question, seconds=SECONDS):
        raise unknown(correction_id)
    made = await asyncio.to_thread(services.store.corrections.withdraw, correction_id, caller.actor)
    detail = {"correction": made.correction_id, "fields": list(made.fields)}
    services.audit.record(caller.actor, "privacy.correction.withdrawn", profile_id, detail)
    return await _one(services, caller, made)


async def require_carried_out(services: Services, request: Request) -> None:
    """ConflictError while a correction that a request asked for waits for a run."""
    if request.kind != Kind.RECTIFICATION:
        return

    def question(served: duckdb.DuckDBPyConnection) -> bool:
        return corrections.waiting(services.store, served, request.request)

    try:
        publication = await services.analyst.publication()
    except NotPublished:
        # Nothing can have been corrected then.
        return
    if await services.analyst.ask(publication, question, seconds=SECONDS):
        raise ConflictError(f"A correction of request {request.request} waits for the next run.")


def _about(services: Services, served: duckdb.DuckDBPyConnection, profile_id: str) -> list[Correction]:
    return services.store.corrections.listed(records=corrections.records_of(served, profile_id))


def _normalised(services: Services, field: Field, text: str, country: str | None) -> str:
    from identity.normalise.corrected import corrected_value

    return corrected_value(field, text, country=country, today=services.clock.now().date())


async def _one(services: Services, caller: Caller, made: Correction) -> dict[str, Any]:
    def question(served: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        return corrections.listed(services.store, served, [made], with_values=True)[0]

    facts = await services.analyst.ask(await services.analyst.publication(), question, seconds=SECONDS)
    return _masked(facts, caller)


def _masked(facts: dict[str, Any], caller: Caller) -> dict[str, Any]:
    if caller.sees_personal_data:
        return facts
    hidden = ("value", "source_record_id")
    where = [{**one, **{name: masking.masked(one[name]) for name in hidden}} for one in facts["where"]]
    return {**facts, "where": where}
