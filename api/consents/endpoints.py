"""Consent: parse, delegate, answer."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.consents import service
from api.consents.schemas import AsOf, Consents, GlobalPrivacyControl, NewStatement, Restriction, RestrictionEnd
from api.problems import responses
from api.profiles.schemas import ProfileId
from api.security import ConsentReader, ConsentWriter
from api.services import ServicesDependency

KNOWN = responses(301, 401, 403, 404, 410, 422, 503)


async def get_consents(
    services: ServicesDependency, caller: ConsentReader, profile_id: ProfileId, as_of: AsOf = None
) -> dict[str, Any]:
    """What is effective for a person, for every purpose and why, and the entries of the ledger.

    With `as_of`, what was effective then: by what had been said, as far as the sources still know.
    """
    return await service.shown(services, caller, str(profile_id), as_of)


async def say(
    services: ServicesDependency,
    caller: ConsentWriter,
    profile_id: ProfileId,
    statement: NewStatement,
    sec_gpc: GlobalPrivacyControl = None,
) -> dict[str, Any]:
    """Write down what a person agrees or objects to. Withdrawing takes the same call as giving.

    A refusal counts at once: the person leaves the segments of that purpose, and nothing is sent or exported any more.
    What is given brings them in with the next run. `Sec-GPC: 1` is written down as an objection to sale and sharing.
    """
    browser_objects = sec_gpc is not None and sec_gpc.strip() == "1"
    return await service.say(services, caller, str(profile_id), statement, browser_objects=browser_objects)


async def restrict(
    services: ServicesDependency, caller: ConsentWriter, profile_id: ProfileId, restriction: Restriction
) -> dict[str, Any]:
    """Restrict the use of a person's data (Art. 18 GDPR): stored, and used for nothing.

    Destinations that were given the person are told (Art. 19). A `request` is under way from then on.
    """
    return await service.restrict(services, caller, str(profile_id), restriction)


async def lift(
    services: ServicesDependency, caller: ConsentWriter, profile_id: ProfileId, end: RestrictionEnd
) -> dict[str, Any]:
    """End a restriction; what the person agreed and objected to counts again, with the next run."""
    return await service.lift(services, caller, str(profile_id), end)


def router() -> APIRouter:
    """The routes of this feature."""
    routes = APIRouter(prefix="/v1/profiles/{profile_id:uuid}", tags=["consent"], responses=KNOWN)
    routes.add_api_route("/consents", get_consents, response_model=Consents, responses=responses(400))
    for path, action in (("/consents", say), ("/restriction", restrict), ("/restriction/lift", lift)):
        routes.add_api_route(
            path, action, methods=["POST"], status_code=201, response_model=Consents, responses=responses(400, 413)
        )
    return routes
