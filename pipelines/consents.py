"""Consent for the command line, and the gate as it stands now for what is evaluated, previewed and exported."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from cdp.clock import wall_now
from cdp.domain.consent import Origin, State
from cdp.errors import NotFoundError
from cdp.settings import Settings
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
        (written,) = store.consents.write([statement], at=max(now, publication.as_of))
        _audit(store, f"consent.{state}", living, entry=written.seq, purpose=purpose, origin=origin)
    return show(settings, living)


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
