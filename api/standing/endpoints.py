"""Where people stand: parse, delegate, answer."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.problems import responses
from api.security import JourneysReader
from api.services import ServicesDependency
from api.standing import service
from api.standing.schemas import Correlations, Personas, PredictionCard, SegmentChoice, StageRules

KNOWN = responses(401, 403, 404, 422, 503)


async def get_personas(
    services: ServicesDependency, caller: JourneysReader, segment: SegmentChoice = None
) -> dict[str, Any]:
    """Kinds of customer by behaviour: size, description, rule in words, where they stand."""
    return await service.personas(services, segment)


async def get_correlations(
    services: ServicesDependency, caller: JourneysReader, segment: SegmentChoice = None
) -> dict[str, Any]:
    """What goes with retention, lapse and value, each with n and interval. Association, never cause."""
    return await service.correlations(services, segment)


async def get_predictions(services: ServicesDependency, caller: JourneysReader) -> dict[str, Any]:
    """What predictions rest on, and how they came out when checked against what happened."""
    return await service.predictions(services)


async def get_rules(services: ServicesDependency, caller: JourneysReader) -> dict[str, Any]:
    """The stage rules that are served, and what each change of them did to people's histories."""
    return await service.rules(services)


def router() -> APIRouter:
    """The routes of this feature."""
    routes = APIRouter(prefix="/v1/journeys", tags=["journeys"], responses=KNOWN)
    routes.add_api_route("/personas", get_personas, response_model=Personas)
    routes.add_api_route("/correlations", get_correlations, response_model=Correlations)
    routes.add_api_route("/predictions", get_predictions, response_model=PredictionCard)
    routes.add_api_route("/rules", get_rules, response_model=StageRules)
    return routes
