"""What people do about wrong values on the command line: correct, answer a request with it, look at it, take it back.

A correction is written to the store and judged by what is served; carrying it out is a run. The API writes to the same
log and leaves carrying out to the next run.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from cdp.clock import wall_now
from cdp.domain.corrections import Correction
from cdp.errors import BusyError, CdpError, ConflictError, NotFoundError
from cdp.settings import Settings
from cdp.store.base import AuditEntry, Store
from cdp.store.corrections import unknown
from pipelines.context import Progress, quiet
from pipelines.run import run_pipeline

if TYPE_CHECKING:
    import duckdb

    from privacy.corrections import Wanted
    from privacy.requests.request import Request

PAGE = 200


@dataclass(frozen=True)
class Corrected:
    """A correction and what became of it; `reason` says why it waits for a run."""

    correction: dict[str, Any]
    carried_out: bool
    reason: str | None = None


@dataclass(frozen=True)
class Way:
    """Who writes it down, and whether it is carried out at once, with progress."""

    actor: str
    at_once: bool
    progress: Progress = quiet


def correct(settings: Settings, profile_id: str, wanted: Wanted, way: Way) -> Corrected:
    """Put something right about a profile, also by an id that it had before a merge.

    NotFoundError when it does not live, InputError for what `privacy.corrections.prepared` refuses.
    """
    from identity.normalise.corrected import corrected_value
    from privacy import corrections

    def write(store: Store, served: duckdb.DuckDBPyConnection) -> Correction:
        today = settings.clock.now().date()
        prepared = corrections.prepared(
            served, _living(store, profile_id), wanted, by=way.actor,
            normalise=lambda field, text, country: corrected_value(field, text, country=country, today=today),
        )  # fmt: skip
        return store.corrections.write(prepared)

    return _written(settings, way, write)


def rectify(settings: Settings, request: str, wanted: Wanted, way: Way) -> Corrected:
    """Put something right about the person of a subject request, which is then under way until a person completes it.

    ConflictError when the request is not an approved rectification, or its identifiers do not lead to one profile.
    """
    from pipelines.erasing import freezing
    from pipelines.erasing.requests import audit
    from pipelines.lock import writer_lock
    from privacy.register import Register
    from privacy.requests import request as acts
    from privacy.requests.words import Kind
    from privacy.subjects import require_kind

    register = Register(settings.privacy)
    may = partial(acts.begin, actor=way.actor, now=wall_now())
    known = require_kind(register, request, Kind.RECTIFICATION, may)
    with writer_lock(settings.writer_lock):
        found = freezing.frozen(register, settings, known.request)
    if len(found) != 1 or len(found[0].profiles) != 1:
        raise ConflictError(
            f"The identifiers of request {known.request} do not lead to one profile; find it with `cdp profile` and"
            " use `cdp privacy correct`."
        )
    corrected = correct(settings, found[0].profiles[0], replace(wanted, request=known.request), way)
    begun = register.change(known.request, partial(acts.begin, actor=way.actor, now=wall_now()))
    if begun != known:
        from cdp.store import open_store

        with open_store(settings.database_url) as store:
            audit(store, way.actor, "begun", begun)
    return corrected


def withdraw(settings: Settings, correction_id: str, way: Way) -> Corrected:
    """Take a correction back: what the source says counts again."""
    return _written(settings, way, lambda store, _: store.corrections.withdraw(correction_id, way.actor))


def listed(
    settings: Settings,
    *,
    request: str | None = None,
    differing: bool = False,
    with_values: bool = False,
    before: str | None = None,
    limit: int = PAGE,
) -> list[dict[str, Any]]:
    """Corrections, newest first; of a request, or those only of which a source now says something else than both.

    At most `limit`, those that were written before the correction `before`. NotFoundError when that is not known.
    """
    from pipelines.segments import opened
    from privacy import corrections

    found: list[dict[str, Any]] = []
    with opened(settings) as (store, _, served):
        last = _seq(store, before) if before is not None else None
        while len(found) < limit and (page := store.corrections.listed(request=request, before=last, limit=PAGE)):
            facts = corrections.listed(store, served, page, with_values=with_values)
            found += [one for one in facts if not differing or _differs(one)]
            last = page[-1].seq
        if with_values:
            _audit(store, "command line", "corrections.read", "corrections")
    return found[:limit]


def _seq(store: Store, correction_id: str) -> int:
    known = store.corrections.get(correction_id)
    if known is None:
        raise unknown(correction_id)
    return known.seq


def require_carried_out(settings: Settings, request: Request) -> None:
    """ConflictError while a correction that a request asked for waits for a run."""
    from pipelines.segments import opened
    from privacy import corrections
    from privacy.requests.words import Kind

    if request.kind != Kind.RECTIFICATION:
        return
    try:
        with opened(settings) as (store, _, served):
            waits = corrections.waiting(store, served, request.request)
    except NotFoundError:
        # Before the first publication nothing can have been corrected.
        return
    if waits:
        raise ConflictError(f"A correction of request {request.request} waits for the next run (`cdp run`).")


def _differs(facts: dict[str, Any]) -> bool:
    return any(place["standing"] in ("source_differs", "ended") for place in facts["where"])


def _written(settings: Settings, way: Way, how: Callable[[Store, duckdb.DuckDBPyConnection], Correction]) -> Corrected:
    """Write or withdraw and, when wanted and possible, carry out at once; another run that is going is no failure."""
    from pipelines.segments import opened
    from privacy import corrections

    with opened(settings) as (store, _, served):
        made = how(store, served)
        action = "privacy.corrected" if made.active else "privacy.correction.withdrawn"
        _audit(store, way.actor, action, made.profile_id, correction=made.correction_id, fields=list(made.fields))
    carried_out, reason = _carry_out(settings, made, way.progress) if way.at_once else (False, None)
    with opened(settings) as (store, _, served):
        (facts,) = corrections.listed(store, served, [made], with_values=False)
    return Corrected(facts, carried_out, reason)


def _carry_out(settings: Settings, made: Correction, progress: Progress) -> tuple[bool, str | None]:
    try:
        run_pipeline(settings, None, progress=progress)
    except BusyError as error:
        return False, error.message
    except CdpError as error:
        raise CdpError(
            f"Correction {made.correction_id} is {'written' if made.active else 'withdrawn'} and takes effect at the "
            f"next run, but carrying it out now failed: {error.message}"
        ) from error
    return True, None


def _living(store: Store, profile_id: str) -> str:
    """The living profile that an id goes on as. NotFoundError when there is none."""
    from privacy.naming import living

    current = living(store, profile_id)
    found = store.get_profile(current)
    if found is not None and found.status == "living":
        return current
    raise NotFoundError("There is no living profile with this id; `cdp profile` finds people by what is known of them.")


def _audit(store: Store, actor: str, action: str, object: str, **detail: Any) -> None:
    store.append_audit([AuditEntry(secrets.token_hex(16), wall_now(), actor, action, object, detail)])
