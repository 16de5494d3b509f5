"""Errors over the wire: RFC 9457 problem details, from one handler, without internals or values of the caller.

Services raise errors of the one tree in `cdp.errors`; those that only HTTP can tell are here. What went wrong inside is
logged by kind and place under the request's id, never with its message: messages of libraries quote data.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from cdp.errors import CdpError, ConflictError, NotFoundError
from cdp.store.base import UnavailableError

MEDIA_TYPE = "application/problem+json"
_CHALLENGE = 'Bearer realm="wayfinder"'
KIND = "urn:wayfinder:problem:"

logger = logging.getLogger("wayfinder.api")


class FieldProblem(BaseModel):
    """One field of the request that is wrong."""

    field: str = Field(description="Where: path, query or body, and the name.", examples=["body.type"])
    message: str
    allowed: list[str] | None = Field(None, description="What is allowed here, when that is a closed set.")


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(examples=["urn:wayfinder:problem:not-found"])
    title: str
    status: int
    detail: str
    instance: str = Field(description="The request, as in the header Request-Id.")
    errors: list[FieldProblem] | None = None
    merged_into: str | None = Field(None, description="Of a merged profile: the id it lives on as.")


@dataclass(frozen=True)
class Failure:
    """What an error says outside, for answers in a form of another specification."""

    status: int
    title: str
    message: str
    fields: Sequence[Mapping[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


class ProfileMoved(CdpError):
    """A merged profile: it is found under another id. Not for ever, because merges can be withdrawn."""

    status = 301
    title = "Profile merged"

    def __init__(self, merged_into: str, location: str) -> None:
        super().__init__("This profile was merged into another one; follow Location.")
        self.extra = {"merged_into": merged_into}
        self.headers = {"Location": location}


class ProfileGone(NotFoundError):
    """A profile id that was retired or split and will never be used again."""

    status = 410
    title = "Profile gone"


class UseRestricted(CdpError):
    """A person whose data are stored and used for nothing."""

    status = 403
    title = "Use restricted"


class PreconditionRequired(CdpError):
    """A change that does not say which version it changes."""

    status = 428
    title = "Precondition required"


class TooSlow(UnavailableError):
    """A question took longer than it may."""

    title = "Too slow"


class NotPublished(UnavailableError):
    """There is nothing to answer from yet."""

    title = "Nothing published"


def install(app: FastAPI) -> None:
    """Let the app answer all errors as problems."""
    app.add_exception_handler(CdpError, _from_tree)
    app.add_exception_handler(RequestValidationError, _from_validation)
    app.add_exception_handler(HTTPException, _from_framework)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems of an endpoint, for its documentation."""
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {}}, "model": Problem}
        for status in statuses
    }


def problem(
    request_id: str,
    status: int,
    title: str,
    detail: str,
    *,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The response for a problem."""
    body = {
        "type": KIND + title.lower().replace(" ", "-"),
        "title": title,
        "status": status,
        "detail": detail,
        "instance": f"urn:request:{request_id}",
        **(extra or {}),
    }
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def unexpected(request_id: str, error: BaseException) -> JSONResponse:
    """The response for an error that nobody foresaw; its kind and place are logged."""
    log(request_id, error)
    return problem(
        request_id, 500, "Unexpected error", "Something failed on our side; the log knows it by the instance."
    )


def fields(error: RequestValidationError) -> list[dict[str, str]]:
    """The fields that are wrong, without what they hold."""
    return [{"field": _place(item), "message": _message(item)} for item in error.errors()]


def failure(request: Request, caught: CdpError | RequestValidationError | HTTPException) -> Failure:
    """What an error of a route says outside, without internals or values of the caller."""
    if isinstance(caught, RequestValidationError):
        wrong = fields(caught)
        first = f"{wrong[0]['field']} {wrong[0]['message']}." if wrong else "The request is wrong."
        return Failure(422, "Input is wrong", first, wrong)
    if isinstance(caught, HTTPException):
        phrase = HTTPStatus(caught.status_code).phrase
        said = _DETAILS.get(caught.status_code, f"{phrase}.")
        return Failure(caught.status_code, phrase, said, headers=dict(caught.headers or {}))
    if caught.status >= 500 and caught.status != 503:
        # These name files and settings, which are nobody's business outside.
        log(request_id(request), caught)
        return Failure(caught.status, caught.title, "This failed on our side; the log knows it by the Request-Id.")
    headers = {"WWW-Authenticate": _CHALLENGE} if caught.status == 401 else {}
    return Failure(caught.status, caught.title, caught.message, headers=headers)


def log(request_id: str, error: BaseException) -> None:
    """Kind and place of an error, without its message."""
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{frame.name} {frame.filename}:{frame.lineno}" for frame in reversed(frames[-8:]))
    logger.error("request %s failed: %s at %s", request_id, type(error).__name__, places)


def request_id(request: Request) -> str:
    """The id that the middleware gave this request."""
    found: str = request.scope.get("state", {}).get("request_id", "unknown")
    return found


async def _from_tree(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, CdpError):
        return unexpected(request_id(request), error)
    headers = dict(getattr(error, "headers", {}))
    detail = error.message
    if error.status == 401:
        headers["WWW-Authenticate"] = _CHALLENGE
    if error.status == 503 or isinstance(error, ConflictError):
        headers["Retry-After"] = "2"
    elif error.status >= 500:
        # These name files and settings, which are nobody's business outside.
        log(request_id(request), error)
        detail = "This failed on our side; the log knows it by the instance."
    extra = getattr(error, "extra", None)
    return problem(request_id(request), error.status, error.title, detail, extra=extra, headers=headers)


async def _from_validation(request: Request, error: Exception) -> JSONResponse:
    wrong = fields(error) if isinstance(error, RequestValidationError) else []
    named = ", ".join(dict.fromkeys(field["field"] for field in wrong)) or "the request"
    return problem(request_id(request), 422, "Input is wrong", f"Please correct: {named}.", extra={"errors": wrong})


async def _from_framework(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    phrase = HTTPStatus(status).phrase
    return problem(request_id(request), status, phrase, _DETAILS.get(status, f"{phrase}."), headers=headers)


_DETAILS = {
    400: "The body could not be read as JSON.",
    404: "There is nothing at this address; /docs lists what there is.",
    405: "This address does not know this method; see the header Allow.",
    413: "The body is larger than this address accepts.",
}

# What to say of a wrong field. Pydantic's own words may quote what was sent.
_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "holds a field that is not known here",
    "json_invalid": "is not valid JSON",
    "string_too_short": "is too short",
    "string_too_long": "is too long",
    "string_pattern_mismatch": "does not have the right form",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "string_type": "must be text",
    "model_attributes_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
}
_LIMITS = {
    "greater_than_equal": ("ge", "must be at least"),
    "less_than_equal": ("le", "must be at most"),
    "enum": ("expected", "must be one of"),
    "literal_error": ("expected", "must be one of"),
}


def _place(item: Mapping[str, Any]) -> str:
    parts = [str(part) for part in item.get("loc", ())]
    if item.get("type") in ("extra_forbidden", "json_invalid"):
        # The last part is a name that the caller invented, or a place in the body.
        parts = parts[:-1]
    return ".".join(parts) or "body"


def _message(item: Mapping[str, Any]) -> str:
    kind = str(item.get("type", ""))
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"{words} {item.get('ctx', {}).get(name)}"
    return _MESSAGES.get(kind, "is not valid")
