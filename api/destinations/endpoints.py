"""Destinations: parse, delegate, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.destinations import service
from api.destinations.schemas import (
    About,
    Delivery,
    Destination,
    DestinationKey,
    InState,
    OfDestination,
    Rehearsal,
    Replay,
    Replayed,
    Sync,
    Synced,
    Tested,
    Wanted,
)
from api.paging import Cursor, Page
from api.problems import responses
from api.security import DestinationsReader, DestinationsWriter
from api.segments.schemas import IfMatch
from api.services import ServicesDependency

KNOWN = responses(401, 403, 404, 422, 503)
WRITTEN = responses(400, 409, 412, 413, 428)
Limit = Annotated[int, Query(ge=1, le=500, description="Rows on a page.")]
ManyLimit = Annotated[int, Query(ge=1, le=5000, description="Rows on a page.")]


async def list_destinations(
    services: ServicesDependency, caller: DestinationsReader, cursor: Cursor = None, limit: Limit = 100
) -> dict[str, Any]:
    """All destinations with the state of their queues, by key."""
    return await service.listed(services, cursor, limit)


async def create_destination(
    services: ServicesDependency, caller: DestinationsWriter, wanted: Wanted, response: Response
) -> dict[str, Any]:
    """Create a webhook. Who is in its segments already is queued with it; the secret is shown in this answer only."""
    saved, answer = await service.create(services, caller, wanted)
    response.headers["ETag"] = service.etag(saved)
    response.headers["Location"] = f"/v1/destinations/{saved.key}"
    return answer


async def read_destination(
    services: ServicesDependency, caller: DestinationsReader, key: DestinationKey, response: Response
) -> dict[str, Any]:
    """One destination. Its ETag is the version, which a change has to name."""
    one = await service.found(services, key)
    response.headers["ETag"] = service.etag(one)
    return await service.facts(services, one)


async def replace_destination(
    services: ServicesDependency,
    caller: DestinationsWriter,
    key: DestinationKey,
    *,
    wanted: Wanted,
    response: Response,
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """Replace a destination. People of segments that it no longer follows are told as exits."""
    saved = await service.replace(services, caller, key, wanted, if_match)
    response.headers["ETag"] = service.etag(saved)
    return await service.facts(services, saved)


async def delete_destination(
    services: ServicesDependency, caller: DestinationsWriter, key: DestinationKey, if_match: IfMatch = None
) -> Response:
    """Delete a destination with its queue and log; what it was told is not taken back."""
    await service.delete(services, caller, key, if_match)
    return Response(status_code=204)


async def check_destination(
    services: ServicesDependency, caller: DestinationsWriter, key: DestinationKey
) -> dict[str, Any]:
    """Send a message about nobody, signed as all are."""
    return await service.tried(services, caller, key)


async def resync_destination(
    services: ServicesDependency, caller: DestinationsWriter, key: DestinationKey, sync: Sync
) -> dict[str, int]:
    """Queue what makes the receiver hold exactly whom it may."""
    return await service.resynced(services, caller, key, everybody=sync.everybody)


async def replay_destination(
    services: ServicesDependency, caller: DestinationsWriter, key: DestinationKey, replay: Replay
) -> dict[str, int]:
    """Let dead messages be tried again, under their own ids."""
    return await service.replayed(services, caller, key, replay.message_ids)


async def rehearse_destination(
    services: ServicesDependency, caller: DestinationsReader, key: DestinationKey
) -> dict[str, Any]:
    """What would be sent now: counts, and a few messages with values masked. Sends and changes nothing."""
    return await service.rehearsed(services, caller, key)


async def list_deliveries(
    services: ServicesDependency,
    caller: DestinationsReader,
    *,
    destination: OfDestination = None,
    profile_id: About = None,
    state: InState = None,
    cursor: Cursor = None,
    limit: ManyLimit = 1000,
) -> dict[str, Any]:
    """Who was told what and what became of it, in the order in which it was queued; never with values."""
    return await service.log(
        services, caller, cursor, limit, destination=destination, profile_id=profile_id, state=state
    )


def router() -> APIRouter:
    """The routes of this feature."""
    routes = APIRouter(prefix="/v1", tags=["destinations"], responses=KNOWN)
    one = "/destinations/{key}"
    routes.add_api_route("/destinations", list_destinations, response_model=Page[Destination])
    routes.add_api_route(
        "/destinations", create_destination, methods=["POST"], status_code=201, response_model=Destination,
        responses=WRITTEN,
    )  # fmt: skip
    routes.add_api_route(one, read_destination, response_model=Destination)
    routes.add_api_route(one, replace_destination, methods=["PUT"], response_model=Destination, responses=WRITTEN)
    routes.add_api_route(
        one, delete_destination, methods=["DELETE"], status_code=204, response_class=Response, responses=WRITTEN
    )
    routes.add_api_route(f"{one}/test", check_destination, methods=["POST"], response_model=Tested)
    routes.add_api_route(
        f"{one}/resync", resync_destination, methods=["POST"], response_model=Synced, responses=WRITTEN
    )
    routes.add_api_route(
        f"{one}/replay", replay_destination, methods=["POST"], response_model=Replayed, responses=WRITTEN
    )
    routes.add_api_route(f"{one}/rehearsal", rehearse_destination, response_model=Rehearsal)
    routes.add_api_route("/deliveries", list_deliveries, response_model=Page[Delivery])
    return routes
