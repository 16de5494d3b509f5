"""Subject requests: parse, delegate, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.conditional import Version, matches
from api.paging import Cursor
from api.privacy import service
from api.privacy.schemas import (
    Approval,
    Extension,
    Identified,
    IfMatch,
    InState,
    OfKind,
    OnlyOpen,
    Recipients,
    Refused,
    RequestId,
    RequestPage,
    SignedReceipt,
    SubjectRequest,
    Wanted,
)
from api.problems import responses
from api.security import Caller, PrivacyReader, PrivacyWriter, ReceiptReader
from api.services import Services, ServicesDependency
from privacy.requests.request import Request

READ = responses(401, 403, 404, 422, 503)
ZIP = "application/zip"
CHANGED = responses(400, 409, 412, 413)
Limit = Annotated[int, Query(ge=1, le=500, description="Rows on a page.")]


async def create_request(
    services: ServicesDependency, caller: PrivacyWriter, wanted: Wanted, response: Response
) -> dict[str, Any]:
    """Keep a request: the time to answer it runs from now. 200 with the open one when the same was asked before.

    The answer is the same whether or not the person exists. Nothing is carried out here: an erasure that was verified
    and approved is, by `cdp privacy run` or the next run.
    """
    made, is_new = await service.create(services, caller, wanted)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/v1/privacy/requests/{made.request}"
    return _answer(services, caller, made, response)


async def list_requests(
    services: ServicesDependency,
    caller: PrivacyReader,
    *,
    kind: OfKind = None,
    state: InState = None,
    open: OnlyOpen = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """Requests by the time of their receipt, with how they stand to their deadline."""
    return await service.listed(
        services, caller, kind=kind, state=state, still_open=open, cursor=cursor, limit=limit
    )  # fmt: skip


async def read_request(
    services: ServicesDependency, caller: PrivacyReader, request: RequestId, response: Response
) -> dict[str, Any]:
    """One request and what was done to it. Its ETag may be sent as `If-Match` with what is done next."""
    return _answer(services, caller, await service.read(services, request), response)


async def verify_request(
    *, services: ServicesDependency, caller: PrivacyWriter, request: RequestId, identified: Identified,
    response: Response, if_match: IfMatch = None,
) -> dict[str, Any]:  # fmt: skip
    """Note that the person is who they say."""
    done = await service.verify(services, caller, request, identified.how, if_match)
    return _answer(services, caller, done, response)


async def approve_request(
    *, services: ServicesDependency, caller: PrivacyWriter, request: RequestId, approval: Approval,
    response: Response, if_match: IfMatch = None,
) -> dict[str, Any]:  # fmt: skip
    """Let it be carried out. Where erasures take four eyes: by another key than made it or verified the person."""
    return _answer(services, caller, await service.approve(services, caller, request, approval, if_match), response)


async def extend_request(
    *, services: ServicesDependency, caller: PrivacyWriter, request: RequestId, extension: Extension,
    response: Response, if_match: IfMatch = None,
) -> dict[str, Any]:  # fmt: skip
    """Take the longer time that the law allows, once; 409 when the first has ended."""
    return _answer(
        services, caller, await service.extend(services, caller, request, extension.why, if_match), response
    )  # fmt: skip


async def refuse_request(
    *, services: ServicesDependency, caller: PrivacyWriter, request: RequestId, refused: Refused,
    response: Response, if_match: IfMatch = None,
) -> dict[str, Any]:  # fmt: skip
    """Do nothing, for a reason that the person is told."""
    return _answer(services, caller, await service.refuse(services, caller, request, refused.why, if_match), response)


async def confirm_request(
    *, services: ServicesDependency, caller: PrivacyWriter, request: RequestId, response: Response,
    if_match: IfMatch = None,
) -> dict[str, Any]:  # fmt: skip
    """Note that the person was told that the request was received."""
    return _answer(services, caller, await service.confirm(services, caller, request, if_match), response)


async def complete_request(
    *, services: ServicesDependency, caller: PrivacyWriter, request: RequestId, response: Response,
    if_match: IfMatch = None,
) -> dict[str, Any]:  # fmt: skip
    """Note that a person answered it; 409 for an erasure, whose end its receipt tells, and while a correction waits."""
    return _answer(services, caller, await service.complete(services, caller, request, if_match), response)


async def cancel_request(
    *, services: ServicesDependency, caller: PrivacyWriter, request: RequestId, response: Response,
    if_match: IfMatch = None,
) -> dict[str, Any]:  # fmt: skip
    """The person no longer wants it; 409 once it is being carried out."""
    return _answer(services, caller, await service.cancel(services, caller, request, if_match), response)


async def read_receipt(services: ServicesDependency, caller: ReceiptReader, request: RequestId) -> dict[str, Any]:
    """What was erased and how that was checked, signed; 404 until then."""
    return await service.receipt(services, caller, request)


async def read_package(
    services: ServicesDependency, caller: ReceiptReader, request: RequestId, known: Version = None
) -> Response:
    """The data of the person as a ZIP file, for handing it to them. Nobody else may keep it: `no-store`.

    404 until it is made, and when nothing is held of the person; 410 when it could be fetched long enough, or was
    erased.
    """
    record, archive = await service.package(services, caller, request)
    headers = {
        "ETag": f'"{record.digest[:32]}"',
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{request}.zip"',
    }
    if matches(known, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(archive, media_type=ZIP, headers=headers)


async def read_recipients(services: ServicesDependency, caller: ReceiptReader, request: RequestId) -> dict[str, Any]:
    """Which destinations had been given the person, and whether they were told of the erasure (GDPR Art. 19)."""
    return await service.recipients(services, caller, request)


def router() -> APIRouter:
    """The routes of this feature."""
    routes = APIRouter(prefix="/v1/privacy/requests", tags=["privacy"], responses=READ)
    repeated: dict[int | str, dict[str, Any]] = {200: {"model": SubjectRequest, "description": "The same was asked."}}
    routes.add_api_route("", list_requests, response_model=RequestPage)
    routes.add_api_route(
        "", create_request, methods=["POST"], status_code=201, response_model=SubjectRequest,
        responses={**repeated, **responses(400, 413)},
    )  # fmt: skip
    routes.add_api_route("/{request}", read_request, response_model=SubjectRequest)
    for name, action in (
        ("verify", verify_request),
        ("approve", approve_request),
        ("extend", extend_request),
        ("refuse", refuse_request),
        ("confirm", confirm_request),
        ("complete", complete_request),
        ("cancel", cancel_request),
    ):
        routes.add_api_route(
            f"/{{request}}/{name}", action, methods=["POST"], response_model=SubjectRequest, responses=CHANGED
        )
    routes.add_api_route("/{request}/receipt", read_receipt, response_model=SignedReceipt)
    file: dict[int | str, dict[str, Any]] = {
        200: {"description": "The file.", "content": {ZIP: {}}}, 304: {"description": "You have this one."},
    }  # fmt: skip
    routes.add_api_route(
        "/{request}/package", read_package, response_class=Response, responses={**file, **responses(410)}
    )
    routes.add_api_route("/{request}/recipients", read_recipients, response_model=Recipients)
    return routes


def _answer(services: Services, caller: Caller, one: Request, response: Response) -> dict[str, Any]:
    response.headers["ETag"] = service.etag(one)
    return service.shown(services, caller, one)
