"""Routes whose answers, errors too, are in the specification's form and signed.

The specification knows one status for everything that is wrong with a request, 400. What it leaves out keeps its own:
401 and 403 for keys, 404 for a request of nobody or of another controller, 503 where no certificate is set.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from api import problems
from api.services import Services
from cdp.clock import wall_now
from cdp.errors import CdpError
from cdp.store.base import UnavailableError
from privacy.opendsr.certificate import Signer
from privacy.opendsr.words import Dialect

NOT_SET_UP = "OpenDSR is not set up on this server: it needs a certificate to sign with."
EXPIRED = "OpenDSR is not available: the certificate of this server is not valid today."

# What the specification answers with 400.
_WRONG = frozenset({409, 412, 422})


def signed_route(dialect: Dialect) -> type[APIRoute]:
    """The class of routes that answer in a version of the specification."""

    class SignedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def answered(request: Request) -> Response:
                services: Services = request.app.state.services
                try:
                    _require_usable(services.signer)
                    response = await handle(request)
                except (CdpError, RequestValidationError, HTTPException) as error:
                    response = _wrong(request, error)
                return _signed(response, services.signer, dialect)

            return answered

    return SignedRoute


def _require_usable(signer: Signer | None) -> None:
    if signer is None:
        raise UnavailableError(NOT_SET_UP)
    if not signer.holds(wall_now()):
        raise UnavailableError(EXPIRED)


def _signed(response: Response, signer: Signer | None, dialect: Dialect) -> Response:
    if signer is not None:
        response.headers[dialect.domain_header] = signer.domain
        response.headers[dialect.signature_header] = signer.sign(bytes(response.body))
    return response


def _wrong(request: Request, caught: CdpError | RequestValidationError | HTTPException) -> Response:
    found = problems.failure(request, caught)
    status = 400 if found.status in _WRONG else found.status
    domain, reason = ("Server" if status >= 500 else "Request"), found.title.title().replace(" ", "")
    errors = [
        {"domain": "Validation", "reason": "InvalidValue", "message": f"{field['field']} {field['message']}."}
        for field in found.fields
    ] or [{"domain": domain, "reason": reason, "message": found.message}]
    body = {"error": {"code": status, "message": found.message, "errors": errors}}
    return JSONResponse(body, status, dict(found.headers))
