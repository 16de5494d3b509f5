"""Segments: parse, delegate, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response, StreamingResponse

from api.conditional import version_tag
from api.paging import Cursor, Page
from api.problems import responses
from api.security import SegmentsReader, SegmentsWriter
from api.segments import authoring, exporting, service
from api.segments.schemas import (
    AsOf,
    Changes,
    Document,
    Everybody,
    Exportable,
    Fields,
    For,
    Format,
    IfMatch,
    Member,
    Preview,
    PreviewDocument,
    Segment,
    SegmentKey,
    Start,
    Versions,
)
from api.services import ServicesDependency
from cdp.errors import InputError

KNOWN = responses(401, 403, 404, 422, 503)
WRITTEN = responses(400, 409, 412, 413, 428)
Limit = Annotated[int, Query(ge=1, le=500, description="Rows on a page.")]
ManyLimit = Annotated[int, Query(ge=1, le=5000, description="Rows on a page.")]


async def list_segments(
    services: ServicesDependency, caller: SegmentsReader, cursor: Cursor = None, limit: Limit = 100
) -> dict[str, Any]:
    """All segments with their size, by key."""
    return await service.listed(services, cursor, limit)


async def create_segment(
    services: ServicesDependency, caller: SegmentsWriter, document: Document, response: Response
) -> dict[str, Any]:
    """Create a segment. It is evaluated at once on what is published: members and changes are there with the answer."""
    saved = await authoring.create(services, caller, document)
    response.headers["ETag"] = version_tag(saved.row.version)
    response.headers["Location"] = f"/v1/segments/{saved.row.key}"
    return service.shown(saved.row)


class SchemaResponse(JSONResponse):
    """A JSON Schema."""

    media_type = "application/schema+json"


async def read_schema(caller: SegmentsReader) -> JSONResponse:
    """The JSON Schema of a segment."""
    from segments.document import json_schema

    return SchemaResponse(json_schema())


async def preview_segment(
    services: ServicesDependency, caller: SegmentsReader, document: PreviewDocument
) -> dict[str, Any]:
    """What a definition would select: how many, who may be reached, what each condition removes. Stores nothing."""
    return await authoring.previewed(services, caller, document)


async def read_segment(
    services: ServicesDependency, caller: SegmentsReader, key: SegmentKey, response: Response
) -> dict[str, Any]:
    """One segment. Its ETag is the version of its definition, which a change has to name."""
    row = await service.found(services, key)
    response.headers["ETag"] = version_tag(row.version)
    return service.shown(row)


async def replace_segment(
    services: ServicesDependency,
    caller: SegmentsWriter,
    key: SegmentKey,
    *,
    document: Document,
    response: Response,
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """Replace a segment's definition, evaluated at once. The same definition again changes nothing."""
    saved = await authoring.change(services, caller, key, document, if_match)
    response.headers["ETag"] = version_tag(saved.row.version)
    return service.shown(saved.row)


async def delete_segment(
    services: ServicesDependency, caller: SegmentsWriter, key: SegmentKey, if_match: IfMatch = None
) -> Response:
    """Delete a segment: everybody leaves it. Versions, history and changes stay readable."""
    await authoring.delete(services, caller, key, if_match)
    return Response(status_code=204)


async def list_versions(
    services: ServicesDependency, caller: SegmentsReader, key: SegmentKey, cursor: Cursor = None, limit: Limit = 100
) -> dict[str, Any]:
    """Versions of a segment, newest first."""
    return await service.versions(services, key, cursor, limit)


async def list_members(
    services: ServicesDependency,
    caller: SegmentsReader,
    key: SegmentKey,
    *,
    as_of: AsOf = None,
    exportable: Exportable = None,
    fields: Fields = None,
    cursor: Cursor = None,
    limit: ManyLimit = 1000,
) -> dict[str, Any]:
    """Who is in a segment, or was at a moment, by profile id. Every page costs the same, however far into the list."""
    if as_of is None:
        return await service.members(services, caller, key, cursor, limit, exportable=exportable, fields=fields)
    if fields is not None:
        raise InputError("fields tells of today; leave it out with as_of, or ask for the profiles by their living_id.")
    return await service.past_members(services, caller, key, as_of, cursor=cursor, limit=limit, exportable=exportable)


async def list_changes(
    services: ServicesDependency,
    caller: SegmentsReader,
    key: SegmentKey,
    *,
    start: Start = "beginning",
    cursor: Cursor = None,
    limit: ManyLimit = 1000,
) -> dict[str, Any]:
    """Who came and who left, of those whom the segment's purpose may reach. Keep `next_cursor` and ask again later."""
    return await service.changes(services, caller, key, cursor, limit, from_now=start == "now")


async def export_segment(
    services: ServicesDependency,
    caller: SegmentsReader,
    key: SegmentKey,
    *,
    format: Format = "csv",
    fields: Fields = None,
    purpose: For = None,
    everybody: Everybody = False,
) -> StreamingResponse:
    """The members whom the purpose may reach, as a file. Personal fields need `pii:read`."""
    chosen = tuple(one.strip() for one in fields.split(",")) if fields else None
    return await exporting.exported(services, caller, exporting.Wanted(key, format, chosen, purpose, everybody))


def router() -> APIRouter:
    """The routes of this feature."""
    routes = APIRouter(prefix="/v1/segments", tags=["segments"], responses=KNOWN)
    routes.add_api_route("", list_segments, response_model=Page[Segment])
    routes.add_api_route(
        "", create_segment, methods=["POST"], status_code=201, response_model=Segment, responses=WRITTEN
    )
    routes.add_api_route("/schema", read_schema, response_class=SchemaResponse)
    routes.add_api_route("/preview", preview_segment, methods=["POST"], response_model=Preview, responses=WRITTEN)
    routes.add_api_route("/{key}", read_segment, response_model=Segment)
    routes.add_api_route("/{key}", replace_segment, methods=["PUT"], response_model=Segment, responses=WRITTEN)
    routes.add_api_route(
        "/{key}", delete_segment, methods=["DELETE"], status_code=204, response_class=Response, responses=WRITTEN
    )
    routes.add_api_route("/{key}/versions", list_versions, response_model=Versions)
    routes.add_api_route("/{key}/members", list_members, response_model=Page[Member])
    routes.add_api_route("/{key}/changes", list_changes, response_model=Changes)
    routes.add_api_route(
        "/{key}/export",
        export_segment,
        response_class=StreamingResponse,
        responses={200: {"description": "The file.", "content": {kind: {} for kind in exporting.MEDIA_TYPES.values()}}},
    )
    return routes
