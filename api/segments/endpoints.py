"""Segments: parse, delegate, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.paging import Cursor, Page
from api.problems import responses
from api.security import SegmentsReader
from api.segments import service
from api.segments.schemas import Member, Segment, SegmentKey
from api.services import ServicesDependency

KNOWN = responses(401, 403, 404, 422, 503)
Limit = Annotated[int, Query(ge=1, le=500, description="Rows on a page.")]
ManyLimit = Annotated[int, Query(ge=1, le=5000, description="Rows on a page.")]


async def list_segments(
    services: ServicesDependency, caller: SegmentsReader, cursor: Cursor = None, limit: Limit = 100
) -> dict[str, Any]:
    """All segments with their size, by key."""
    return await service.listed(services, cursor, limit)


async def list_members(
    services: ServicesDependency,
    caller: SegmentsReader,
    key: SegmentKey,
    cursor: Cursor = None,
    limit: ManyLimit = 1000,
) -> dict[str, Any]:
    """Who is in a segment, by profile id. Every page costs the same, however far into the list."""
    return await service.members(services, caller, key, cursor, limit)


def router() -> APIRouter:
    """The routes of this feature."""
    routes = APIRouter(prefix="/v1/segments", tags=["segments"], responses=KNOWN)
    routes.add_api_route("", list_segments, response_model=Page[Segment])
    routes.add_api_route("/{key}/members", list_members, response_model=Page[Member])
    return routes
