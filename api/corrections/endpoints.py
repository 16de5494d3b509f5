"""Corrections: parse, delegate, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.corrections import service
from api.corrections.schemas import Correction, CorrectionId, Corrections, NewCorrection
from api.paging import Cursor
from api.problems import responses
from api.profiles.schemas import ProfileId
from api.security import PrivacyReader, PrivacyWriter
from api.services import ServicesDependency

KNOWN = responses(301, 401, 403, 404, 410, 422, 503)


async def list_corrections(
    services: ServicesDependency,
    caller: PrivacyReader,
    profile_id: ProfileId,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> dict[str, Any]:
    """What was put right about a person, newest first, and what the sources say meanwhile."""
    return await service.shown(services, caller, str(profile_id), cursor, limit)


async def correct(
    services: ServicesDependency, caller: PrivacyWriter, profile_id: ProfileId, correction: NewCorrection
) -> dict[str, Any]:
    """Put values of a person right (Art. 16 GDPR), for good: the next run carries it out, before anything is compared.

    Without `records` it is about those records that state what the profile shows, all of them where it shows nothing.
    """
    return await service.correct(services, caller, str(profile_id), correction)


async def withdraw_correction(
    services: ServicesDependency, caller: PrivacyWriter, profile_id: ProfileId, correction: CorrectionId
) -> dict[str, Any]:
    """Take a correction back: with the next run, what the source says counts again. 409 when that was done before."""
    return await service.withdraw(services, caller, str(profile_id), correction)


def router() -> APIRouter:
    """The routes of this feature."""
    routes = APIRouter(prefix="/v1/profiles/{profile_id:uuid}/corrections", tags=["privacy"], responses=KNOWN)
    routes.add_api_route("", list_corrections, response_model=Corrections)
    for path, action in (("", correct), ("/{correction}/withdraw", withdraw_correction)):
        routes.add_api_route(
            path, action, methods=["POST"], status_code=202, response_model=Correction,
            responses=responses(400, 409, 413),
        )  # fmt: skip
    return routes
