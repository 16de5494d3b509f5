"""Journeys: parse, delegate, answer."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from api.journeys import service
from api.journeys.schemas import FormatChoice, Language, LanguageChoice, MapFormat, SegmentChoice
from api.problems import responses
from api.security import JourneysReader
from api.services import ServicesDependency

KNOWN = responses(401, 403, 404, 422, 503)
MEDIA_TYPES = {MapFormat.JSON: "application/json", MapFormat.SVG: "image/svg+xml"}
# A map is drawn from data: a browser that opens it runs nothing and fetches nothing.
SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def router() -> APIRouter:
    """The routes of this feature, with a shelf of maps of their own."""
    shelf = service.MapShelf()

    async def get_map(
        services: ServicesDependency,
        caller: JourneysReader,
        segment: SegmentChoice = None,
        file_format: FormatChoice = MapFormat.JSON,
        lang: LanguageChoice = Language.EN,
    ) -> Response:
        """The one-page journey map: stages, people, moves, time, feelings, touchpoints, where people get stuck.

        It holds counts and shares, no personal data.
        """
        content = await service.journey_map(services, shelf, segment, file_format.value, lang.value)
        headers = {"Content-Security-Policy": SVG_POLICY} if file_format is MapFormat.SVG else {}
        return Response(content, media_type=MEDIA_TYPES[file_format], headers=headers)

    content: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}, "image/svg+xml": {}}
    routes = APIRouter(prefix="/v1/journeys", tags=["journeys"], responses=KNOWN)
    routes.add_api_route(
        "/map", get_map, response_class=Response, responses={200: {"description": "The map.", "content": content}}
    )
    return routes
