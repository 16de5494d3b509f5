"""Answers about destinations, over the outbox of the store; all of it in worker threads.

Over HTTP only webhooks are set up: what writes into folders and databases is set up at the machine. Fields of profiles
are personal data, so whoever asks for some needs to be allowed to see them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar

from activation import manage
from activation.probe import probe
from api.conditional import require, version_tag
from api.destinations.schemas import Wanted
from api.masking import masked
from api.paging import begin
from api.security import Caller
from api.services import Services
from cdp.clock import wall_now
from cdp.domain import audited
from cdp.errors import AccessError, InputError
from cdp.store import destinations as kept
from cdp.store.base import UnavailableError
from cdp.store.destinations import Destination
from cdp.store.outbox import Outbox

T = TypeVar("T")


async def listed(services: Services, cursor: str | None, limit: int) -> dict[str, Any]:
    """A page of destinations, by key."""
    listing = await begin(services, "destinations", cursor, limit)
    after = str(listing.after[0]) if listing.after else ""
    found, counts = await _asked(services, lambda outbox: (kept.read_all(outbox), kept.counts(outbox)))
    rows = [one for one in found if one.key > after][: listing.fetch]
    return listing.page(rows, lambda one: [one.key], lambda one: manage.shown(one, counts.get(one.key, {})))


async def found(services: Services, key: str) -> Destination:
    """One destination; NotFoundError."""
    return await _asked(services, lambda outbox: kept.read(outbox, key))


async def facts(services: Services, one: Destination) -> dict[str, Any]:
    """A destination over the wire."""
    counts = await _asked(services, kept.counts)
    return manage.shown(one, counts.get(one.key, {}))


async def create(services: Services, caller: Caller, wanted: Wanted) -> tuple[Destination, dict[str, Any]]:
    """Make a destination; the answer tells a secret that was made."""
    saved, made = await _saved(services, caller, wanted, expected=None)
    services.audit.record(caller.actor, "destination.create", saved.key, {"version": saved.version})
    return saved, {**await facts(services, saved), "secret": made}


async def replace(services: Services, caller: Caller, key: str, wanted: Wanted, tag: str | None) -> Destination:
    """Change the version of a destination that the caller has read."""
    if wanted.key != key:
        raise InputError("body.key: has to be the key of the address.")
    current = await found(services, key)
    saved, _ = await _saved(services, caller, wanted, expected=_expected(current, tag))
    services.audit.record(caller.actor, "destination.change", key, {"version": saved.version})
    return saved


async def delete(services: Services, caller: Caller, key: str, tag: str | None) -> None:
    """Delete the version of a destination that the caller has read, with its queue and log."""
    expected = _expected(await found(services, key), tag)
    await _asked(services, lambda outbox: kept.delete(outbox, key, expected=expected))
    services.audit.record(caller.actor, "destination.delete", key, {"version": expected})


async def tried(services: Services, caller: Caller, key: str) -> dict[str, Any]:
    """Send a message about nobody."""
    one = await found(services, key)
    outcome = await asyncio.to_thread(probe, one, guard=services.outbound, now=wall_now())
    services.audit.record(caller.actor, "destination.test", key, {"code": outcome.code})
    return {"taken": outcome.result == "taken", "code": outcome.code}


async def resynced(services: Services, caller: Caller, key: str, *, everybody: bool) -> dict[str, int]:
    """Queue what the receiver lacks."""
    entered, exited = await _asked(
        services, lambda outbox: kept.resync(outbox, key, services.clock.now(), everybody=everybody)
    )
    services.audit.record(caller.actor, "destination.resync", key, {"entered": entered, "exited": exited})
    return {"entered": entered, "exited": exited}


async def replayed(services: Services, caller: Caller, key: str, message_ids: list[str] | None) -> dict[str, int]:
    """Let dead messages be tried again."""
    count = await _asked(services, lambda outbox: kept.replay(outbox, key, message_ids))
    services.audit.record(caller.actor, "destination.replay", key, {"messages": count})
    return {"replayed": count}


async def rehearsed(services: Services, caller: Caller, key: str) -> dict[str, Any]:
    """What a pass would do."""
    done = await _asked(services, lambda outbox: manage.rehearse(outbox, key, wall_now()))
    if not caller.sees_personal_data:
        for row in done["sample"]:
            row.update({name: masked(row.get(name)) for name in done["empty_fields"]})
    services.audit.record(caller.actor, "destination.rehearse", key, {
        "rows": len(done["sample"]), "personal": caller.sees_personal_data,
        **audited.named(row.get("profile_id") for row in done["sample"]),
    })  # fmt: skip
    return done


async def log(
    services: Services, caller: Caller, cursor: str | None, limit: int, *,
    destination: str | None, profile_id: str | None, state: str | None,
) -> dict[str, Any]:  # fmt: skip
    """A page of the delivery log."""
    listing = await begin(services, f"deliveries:{destination}:{profile_id}:{state}", cursor, limit)
    after = int(listing.after[0]) if listing.after else 0
    rows = await _asked(
        services,
        lambda outbox: kept.log(
            outbox, destination=destination, profile_id=profile_id, state=state, after=after, limit=listing.fetch
        ),
    )
    page = listing.page(rows, lambda row: [row.id], lambda row: dict(vars(row)))
    services.audit.record(
        caller.actor, "destination.log", profile_id or destination or "all",
        {"rows": len(page["data"]), **audited.named(row["profile_id"] for row in page["data"])},
    )  # fmt: skip
    return page


def etag(one: Destination) -> str:
    """What a change has to name."""
    return version_tag(one.version)


async def _saved(
    services: Services, caller: Caller, wanted: Wanted, *, expected: int | None
) -> tuple[Destination, str | None]:
    if wanted.config.get("kind") != "webhook":
        raise InputError("body.config.kind: over HTTP only webhook; `cdp destination create` knows the other kinds.")
    if wanted.config.get("fields") and not caller.sees_personal_data:
        raise AccessError("Fields of profiles need the scope pii:read, which this API key does not have.", known=True)
    given = manage.Wanted(
        wanted.key, wanted.title, wanted.config, wanted.segments, wanted.purpose, wanted.enabled, wanted.secret
    )
    return await _asked(
        services, lambda outbox: manage.save(outbox, given, by=caller.actor, at=services.clock.now(), expected=expected)
    )


def _expected(current: Destination, tag: str | None) -> int:
    require(tag, etag(current), "destination")
    return current.version


async def _asked(services: Services, question: Callable[[Outbox], T]) -> T:
    """Ask the outbox in a worker thread. UnavailableError for a store that has none."""
    if services.store.url == "memory:":
        raise UnavailableError("Destinations need a store in a database; this one is kept in memory.")

    def ask() -> T:
        with closing(Outbox(services.store.url)) as outbox:
            return question(outbox)

    return await asyncio.to_thread(ask)
