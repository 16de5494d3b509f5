"""Profiles: parse, delegate, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api import conditional
from api.conditional import Version
from api.paging import Cursor, Page
from api.problems import responses
from api.profiles import service
from api.profiles.schemas import Event, Found, Identifier, JourneyPage, Lookup, Profile, ProfileId
from api.security import ProfilesReader
from api.services import ServicesDependency

JSON = "application/json"
KNOWN = responses(301, 401, 403, 404, 410, 422, 503)
Limit = Annotated[int, Query(ge=1, le=500, description="Rows on a page.")]


async def get_profile(
    services: ServicesDependency, caller: ProfilesReader, profile_id: ProfileId, if_none_match: Version = None
) -> Response:
    """One profile: traits, stage, journey summary, identifiers.

    Personal data is masked without `pii:read`. A merged profile answers 301 with `merged_into`, a retired one 410.
    """
    body = await service.document(services, caller, str(profile_id))
    tag = service.etag(body)
    if conditional.matches(if_none_match, tag):
        return conditional.unchanged(tag)
    return Response(body, media_type=JSON, headers=conditional.headers(tag))


async def lookup(services: ServicesDependency, caller: ProfilesReader, sought: Lookup) -> Response:
    """The profiles that carry an identifier. It is sent in the body and normalised as in the sources."""
    return Response(await service.found(services, caller, sought.type.value, sought.value), media_type=JSON)


async def events(
    services: ServicesDependency,
    caller: ProfilesReader,
    profile_id: ProfileId,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """What happened with a person, newest first."""
    return await service.events(services, caller, str(profile_id), cursor, limit)


async def journey(
    services: ServicesDependency,
    caller: ProfilesReader,
    profile_id: ProfileId,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """The stages a person went through, in order; the open one is where they are now.

    `standing` says what comes next, why, and what to do about it.
    """
    return await service.journey(services, caller, str(profile_id), cursor, limit)


async def identifiers(
    services: ServicesDependency,
    caller: ProfilesReader,
    profile_id: ProfileId,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """The identifiers a person is known by; values are masked without `pii:read`."""
    return await service.identifiers(services, caller, str(profile_id), cursor, limit)


def router() -> APIRouter:
    """The routes of this feature."""
    routes = APIRouter(prefix="/v1/profiles", tags=["profiles"], responses=KNOWN)
    unchanged: dict[int | str, dict[str, Any]] = {304: {"description": "You have this version."}}
    routes.add_api_route(
        "/{profile_id:uuid}",
        get_profile,
        response_class=Response,
        responses={200: {"model": Profile, "description": "The profile."}, **unchanged},
    )
    routes.add_api_route(
        "/lookup",
        lookup,
        methods=["POST"],
        response_class=Response,
        responses={200: {"model": Found, "description": "The profiles."}, **responses(400, 413)},
    )
    routes.add_api_route("/{profile_id:uuid}/events", events, response_model=Page[Event])
    routes.add_api_route("/{profile_id:uuid}/journey", journey, response_model=JourneyPage)
    routes.add_api_route("/{profile_id:uuid}/identifiers", identifiers, response_model=Page[Identifier])
    return routes
