"""Where people stand: parse, delegate, answer."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from api.conditional import Version
from api.journeys.schemas import AudienceQuery, CompareQuery
from api.journeys.service import answer
from api.problems import responses
from api.security import JourneysReader
from api.services import ServicesDependency
from api.standing import service
from api.standing.schemas import Correlations, Personas, PredictionCard, StageRules
from journeys import evidence
from journeys.evidence import flat

KNOWN = responses(401, 403, 404, 422, 503)


async def get_personas(
    *,
    services: ServicesDependency,
    caller: JourneysReader,
    audience: AudienceQuery,
    compare: CompareQuery = None,
    if_none_match: Version = None,
) -> Response:
    """Kinds of customer by behaviour: size, description, rule in words, where they stand."""
    return await answer(services, evidence.personas(), audience.chosen(), compare, if_none_match, document=flat)


async def get_correlations(
    *,
    services: ServicesDependency,
    caller: JourneysReader,
    audience: AudienceQuery,
    compare: CompareQuery = None,
    if_none_match: Version = None,
) -> Response:
    """What goes with retention, lapse and value, each with n and interval. Association, never cause."""
    return await answer(services, evidence.correlations(), audience.chosen(), compare, if_none_match, document=flat)


async def get_predictions(services: ServicesDependency, caller: JourneysReader) -> dict[str, Any]:
    """What predictions rest on, and how they came out when checked against what happened."""
    return await service.predictions(services)


async def get_rules(services: ServicesDependency, caller: JourneysReader) -> dict[str, Any]:
    """The stage rules that are served, and what each change of them did to people's histories."""
    return await service.rules(services)


def router() -> APIRouter:
    """The routes of this feature."""
    routes = APIRouter(prefix="/v1/journeys", tags=["journeys"], responses=KNOWN)
    unchanged: dict[int | str, dict[str, Any]] = {304: {"description": "You have this version."}}
    for path, endpoint, model in (
        ("/personas", get_personas, Personas), ("/correlations", get_correlations, Correlations),
    ):  # fmt: skip
        described: dict[int | str, dict[str, Any]] = {200: {"model": model, "description": "The answer."}, **unchanged}
        routes.add_api_route(path, endpoint, response_class=Response, responses=described)
    routes.add_api_route("/predictions", get_predictions, response_model=PredictionCard)
    routes.add_api_route("/rules", get_rules, response_model=StageRules)
    return routes
