"""OpenDSR 2.0 and OpenGDPR 1.0: parse, delegate, answer. Both versions differ in names only, so they share this."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.opendsr import service
from api.opendsr.schemas import (
    Cancelled,
    Discovery,
    Error,
    Receipt,
    RegulatedWanted,
    RequestStatus,
    SubjectRequestId,
    Wanted,
)
from api.opendsr.signing import signed_route
from api.security import PrivacyReader, PrivacyWriter
from api.services import ServicesDependency
from privacy.opendsr.words import OPENDSR, OPENGDPR, Dialect

PEM = "application/x-pem-file"

_ABOUT = {
    400: "Something is wrong with the request; nothing was done.",
    401: "Without a key.",
    403: "The key has not the scope.",
    404: "There is no such request of this controller.",
    413: "The body is too large.",
    503: "No certificate is set, or the store does not answer.",
}


def router() -> APIRouter:
    """The routes of both versions."""
    routes = APIRouter()
    for dialect in (OPENDSR, OPENGDPR):
        routes.include_router(_of(dialect))
    return routes


def _of(dialect: Dialect) -> APIRouter:
    """The routes of one version."""

    async def discover(services: ServicesDependency) -> dict[str, Any]:
        """What this processor supports, and where its certificate is. Open to everybody, as the specification wants."""
        return service.discovery(services, dialect)

    async def certificate(services: ServicesDependency) -> Response:
        """The certificate that signs, with those that lead to its authority."""
        return Response(services.signer.chain if services.signer else b"", media_type=PEM)

    async def create(
        services: ServicesDependency, caller: PrivacyWriter, wanted: Wanted, request: Request
    ) -> dict[str, Any]:
        """Keep a request of a controller. The same again gets the same answer, whether or not the person exists."""
        return await service.create(services, caller, dialect, wanted, await request.body())

    async def create_regulated(
        services: ServicesDependency, caller: PrivacyWriter, wanted: RegulatedWanted, request: Request
    ) -> dict[str, Any]:
        """Keep a request of a controller. The same again gets the same answer, whether or not the person exists."""
        return await service.create(services, caller, dialect, wanted, await request.body())

    async def read(
        services: ServicesDependency, caller: PrivacyReader, subject_request_id: SubjectRequestId
    ) -> dict[str, Any]:
        """Where a request is."""
        return await service.status(services, caller, dialect, subject_request_id)

    async def cancel(
        services: ServicesDependency, caller: PrivacyWriter, subject_request_id: SubjectRequestId
    ) -> dict[str, Any]:
        """The person no longer wants it; only while it is pending."""
        return await service.cancel(services, caller, dialect, subject_request_id)

    routes = APIRouter(prefix=dialect.prefix, tags=["opendsr"], route_class=signed_route(dialect))
    one = f"{dialect.collection}/{{subject_request_id}}"
    routes.add_api_route("/discovery", discover, response_model=Discovery, responses=_errors(503))
    routes.add_api_route(
        "/cert.pem", certificate, response_class=Response,
        responses={200: {"content": {PEM: {}}}, **_errors(503)},
    )  # fmt: skip
    routes.add_api_route(
        dialect.collection, create_regulated if dialect is OPENDSR else create, methods=["POST"], status_code=201,
        response_model=Receipt, responses=_errors(400, 401, 403, 413, 503),
    )  # fmt: skip
    for path in (one, "/status/{subject_request_id}"):
        routes.add_api_route(
            path, read, response_model=RequestStatus, response_model_exclude_none=True,
            responses=_errors(400, 401, 403, 404, 503),
        )  # fmt: skip
    routes.add_api_route(
        one, cancel, methods=["DELETE"], status_code=202, response_model=Cancelled,
        responses=_errors(400, 401, 403, 404, 503),
    )  # fmt: skip
    return routes


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    # With `default`, the framework's own form of a wrong field is not put into the documentation.
    found: dict[int | str, dict[str, Any]] = {"default": {"description": "An error.", "model": Error}}
    found.update({status: {"description": _ABOUT[status], "model": Error} for status in statuses})
    return found
