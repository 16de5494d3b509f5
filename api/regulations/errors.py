"""Routes whose errors are in the form of Segment's Public API: a list of errors, each with a kind and a message."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from api import problems
from cdp.errors import CdpError


class SegmentRoute(APIRoute):
    """A route that answers errors as the Public API does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with what it raises put into that form."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except (CdpError, RequestValidationError, HTTPException) as caught:
                return _wrong(problems.failure(request, caught))

        return answered


def _wrong(found: problems.Failure) -> Response:
    kind = found.title.lower().replace(" ", "-")
    errors: list[dict[str, Any]] = [
        {"type": kind, "message": f"{one['field']} {one['message']}.", "field": one["field"], "status": found.status}
        for one in found.fields
    ] or [{"type": kind, "message": found.message, "status": found.status}]
    return JSONResponse({"errors": errors}, found.status, dict(found.headers))
