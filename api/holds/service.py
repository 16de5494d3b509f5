"""Answers about legal holds, over their register in the privacy folder; all of it in worker threads.

A server looks nobody up. Whether anything was kept tells that there was somebody, so it is for `pii:read` only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from functools import partial
from typing import Any

from api.cursors import Position
from api.holds.schemas import WantedHold
from api.privacy.service import normal
from api.security import Caller
from api.services import Services
from cdp.clock import wall_now
from privacy.holds import bases
from privacy.holds import hold as acts
from privacy.holds.hold import Hold
from privacy.holds.register import Holds, Meant


async def place(services: Services, caller: Caller, wanted: WantedHold) -> dict[str, Any]:
    """Place a hold. InputError for a basis, categories or a day that cannot be, ConflictError for one that is open."""
    return _shown(caller, await asyncio.to_thread(_placed, services, caller, wanted))


async def listed(
    services: Services, caller: Caller, *, still_open: bool, cursor: str | None, limit: int
) -> dict[str, Any]:
    """A page of holds, oldest first."""
    listing = f"holds:{still_open}"
    position = services.cursors.decode(listing, cursor)
    after = tuple(position.after) if position else ()
    holds = Holds(services.privacy)
    rows = [
        one
        for one in await asyncio.to_thread(holds.open_ones if still_open else holds.all)
        if not after or _place(one) > after
    ]
    page = rows[:limit]
    more = services.cursors.encode(listing, Position(0, list(_place(page[-1])))) if len(rows) > limit else None
    return {"data": [_shown(caller, one) for one in page], "next_cursor": more}


async def read(services: Services, caller: Caller, hold: str) -> dict[str, Any]:
    """One hold; NotFoundError."""
    return _shown(caller, await asyncio.to_thread(Holds(services.privacy).read, hold))


async def extend(services: Services, caller: Caller, hold: str, until: date) -> dict[str, Any]:
    """Let it last longer; ConflictError once it was released."""
    last = acts.last_day(until.isoformat(), services.policy.days.day_of(wall_now()))
    act = partial(acts.extend, until=last)
    return await _changed(services, caller, hold, act, "extended", until=last.isoformat())


async def release(services: Services, caller: Caller, hold: str) -> dict[str, Any]:
    """It is needed no more; the next run erases what it keeps."""
    return await _changed(services, caller, hold, acts.release, "released")


def _placed(services: Services, caller: Caller, wanted: WantedHold) -> Hold:
    now = wall_now()
    categories = bases.load(services.hold_bases).choose(wanted.basis, wanted.categories)
    last = acts.last_day(wanted.until.isoformat(), services.policy.days.day_of(now))
    normals = [normal(services, one, f"body.identifiers.{place}") for place, one in enumerate(wanted.identifiers)]
    person = Meant([f"{one.type}:{one.value}" for one in wanted.identifiers], normals)
    (made,) = Holds(services.privacy).place(
        [person], basis=wanted.basis, categories=categories, until=last.isoformat(), actor=caller.actor, now=now
    )
    detail = {"basis": made.basis, "until": made.until}
    services.audit.record(caller.actor, "privacy.hold.placed", made.hold, detail)
    return made


async def _changed(
    services: Services, caller: Caller, name: str, act: Callable[..., Hold], action: str, **detail: Any
) -> dict[str, Any]:
    def acted(before: Hold) -> Hold:
        after = act(before, actor=caller.actor, now=wall_now())
        # Before it is kept: what the trail does not know of does not happen.
        services.audit.record(caller.actor, f"privacy.hold.{action}", name, detail)
        return after

    return _shown(caller, await asyncio.to_thread(Holds(services.privacy).change, name, acted))


def _shown(caller: Caller, one: Hold) -> dict[str, Any]:
    steps = [asdict(step) for step in one.history if step.action != "keep" or caller.sees_personal_data]
    return {
        "hold": one.hold,
        "basis": one.basis,
        "categories": list(one.categories),
        "until": one.until,
        "status": one.status,
        "placed_at": one.placed_at,
        "placed_by": one.placed_by,
        "records": one.records if caller.sees_personal_data else None,
        "history": steps,
    }


def _place(one: Hold) -> tuple[str, str]:
    return one.placed_at, one.hold
