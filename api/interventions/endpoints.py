"""Interventions: parse, delegate, answer."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from api.conditional import Version
from api.interventions import service
from api.interventions.schemas import FilledIn, IfMatch, InterventionEntry, InterventionKey, InterventionsAnswer
from api.journeys.schemas import AudienceQuery, CompareQuery, Language, LanguageChoice
from api.problems import responses
from api.security import JourneysReader, JourneysWriter
from api.services import ServicesDependency

KNOWN = responses(401, 403, 404, 422, 503)


async def list_interventions(
    *,
    services: ServicesDependency,
    caller: JourneysReader,
    audience: AudienceQuery,
    compare: CompareQuery = None,
    lang: LanguageChoice = Language.EN,
    if_none_match: Version = None,
) -> Response:
    """What to change first, for how many people, and what it is worth at most; `segment` says whom to begin with."""
    return await service.ranked(services, audience.chosen(), compare, lang=lang.value, if_none_match=if_none_match)


async def read_intervention(
    services: ServicesDependency, caller: JourneysReader, intervention: InterventionKey
) -> Response:
    """One intervention and what people filled in. Its ETag is what a change has to name."""
    return await service.read(services, intervention)


async def fill_in_intervention(
    services: ServicesDependency,
    caller: JourneysWriter,
    intervention: InterventionKey,
    filled: FilledIn,
    if_match: IfMatch = None,
) -> Response:
    """Say what it takes and how far it is. It is kept, on the command line too, and changes the order of the list."""
    return await service.fill_in(services, caller, intervention, filled, if_match)


def router() -> APIRouter:
    """The routes of this feature."""
    routes = APIRouter(prefix="/v1/journeys/interventions", tags=["journeys"], responses=KNOWN)
    unchanged: dict[int | str, dict[str, Any]] = {304: {"description": "You have this version."}}
    entry: dict[int | str, dict[str, Any]] = {200: {"model": InterventionEntry, "description": "The intervention."}}
    ranked: dict[int | str, dict[str, Any]] = {
        200: {"model": InterventionsAnswer, "description": "The list."}, **unchanged,
    }  # fmt: skip
    routes.add_api_route("", list_interventions, response_class=Response, responses=ranked)
    routes.add_api_route("/{intervention}", read_intervention, response_class=Response, responses=entry)
    routes.add_api_route(
        "/{intervention}",
        fill_in_intervention,
        methods=["PUT"],
        response_class=Response,
        responses={**entry, **responses(400, 412, 413, 428)},
    )
    return routes
