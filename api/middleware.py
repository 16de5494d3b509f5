"""Around every request: an id, a limit for the body, headers that keep answers private, numbers, and a last net.

A plain ASGI class, because this is on the way of every lookup. The net catches what nobody foresaw before the server
would log it with its message.
"""

from __future__ import annotations

import secrets
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.metrics import Metrics
from cdp.clock import stopwatch

MAX_BODY_BYTES = 64 * 1024

# Definitions of segments may be long lists of conditions, and requests name thousands of people.
LARGER_BODIES = {
    "/v1/segments": 1024 * 1024,
    "/v1/privacy/requests": 4 * 1024 * 1024,
    "/regulations": 2 * 1024 * 1024,
}

_PRIVATE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"}


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = stopwatch()
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        try:
            limit = _limit(scope)
            if _declared_length(scope) > limit:
                phrase = "Content Too Large"
                detail = f"The body is larger than the {limit:,} bytes that are accepted."
                await problems.problem(request_id, 413, phrase, detail)(scope, receive, answer)
            else:
                await self._app(scope, _Limited(receive, limit), answer)
        except Exception as error:
            if answer.status:
                problems.log(request_id, error)
            else:
                await problems.unexpected(request_id, error)(scope, receive, answer)
        finally:
            self._metrics.request(scope["method"], _route(scope), answer.status or 500, stopwatch() - started)


class _Answer:
    """Adds headers to the response and remembers its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["Request-Id"] = self._request_id
            for name, value in _PRIVATE.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


class _Limited:
    """Counts the bytes of a body whose length nobody declared."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._bytes = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._limit:
            raise HTTPException(413)
        return message


def _limit(scope: Scope) -> int:
    path = str(scope["path"])
    return next((most for prefix, most in LARGER_BODIES.items() if path.startswith(prefix)), MAX_BODY_BYTES)


def _declared_length(scope: Scope) -> int:
    text = Headers(scope=scope).get("content-length", "0")
    return int(text) if text.isdecimal() else 0


def _route(scope: Scope) -> str:
    """The template of the route that answered; one name for all addresses that do not exist."""
    route: Any = scope.get("route")
    return str(getattr(route, "path_format", "unmatched"))
