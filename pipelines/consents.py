"""Consent for the command line, and the gate as it stands now for what is evaluated, previewed and exported."""

from __future__ import annotations

import secrets
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from cdp.clock import wall_now
from cdp.domain.consent import Origin, State
from cdp.errors import NotFoundError
from cdp.settings import Settings
from cdp.store import open_store
from cdp.store.base import AuditEntry, Store

if TYPE_CHECKING:
    import duckdb

    from segments.gate import Gate

ACTOR = "command line"


def gate(store: Store, connection: duckdb.DuckDBPyConnection) -> tuple[Gate, int]:
    """The gate with what the ledger says, and the last entry that it knows."""
    from privacy.consent.standing import Standing
    from segments.gate import Gate

    relation, last = Standing(store).install(connection, "")
    return Gate(relation), last


def show(settings: Settings, profile_id: str, as_of: str | None = None) -> dict[str, Any]:
    """What is effective for a person, now or at a moment, and the entries of the ledger."""
    from pipelines.segments import opened
    from privacy.consent.ledger import read
    from privacy.consent.showing import shown
    from segments.moments import asked

    with opened(settings) as (store, _, connection):
        living = _living(store, profile_id)
        facts = shown(connection, store, read(store), living, as_of=asked(as_of, "--as-of"))
        _audit(store, "consent.read", living)
        return facts


def say(
    settings: Settings,
    profile_id: str,
    purpose: str,
    state: State,
    *,
    channel: str,
    at: str | None = None,
    text_version: str | None = None,
    proof: str | None = None,
    author: str | None = None,
    origin: Origin = "person",
    request: str | None = None,
) -> dict[str, Any]:
    """Write down what a person said; a refusal counts at once. Returns what is effective then."""
    from pipelines.segments import opened
    from privacy.consent.effective import records_of
    from privacy.consent.showing import stated
    from segments.moments import asked

    with opened(settings) as (store, publication, connection):
        living, now = _living(store, profile_id), settings.clock.now()
        statement = stated(
            living, purpose, state, at=asked(at, "--at"), now=now, channel=channel, recorded_by=author or ACTOR,
            text_version=text_version, proof=proof, origin=origin, records=records_of(connection, living),
        )  # fmt: skip
        if request is not None:
            statement = replace(statement, request=request)
        (written,) = store.consents.write([statement], at=max(now, publication.as_of))
        _audit(store, f"consent.{state}", living, entry=written.seq, purpose=purpose, origin=origin)
    return show(settings, living)


def restrict(settings: Settings, profile_id: str, request: str | None, *, actor: str, **said: Any) -> dict[str, Any]:
    """Keep a person's data out of use; a `request` that asks for it has to be about them and is under way then.

    ConflictError when the request is not an approved restriction, or not about this profile.
    """
    if request is None:
        return say(settings, profile_id, "*", "restricted", **said)
    from identity.normalise.lookup import lookup_value
    from pipelines.erasing import freezing
    from pipelines.erasing.requests import audit
    from pipelines.lock import writer_lock
    from privacy.register import Register
    from privacy.requests import request as acts
    from privacy.requests.words import Kind
    from privacy.subjects import require_about, require_kind

    register = Register(settings.privacy)
    begin = partial(acts.begin, actor=actor, now=wall_now())
    require_kind(register, request, Kind.RESTRICTION, begin)
    # Whom it means is stopped by what stops an erasure: two people in one, a cluster that went wrong.
    with writer_lock(settings.writer_lock):
        freezing.frozen(register, settings, request)
    with open_store(settings.database_url) as store:
        known = require_about(
            register, store, request, Kind.RESTRICTION, profile_id, begin=begin, normalise=lookup_value
        )
    facts = say(settings, profile_id, "*", "restricted", request=request, **said)
    begun = register.change(request, begin)
    if begun != known:
        with open_store(settings.database_url) as store:
            audit(store, actor, "begun", begun)
    return facts


def _living(store: Store, profile_id: str) -> str:
    """The living profile that an id goes on as. NotFoundError when there is none."""
    from privacy.naming import living

    current = living(store, profile_id)
    found = store.get_profile(current)
    if found is not None and found.status == "living":
        return current
    raise NotFoundError("There is no living profile with this id; `cdp profile` finds people by what is known of them.")


def _audit(store: Store, action: str, profile_id: str, **detail: Any) -> None:
    store.append_audit([AuditEntry(secrets.token_hex(16), wall_now(), ACTOR, action, profile_id, detail)])
