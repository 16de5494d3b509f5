"""Conditional requests (RFC 9110): entity tags of answers, and what callers say they have or mean."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header
from fastapi.responses import Response

from api.problems import PreconditionRequired
from cdp.errors import VersionMismatch
from cdp.ids import digest

Version = Annotated[
    str | None,
    Header(alias="If-None-Match", description="ETag of the version you have; 304 when it is still that one."),
]


def weak_tag(*parts: object) -> str:
    """A tag of what an answer follows from: equal where the answer says the same."""
    return f'W/"{digest(*(str(part) for part in parts))[:32]}"'


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether the caller already has this version (weak comparison)."""
    if if_none_match is None:
        return False
    known = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return tag.removeprefix("W/") in known or "*" in known


def names(if_match: str, tag: str) -> bool:
    """Whether the caller means this version (strong comparison); `*` means whichever there is."""
    return if_match.strip() == "*" or tag in {part.strip() for part in if_match.split(",")}


def version_tag(version: int) -> str:
    """The tag of what is counted by versions."""
    return f'"v{version}"'


def require(if_match: str | None, tag: str, what: str) -> None:
    """That the caller means this version. PreconditionRequired without a word, VersionMismatch for another one."""
    if if_match is None:
        raise PreconditionRequired(f"Send the header If-Match with the ETag of the {what} that you have read.")
    if not names(if_match, tag):
        raise VersionMismatch(f"The {what} is {tag} now, which If-Match does not name: read it again, then change it.")


def headers(tag: str) -> dict[str, str]:
    """Headers of an answer that depends on who asks and may be kept as long as it is still the current one."""
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, X-API-Key"}


def unchanged(tag: str) -> Response:
    """The answer to somebody who has this version."""
    return Response(status_code=304, headers=headers(tag))
