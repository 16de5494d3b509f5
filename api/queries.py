"""Refuses query parameters that an address does not know.

A mistyped name would otherwise be ignored: `?segmnt=vip` would be answered for everybody, and nobody would notice. What
is known is what the route and its dependencies declare, as in the documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request

from cdp.errors import InputError
from journeys.naming import hint

# What somebody may have meant as a name; anything else may be a value, which is not repeated.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


class UnknownQuery(InputError):
    """The request has a query parameter that this address does not know."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        named = _NAME.fullmatch(name)
        shown = f" `{name}`" if named else ""
        if known:
            told = f"there is no query parameter{shown} here; {hint(name if named else '', known)}"
        else:
            told = f"there is no query parameter{shown} here; this address takes none."
        super().__init__(told[0].upper() + told[1:])
        field = f"query.{name}" if named else "query"
        self.extra = {"errors": [{"field": field, "message": told, "allowed": list(known)}]}


def require_known(request: Request) -> None:
    """UnknownQuery naming the first parameter that is not known, and the nearest one that is."""
    text: bytes = request.scope.get("query_string", b"")
    route = request.scope.get("route")
    if not text or not isinstance(route, APIRoute):
        return
    known = tuple(sorted(set(_declared(route.dependant))))
    for name, _ in parse_qsl(text.decode("latin-1"), keep_blank_values=True):
        if name not in known:
            raise UnknownQuery(name, known)


def _declared(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for each in dependant.dependencies:
        yield from _declared(each)
