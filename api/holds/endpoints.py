"""Legal holds: parse, delegate, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.holds import service
from api.holds.schemas import HoldId, HoldPage, LegalHold, Longer, OnlyOpen, WantedHold
from api.paging import Cursor
from api.problems import responses
from api.security import PrivacyReader, PrivacyWriter
from api.services import ServicesDependency

Limit = Annotated[int, Query(ge=1, le=500, description="Rows on a page.")]


async def place_hold(
    services: ServicesDependency, caller: PrivacyWriter, wanted: WantedHold, response: Response
) -> dict[str, Any]:
    """Place a hold on a person: an erasure keeps the declared minimum, sealed, until the last day.

    Nobody is looked up here; the answer is the same whether or not the person exists. 409 when one of the same basis is
    open for the same identifiers, and while an erasure is half done.
    """
    made = await service.place(services, caller, wanted)
    response.headers["Location"] = f"/v1/privacy/holds/{made['hold']}"
    return made


async def list_holds(
    services: ServicesDependency, caller: PrivacyReader, *, open: OnlyOpen = False, cursor: Cursor = None,
    limit: Limit = 100,
) -> dict[str, Any]:  # fmt: skip
    """Holds by the time at which they were placed."""
    return await service.listed(services, caller, still_open=open, cursor=cursor, limit=limit)


async def read_hold(services: ServicesDependency, caller: PrivacyReader, hold: HoldId) -> dict[str, Any]:
    """One hold. What it keeps is shown by `cdp privacy hold show` only."""
    return await service.read(services, caller, hold)


async def extend_hold(
    services: ServicesDependency, caller: PrivacyWriter, hold: HoldId, longer: Longer
) -> dict[str, Any]:
    """Let a hold last longer; 409 once it was released."""
    return await service.extend(services, caller, hold, longer.until)


async def release_hold(services: ServicesDependency, caller: PrivacyWriter, hold: HoldId) -> dict[str, Any]:
    """A hold is needed no more: the next run erases what it keeps, with a receipt."""
    return await service.release(services, caller, hold)


def router() -> APIRouter:
    """The routes of this feature."""
    routes = APIRouter(prefix="/v1/privacy/holds", tags=["privacy"], responses=responses(401, 403, 404, 422, 503))
    changed = responses(400, 409, 413)
    routes.add_api_route("", list_holds, response_model=HoldPage)
    routes.add_api_route(
        "", place_hold, methods=["POST"], status_code=201, response_model=LegalHold, responses=changed
    )  # fmt: skip
    routes.add_api_route("/{hold}", read_hold, response_model=LegalHold)
    routes.add_api_route("/{hold}/extend", extend_hold, methods=["POST"], response_model=LegalHold, responses=changed)
    routes.add_api_route("/{hold}/release", release_hold, methods=["POST"], response_model=LegalHold, responses=changed)
    return routes
