"""After an erasure: tokens compared again, values searched for again, suppressions lifted."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from cdp.clock import wall_now
from cdp.engine.duckdb import open_engine
from cdp.errors import ConflictError, NotFoundError
from cdp.settings import Settings
from cdp.store import open_store
from cdp.store.base import AuditEntry
from identity.normalise.columns import record_columns
from pipelines.erasing.requests import parse, read
from pipelines.ingest.people import MAIL, speak_of
from pipelines.lock import writer_lock
from pipelines.sources.registry import ENTITIES
from privacy.holds.register import Holds
from privacy.journal import Journal
from privacy.keys import token_keys
from privacy.matching import Keys, match
from privacy.verify.needles import Needle


def verify(settings: Settings, request: str, identifiers: Sequence[str] = ()) -> dict[str, Any]:
    """Whether anything of a request's people is there again.

    Without values, by tokens: every record in raw tables is hashed and compared. With `identifiers` their values are
    searched for in every file and table, as in the erasure. What legal holds keep is told as kept; it is sealed, so
    nothing of it is found.
    """
    tokens = [
        token for entry in Journal(settings.privacy).entries() if entry.request == request for token in entry.tokens
    ]
    # What went by a rule of retention has tokens, and nobody who asked.
    if not tokens and read(settings, request).status not in ("completed", "partial"):
        raise ConflictError(f"Request {request} was not carried out yet: run `cdp privacy run`.")
    found: dict[str, int] = {}
    with writer_lock(settings.writer_lock):
        if settings.warehouse.exists():
            with open_engine(settings).reader() as connection:
                Keys.of_tokens((0, token) for token in tokens if "+" not in token.kind).install(connection)
                for entity in ENTITIES:
                    records = f"(select rowid as row_no, coalesce(mapped, payload) as record from {entity.table})"
                    speak_of(connection, entity, records, record_columns, normal=MAIL)
                    match(connection, token_keys(settings.privacy))
                    rows = connection.execute("select count(distinct row_no) from matched").fetchall()
                    found[entity.table] = int(rows[0][0])
        hits = _search(settings, identifiers) if identifiers else None
    clean = not any(found.values()) and not (hits and (hits["hits"] or hits["unread"]))
    kept = [
        {"hold": one.hold, "reason": one.reason, "records": sum(one.kept[request].values())}
        for one in Holds(settings.privacy).open_ones() if request in one.kept
    ]  # fmt: skip
    result = {"request": request, "clean": clean, "tokens": len(tokens), "rows": found, "kept": kept, "search": hits}
    _audit(settings, "privacy.verified", request, {"clean": clean, "searched": bool(identifiers)})
    return result


def _search(settings: Settings, identifiers: Sequence[str]) -> dict[str, Any]:
    from privacy.inventory.load import load
    from privacy.verify.home import can_be_found, scan

    needles = []
    for text in identifiers:
        named = parse(text)
        values = {named.value, named.mailbox or named.value, text.partition(":")[2].strip()}
        needles += [Needle(0, named.kind, value) for value in sorted(values)]
    found = scan(
        settings.home,
        needles,
        load(settings.dbt_project),
        config={"threads": settings.threads},
        store_url=settings.database_url,
        leave_out=lambda path: path.is_relative_to(settings.privacy / "work"),
    )
    return {
        "hits": {place: sum(hits.values()) for place, hits in found.hits.items() if hits},
        "unread": found.unreadable,
        # Too short for a search that proves anything; the comparison by tokens is what speaks for them.
        "not_searched": sorted({needle.kind for needle in needles if not can_be_found(needle)}),
        "files": found.files,
        "bytes": found.bytes,
    }


def lift(settings: Settings, request: str) -> int:
    """Let the person of a request come in again, when they are a customer anew; returns how many tokens are lifted."""
    journal = Journal(settings.privacy)
    held = [token for owner, token in journal.suppressed() if owner == request]
    if not held:
        read(settings, request)
        raise NotFoundError(f"Nothing is suppressed by request {request}.")
    with writer_lock(settings.writer_lock):
        # First the audit log: nothing is let in of which nobody could say who allowed it.
        _audit(settings, "privacy.unsuppressed", request, {"tokens": len(held)})
        journal.append("lifted", [(request, [])], wall_now())
    return len(held)


def _audit(settings: Settings, action: str, request: str, detail: dict[str, Any]) -> None:
    entry = AuditEntry(secrets.token_hex(16), wall_now(), "command line", action, request, detail)
    with open_store(settings.database_url) as store:
        store.append_audit([entry])
