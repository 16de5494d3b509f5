"""Answers about identity: from the published snapshot and the log of decisions; decisions wait for the next run."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import duckdb

from api import masking
from api.identity.schemas import Answer, Merge, Split
from api.paging import begin
from api.security import Caller
from api.services import Services
from cdp.clock import wall_now
from cdp.domain import audited
from cdp.domain.decisions import Author, Decision
from cdp.store.decisions import unknown
from identity import decisions, explain, history, review, rulings

# The first explanation loads the matching engine.
SECONDS = 60.0


async def questions(services: Services, caller: Caller, cursor: str | None, limit: int) -> dict[str, Any]:
    """A page of the review queue."""
    listing = await begin(services, "review", cursor, limit)
    standing = (await asyncio.to_thread(services.store.decisions.rulings)).links
    after = (float(listing.after[0]), str(listing.after[1]), str(listing.after[2])) if listing.after else None

    def question(served: duckdb.DuckDBPyConnection) -> list[review.Question]:
        return review.review_queue(served, standing, limit=listing.fetch, after=after)

    rows = await services.analyst.ask(listing.publication, question, seconds=SECONDS)
    seen = audited.named(one for row in rows[:limit] for one in (row.profile_a, row.profile_b))
    services.audit.record(caller.actor, "identity.review", "queue", {"rows": len(rows[:limit]), **seen})
    return listing.page(rows, lambda row: list(row.place), asdict)


async def decide(services: Services, caller: Caller, wanted: Merge | Split | Answer) -> dict[str, Any]:
    """Write a decision; it takes effect at the next run."""
    author = Author(caller.actor, wall_now(), wanted.note)
    log = services.store.decisions

    def write(served: duckdb.DuckDBPyConnection) -> Decision:
        if isinstance(wanted, Merge):
            made = decisions.merge(log, served, wanted.a, wanted.b, author)
        elif isinstance(wanted, Split):
            made = decisions.split(log, served, wanted.profile, wanted.records, author)
        else:
            same = wanted.kind == "same"
            made = decisions.answer(log, served, wanted.record_a, wanted.record_b, same=same, author=author)
        # Here, because nobody may wait for the answer any more.
        services.audit.record(caller.actor, f"identity.{made.kind}", made.decision_id, {"links": len(made.links)})
        return made

    publication = await services.analyst.publication()
    return await _with_effect(services, await services.analyst.ask(publication, write, seconds=SECONDS))


async def withdraw(services: Services, caller: Caller, decision_id: str, note: str | None) -> dict[str, Any]:
    """Take a decision back. NotFoundError for an unknown one, ConflictError when it was withdrawn before."""
    author = Author(caller.actor, wall_now(), note)
    decision = await asyncio.to_thread(decisions.withdraw, services.store.decisions, decision_id, author)
    services.audit.record(caller.actor, "identity.withdraw", decision_id)
    return await _with_effect(services, decision)


async def decided(
    services: Services, caller: Caller, *, active: bool, cursor: str | None, limit: int
) -> dict[str, Any]:
    """A page of decisions, newest first."""
    listing = await begin(services, f"decisions:{active}", cursor, limit)
    before = int(listing.after[0]) if listing.after else None

    def read() -> list[Decision]:
        return services.store.decisions.listed(before=before, limit=listing.fetch, active_only=active)

    rows = await asyncio.to_thread(read)
    done = await _carried_out(services)
    services.audit.record(caller.actor, "identity.decisions", "all", {"rows": min(len(rows), limit)})
    return listing.page(rows, lambda row: [row.seq], lambda row: _shown(row, done))


async def one(services: Services, caller: Caller, decision_id: str) -> dict[str, Any]:
    """One decision. NotFoundError when there is none with this id."""
    found = await asyncio.to_thread(services.store.decisions.get, decision_id)
    if found is None:
        raise unknown(decision_id)
    services.audit.record(caller.actor, "identity.decisions", decision_id)
    return await _with_effect(services, found)


async def explained(services: Services, caller: Caller, record_a: str, record_b: str) -> dict[str, Any]:
    """Why two records are one person or not, their values masked without `pii:read`."""
    standing = (await asyncio.to_thread(services.store.decisions.rulings)).links

    def question(served: duckdb.DuckDBPyConnection) -> tuple[explain.Explanation, list[explain.Compared]]:
        told = explain.explain(served, standing, record_a, record_b)
        return told, explain.side_by_side(served, record_a, record_b)

    told, fields = await services.analyst.ask(await services.analyst.publication(), question, seconds=SECONDS)
    for profile in sorted({told.profile_a, told.profile_b}):
        services.audit.record(caller.actor, "identity.explain", profile, {"personal": caller.sees_personal_data})
    return {**told.to_json(), "fields": [_compared(compared, caller) for compared in fields]}


async def happened(services: Services, caller: Caller, profile_id: str) -> dict[str, Any]:
    """What became of a profile id, living or not."""

    def question(served: duckdb.DuckDBPyConnection) -> history.History:
        return history.history(served, profile_id)

    found = await services.analyst.ask(await services.analyst.publication(), question, seconds=SECONDS)
    services.audit.record(caller.actor, "profile.history", profile_id)
    return asdict(found)


async def _carried_out(services: Services) -> set[str]:
    def question(served: duckdb.DuckDBPyConnection) -> set[str]:
        return {link.decision_id for link in rulings.carried_out(served)}

    return await services.analyst.ask(await services.analyst.publication(), question, seconds=SECONDS)


async def _with_effect(services: Services, decision: Decision) -> dict[str, Any]:
    return _shown(decision, await _carried_out(services))


def _shown(decision: Decision, done: set[str]) -> dict[str, Any]:
    return {**asdict(decision), "effective": rulings.effect(decision, done)}


def _compared(compared: explain.Compared, caller: Caller) -> dict[str, Any]:
    shown = asdict(compared)
    return (
        shown
        if caller.sees_personal_data
        else {**shown, "a": masking.masked(shown["a"]), "b": masking.masked(shown["b"])}
    )
