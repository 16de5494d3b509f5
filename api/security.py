"""Who calls, and what they may do: API keys with scopes, checked before anything else.

A key comes as `Authorization: Bearer cdp_…` or `X-API-Key: cdp_…`. It is looked up on every call, so a revoked key
fails on its next one. Endpoints name the scope they need in their signature, where the documentation finds it too.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Annotated

from fastapi import Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from api.queries import require_known
from api.services import Services
from cdp.errors import AccessError
from cdp.store import keys

_DESCRIPTION = "An API key: `Authorization: Bearer cdp_…`. The header `X-API-Key: cdp_…` does the same."


@dataclass(frozen=True)
class Caller:
    """Whose key was sent, and its scopes; the name outlives the key when the next one is called the same."""

    key_id: str
    scopes: frozenset[str]
    name: str

    @property
    def actor(self) -> str:
        """How the audit trail calls this caller."""
        return f"key:{self.key_id}"

    @property
    def sees_personal_data(self) -> bool:
        """Whether personal data is shown unmasked."""
        return "pii:read" in self.scopes


class ApiKey(SecurityBase):
    """The dependency that recognises a caller, and the security scheme in the documentation.

    One dependency for both, because each one that the framework resolves costs as much as a lookup in the store.
    """

    def __init__(self) -> None:
        self.model = HTTPBearer(description=_DESCRIPTION)
        self.scheme_name = "key"

    async def __call__(self, request: Request, needed: SecurityScopes) -> Caller:
        """The caller, who holds all needed scopes. AccessError 401 without a valid key, 403 without a scope.

        Then UnknownQuery for a mistyped parameter: every address of the native API has a caller, and none is told
        anything before it is known who calls.
        """
        caller = await recognised(request, needed.scopes)
        require_known(request)
        return caller


async def metrics_caller(request: Request) -> None:
    """Let callers on this machine read metrics freely, all others with `metrics:read`.

    Metrics hold no personal data. A request that a proxy passed on is not from this machine, wherever the proxy runs.
    """
    forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "via"))
    if forwarded or not _is_local(request):
        await recognised(request, ["metrics:read"])


async def recognised(request: Request, needed: list[str]) -> Caller:
    """See `ApiKey`."""
    services: Services = request.app.state.services
    text = _sent(request)
    if text is None:
        raise AccessError("Send an API key: `Authorization: Bearer cdp_…` or `X-API-Key: cdp_…`.", known=False)
    parts = keys.split(text)
    key = await services.reader.find_key(parts[0]) if parts else None
    if key is None or parts is None or not keys.fits(key, parts[1]):
        raise AccessError("This API key is not known, or was revoked.", known=False)
    missing = [scope for scope in needed if scope not in key.scopes]
    if missing:
        raise AccessError(f"This needs the scope {missing[0]}, which this API key does not have.", known=True)
    return Caller(key.id, frozenset(key.scopes), key.name)


def _sent(request: Request) -> str | None:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials:
        return credentials.strip()
    return request.headers.get("x-api-key")


def _is_local(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


_KEY = ApiKey()

ProfilesReader = Annotated[Caller, Security(_KEY, scopes=["profiles:read"])]
SegmentsReader = Annotated[Caller, Security(_KEY, scopes=["segments:read"])]
DestinationsReader = Annotated[Caller, Security(_KEY, scopes=["destinations:read"])]
DestinationsWriter = Annotated[Caller, Security(_KEY, scopes=["destinations:write"])]
SegmentsWriter = Annotated[Caller, Security(_KEY, scopes=["segments:write"])]
JourneysReader = Annotated[Caller, Security(_KEY, scopes=["journeys:read"])]
JourneysWriter = Annotated[Caller, Security(_KEY, scopes=["journeys:write"])]
IdentityReader = Annotated[Caller, Security(_KEY, scopes=["identity:read"])]
IdentityWriter = Annotated[Caller, Security(_KEY, scopes=["identity:write"])]
ConsentReader = Annotated[Caller, Security(_KEY, scopes=["consent:read"])]
ConsentWriter = Annotated[Caller, Security(_KEY, scopes=["consent:write"])]
PrivacyReader = Annotated[Caller, Security(_KEY, scopes=["privacy:read"])]
PrivacyWriter = Annotated[Caller, Security(_KEY, scopes=["privacy:write"])]
# What was found and erased tells that there was somebody.
ReceiptReader = Annotated[Caller, Security(_KEY, scopes=["privacy:read", "pii:read"])]
# Who is behind a number is a list of people, as a segment is.
JourneyPeopleReader = Annotated[Caller, Security(_KEY, scopes=["journeys:read", "segments:read"])]
Administrator = Annotated[Caller, Security(_KEY, scopes=["admin"])]
