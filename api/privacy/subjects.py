"""Whether a subject request is about a profile, so that nobody's wish is carried out on somebody else."""

from __future__ import annotations

from typing import Any

from api.services import Services
from cdp.errors import ConflictError, NotFoundError
from identity.normalise.lookup import lookup_value
from privacy.naming import PROFILE, living
from privacy.requests.request import Request
from privacy.requests.words import Kind
from privacy.work import Work

_ASKS_FOR = {Kind.RECTIFICATION: "a rectification", Kind.RESTRICTION: "a restriction"}


def require_about(services: Services, request: str, kind: Kind, profile_id: str) -> Request:
    """The request, of this kind and about this living profile. ConflictError when it is not, NotFoundError without one.

    It is about whoever it names, as served now or when that was looked up, and whom it was carried out on before: a
    corrected identifier leads to nobody afterwards.
    """
    one = services.register.read(request)
    if one.kind != kind:
        raise ConflictError(f"Request {one.request} asks for {one.kind}, not for {_ASKS_FOR[kind]}.")
    if not one.is_open:
        # Whom it named is not kept any longer; its state says why nothing can be done.
        return one
    try:
        content = Work.resume(services.privacy, one.request).content
    except NotFoundError:
        content = {}
    named = {*_named(services, content), *(
        made.profile_id for made in services.store.corrections.listed(request=one.request)
    )}  # fmt: skip
    if profile_id not in {living(services.store, known) for known in named}:
        raise ConflictError(
            f"Request {one.request} is not about this profile: what it names leads to another one, or to nobody."
        )
    return one


def _named(services: Services, content: dict[str, Any]) -> set[str]:
    found = {profile for closure in content.get("closures") or () for profile in closure["profiles"]}
    for person in content.get("subjects") or ():
        for identifier in person:
            kind, _, value = identifier.partition(":")
            found.update([value.strip()] if kind == PROFILE else services.store.lookup(kind, lookup_value(kind, value)))
    return found
