"""Who calls, and what they may do: API keys with scopes, checked before anything else.

A key comes as `Authorization: Bearer cdp_…` or `X-API-Key: cdp_…`. It is looked up on every call, so a revoked key
fails on its next one. Endpoints name the scope they need in their signature, where the documentation finds it too.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from api.services import Services, ServicesDependency
from cdp.errors import AccessError
from cdp.store import keys

_BEARER = HTTPBearer(
    scheme_name="bearer", description="An API key as bearer token: `Authorization: Bearer cdp_…`.", auto_error=False
)
_HEADER = APIKeyHeader(
    name="X-API-Key", scheme_name="header", description="The same key in a header of its own.", auto_error=False
)

Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
Header = Annotated[str | None, Depends(_HEADER)]


@dataclass(frozen=True)
class Caller:
    """Whose key was sent, and its scopes."""

    key_id: str
    scopes: frozenset[str]

    @property
    def actor(self) -> str:
        """How the audit trail calls this caller."""
        return f"key:{self.key_id}"

    @property
    def sees_personal_data(self) -> bool:
        """Whether personal data is shown unmasked."""
        return "pii:read" in self.scopes


async def authenticate(services: ServicesDependency, needed: SecurityScopes, bearer: Bearer, header: Header) -> Caller:
    """The caller, who holds all needed scopes. AccessError 401 without a valid key, 403 without a scope."""
    return await _recognised(services, bearer, header, needed.scopes)


async def metrics_caller(request: Request, services: ServicesDependency, bearer: Bearer, header: Header) -> None:
    """Let callers on this machine read metrics freely, all others with `metrics:read`.

    Metrics hold no personal data. A request that a proxy passed on is not from this machine, wherever the proxy runs.
    """
    forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "via"))
    if forwarded or not _is_local(request):
        await _recognised(services, bearer, header, ["metrics:read"])


async def _recognised(
    services: Services, bearer: HTTPAuthorizationCredentials | None, header: str | None, needed: list[str]
) -> Caller:
    text = bearer.credentials if bearer else header
    if text is None:
        raise AccessError("Send an API key: `Authorization: Bearer cdp_…` or `X-API-Key: cdp_…`.", known=False)
    parts = keys.split(text)
    key = await services.reader.find_key(parts[0]) if parts else None
    if key is None or parts is None or not keys.fits(key, parts[1]):
        raise AccessError("This API key is not known, or was revoked.", known=False)
    missing = [scope for scope in needed if scope not in key.scopes]
    if missing:
        raise AccessError(f"This needs the scope {missing[0]}, which this API key does not have.", known=True)
    return Caller(key.id, frozenset(key.scopes))


def _is_local(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


ProfilesReader = Annotated[Caller, Security(authenticate, scopes=["profiles:read"])]
SegmentsReader = Annotated[Caller, Security(authenticate, scopes=["segments:read"])]
JourneysReader = Annotated[Caller, Security(authenticate, scopes=["journeys:read"])]
Administrator = Annotated[Caller, Security(authenticate, scopes=["admin"])]
