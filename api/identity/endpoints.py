"""Identity: parse, delegate, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from pydantic import TypeAdapter

from api.identity import service
from api.identity.schemas import (
    AskedRecord,
    Decision,
    DecisionId,
    Explanation,
    History,
    NewDecision,
    Question,
    Withdrawal,
)
from api.paging import Cursor, Page
from api.problems import responses
from api.profiles.schemas import ProfileId
from api.security import IdentityReader, IdentityWriter, ProfilesReader
from api.services import ServicesDependency

READ = responses(401, 403, 404, 422, 503)
WRITE = responses(400, 401, 403, 404, 409, 413, 422, 503)
Limit = Annotated[int, Query(ge=1, le=500, description="Rows on a page.")]


async def review(
    services: ServicesDependency, caller: IdentityReader, cursor: Cursor = None, limit: Limit = 50
) -> dict[str, Any]:
    """Questions for people, those first of which one answer changes or teaches most."""
    return await service.questions(services, caller, cursor, limit)


async def decide(services: ServicesDependency, caller: IdentityWriter, wanted: NewDecision) -> Response:
    """Decide who is who: merge, split, or an answer of the review. It takes effect at the next run.

    What contradicts an earlier decision is refused with 409, naming the links that stand against it.
    """
    return _accepted(await service.decide(services, caller, wanted))


async def list_decisions(
    services: ServicesDependency,
    caller: IdentityReader,
    *,
    active: Annotated[bool, Query(description="Only those that hold.")] = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """What people decided, newest first, with author, time and note."""
    return await service.decided(services, caller, active=active, cursor=cursor, limit=limit)


async def get_decision(services: ServicesDependency, caller: IdentityReader, decision_id: DecisionId) -> dict[str, Any]:
    """One decision."""
    return await service.one(services, caller, decision_id)


async def withdraw(
    services: ServicesDependency, caller: IdentityWriter, decision_id: DecisionId, why: Withdrawal | None = None
) -> Response:
    """Take a decision back: at the next run the former state returns, the former ids included."""
    return _accepted(await service.withdraw(services, caller, decision_id, why.note if why else None))


async def explain(
    services: ServicesDependency, caller: IdentityReader, record_a: AskedRecord, record_b: AskedRecord
) -> dict[str, Any]:
    """Why two records are one person, or are not: comparisons and weights, the way between them, refused merges."""
    return await service.explained(services, caller, record_a, record_b)


async def history(services: ServicesDependency, caller: ProfilesReader, profile_id: ProfileId) -> dict[str, Any]:
    """What became of a profile id, living or not: created, merged, split, moved, restored, retired."""
    return await service.happened(services, caller, str(profile_id))


def _accepted(decision: dict[str, Any]) -> Response:
    location = f"/v1/identity/decisions/{decision['decision_id']}"
    body = _DECISION.dump_python(_DECISION.validate_python(decision), mode="json")
    return JSONResponse(body, status_code=202, headers={"Location": location})


_DECISION = TypeAdapter(Decision)
_ACCEPTED: dict[int | str, dict[str, Any]] = {202: {"model": Decision, "description": "Effective at the next run."}}


def router() -> APIRouter:
    """The routes of this feature."""
    routes = APIRouter(prefix="/v1", tags=["identity"])
    routes.add_api_route("/identity/review", review, response_model=Page[Question], responses=READ)
    routes.add_api_route("/identity/decisions", list_decisions, response_model=Page[Decision], responses=READ)
    routes.add_api_route(
        "/identity/decisions",
        decide,
        methods=["POST"],
        status_code=202,
        response_class=Response,
        responses={**WRITE, **_ACCEPTED},
    )
    routes.add_api_route("/identity/decisions/{decision_id}", get_decision, response_model=Decision, responses=READ)
    routes.add_api_route(
        "/identity/decisions/{decision_id}/withdraw",
        withdraw,
        methods=["POST"],
        status_code=202,
        response_class=Response,
        responses={**WRITE, **_ACCEPTED},
    )
    routes.add_api_route("/identity/explain", explain, response_model=Explanation, responses=READ)
    routes.add_api_route(
        "/profiles/{profile_id:uuid}/history", history, response_model=History, responses=READ, tags=["profiles"]
    )
    return routes
