"""Administration: parse, delegate, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.admin import service
from api.admin.schemas import (
    ActionChoice,
    AuditPage,
    KeyId,
    Keys,
    ObjectChoice,
    ProfileChoice,
    SeenPage,
    Since,
    Until,
)
from api.paging import Cursor
from api.problems import responses
from api.security import Administrator
from api.services import ServicesDependency

Limit = Annotated[int, Query(ge=1, le=1000, description="Rows on a page.")]


async def list_keys(services: ServicesDependency, caller: Administrator) -> dict[str, Any]:
    """All API keys, without their secrets. Keys are made with `cdp keys create`."""
    return await service.listed(services)


async def revoke_key(services: ServicesDependency, caller: Administrator, key_id: KeyId) -> Response:
    """Revoke an API key: its next call fails. Revoking it again changes nothing."""
    await service.revoke(services, caller, key_id)
    return Response(status_code=204)


async def read_audit(
    services: ServicesDependency,
    caller: Administrator,
    *,
    action: ActionChoice = None,
    object: ObjectChoice = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """Who did what, oldest first. With `object` a profile id: who saw this profile, and when."""
    return await service.audit(services, caller, action=action, object=object, cursor=cursor, limit=limit)


async def read_seen(
    services: ServicesDependency,
    caller: Administrator,
    profile_id: ProfileChoice,
    *,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """Who saw a person's profile, oldest first: itself, in lists and in exports, also under ids that it had before."""
    return await service.seen(services, caller, profile_id, since=since, until=until, cursor=cursor, limit=limit)


def router() -> APIRouter:
    """The routes of this feature."""
    routes = APIRouter(prefix="/v1/admin", tags=["admin"], responses=responses(401, 403, 422))
    routes.add_api_route("/keys", list_keys, response_model=Keys)
    routes.add_api_route(
        "/keys/{key_id}",
        revoke_key,
        methods=["DELETE"],
        status_code=204,
        response_class=Response,
        responses=responses(404),
    )
    routes.add_api_route("/audit", read_audit, response_model=AuditPage)
    routes.add_api_route("/audit/seen", read_seen, response_model=SeenPage, responses=responses(404))
    return routes
