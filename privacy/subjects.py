"""Whether a subject request is about a profile, so that nobody's wish is carried out on somebody else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cdp.errors import ConflictError, NotFoundError
from cdp.store.base import Store
from privacy.naming import PROFILE, living
from privacy.register import Register
from privacy.requests.request import Request
from privacy.requests.words import Kind
from privacy.work import Work

_ASKS_FOR = {Kind.RECTIFICATION: "a rectification", Kind.RESTRICTION: "a restriction"}

Begin = Callable[[Request], Request]
# identifier type, value as named → value as stored
Normalise = Callable[[str, str], str]


def require_kind(register: Register, request: str, kind: Kind, begin: Begin) -> Request:
    """The request, of this kind and in a state that `begin` allows; ConflictError when not, NotFoundError for none."""
    one = register.read(request)
    if one.kind != kind:
        raise ConflictError(f"Request {one.request} asks for {one.kind}, not for {_ASKS_FOR[kind]}.")
    begin(one)
    return one


def require_about(
    register: Register, store: Store, request: str, kind: Kind, profile_id: str, *, begin: Begin, normalise: Normalise
) -> Request:
    """The request, as `require_kind` wants it and about this profile, which may live on under another id.

    It is about whoever it names, as served now or when that was looked up, and whom it was carried out on before: a
    corrected identifier leads to nobody afterwards. ConflictError when it is about somebody else, or about nobody.
    """
    # What its state does not allow is told before anybody is looked up.
    one = require_kind(register, request, kind, begin)
    named = {
        *_named(store, _plan(register.folder, one.request), normalise),
        *(made.profile_id for made in store.corrections.listed(request=one.request)),
    }
    if living(store, profile_id) not in {living(store, known) for known in named}:
        raise ConflictError(
            f"Request {one.request} is not about this profile: what it names leads to another one, or to nobody."
        )
    return one


def _plan(folder: Path, request: str) -> dict[str, Any]:
    try:
        return Work.resume(folder, request).content
    except NotFoundError:
        return {}


def _named(store: Store, plan: dict[str, Any], normalise: Normalise) -> Iterable[str]:
    for closure in plan.get("closures") or ():
        yield from closure["profiles"]
    for person in plan.get("subjects") or ():
        for identifier in person:
            kind, _, value = identifier.partition(":")
            yield from [value.strip()] if kind == PROFILE else store.lookup(kind, normalise(kind, value))
