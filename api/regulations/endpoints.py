"""Regulations: parse, delegate, answer."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.regulations import service
from api.regulations.errors import SegmentRoute
from api.regulations.schemas import (
    AtCursor,
    Count,
    DeletedAnswer,
    EntriesAnswer,
    Errors,
    InStatus,
    MadeAnswer,
    OfTypes,
    RegulateId,
    RegulationAnswer,
    Wanted,
)
from api.security import PrivacyReader, PrivacyWriter
from api.services import ServicesDependency


async def create_regulation(services: ServicesDependency, caller: PrivacyWriter, wanted: Wanted) -> dict[str, Any]:
    """Erase people and keep them from coming back, or let them in again. The answer is the same for who is unknown."""
    return {"data": {"regulateId": await service.create(services, caller, wanted)}}


async def read_regulation(
    services: ServicesDependency, caller: PrivacyReader, regulate_id: RegulateId
) -> dict[str, Any]:  # fmt: skip
    """How far a regulation is."""
    return {"data": {"regulation": await service.read(services, caller, regulate_id)}}


async def list_regulations(
    services: ServicesDependency,
    caller: PrivacyReader,
    *,
    status: InStatus = None,
    types: OfTypes = None,
    cursor: AtCursor = None,
    count: Count = 10,
) -> dict[str, Any]:
    """Every erasure and every lifting by identifiers, however it was asked for, but those that were cancelled."""
    return {"data": await service.listed(services, status, types, cursor, count)}


async def delete_regulation(
    services: ServicesDependency, caller: PrivacyWriter, regulate_id: RegulateId
) -> dict[str, Any]:  # fmt: skip
    """Cancel a regulation; 409 once it is being carried out."""
    await service.delete(services, caller, regulate_id)
    return {"data": {"status": "SUCCESS"}}


def router() -> APIRouter:
    """The routes of this feature."""
    routes = APIRouter(prefix="/regulations", tags=["regulations"], route_class=SegmentRoute)
    known = _errors(401, 403, 422, 503)
    routes.add_api_route(
        "", list_regulations, response_model=EntriesAnswer, response_model_exclude_none=True, responses=known
    )
    routes.add_api_route(
        "", create_regulation, methods=["POST"], response_model=MadeAnswer, responses={**known, **_errors(400, 413)}
    )
    one = {**known, **_errors(404)}
    routes.add_api_route(
        "/{regulate_id}", read_regulation, response_model=RegulationAnswer, response_model_exclude_none=True,
        responses=one,
    )  # fmt: skip
    routes.add_api_route(
        "/{regulate_id}", delete_regulation, methods=["DELETE"], response_model=DeletedAnswer,
        responses={**one, **_errors(409)},
    )  # fmt: skip
    return routes


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": "What is wrong.", "model": Errors} for status in statuses}
