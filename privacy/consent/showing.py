"""What a person said and what it means, for people: the state for every purpose with its reason, and the entries.

Whoever writes an entry is held to the same bounds here, over HTTP and on the command line.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

import duckdb

from cdp.domain.consent import EVERYTHING, PURPOSES, Origin, State, Statement
from cdp.errors import InputError
from cdp.store.base import Store
from privacy.consent import effective
from privacy.consent.ledger import Ledger

GPC = "Sec-GPC"
_LONGEST = {"channel": 100, "text_version": 200, "proof": 1_000}

_REASONS = {
    "restriction": "The use of this person's data is restricted until that is lifted.",
    "objection": "The person refused; only a consent that they give anew through the ledger lifts it.",
    "objection in a source": "The person unsubscribed; only a consent that they give through the ledger lifts it.",
    "ledger": "The last entry of the ledger decides.",
    "sources": "The newest statement of the sources decides.",
    "nothing": "Nobody has said anything about this purpose.",
}


def stated(
    profile_id: str,
    purpose: str,
    state: State,
    *,
    at: datetime | None,
    now: datetime,
    channel: str,
    recorded_by: str,
    text_version: str | None = None,
    proof: str | None = None,
    origin: Origin = "person",
    records: tuple[tuple[str, str], ...] = (),
) -> Statement:
    """An entry to write, said at `at` or now. InputError names the field that is wrong."""
    if purpose not in (*PURPOSES, EVERYTHING):
        raise InputError(f"There is no purpose {purpose[:60]}. Allowed: {', '.join(PURPOSES)}.")
    if at is not None and at.tzinfo is None:
        raise InputError("at: a moment needs a time zone, for example 2026-01-31T12:00:00Z.")
    if at is not None and at > now:
        raise InputError("at: what was said lies in the past; this moment does not.")
    if not channel.strip():
        raise InputError("channel: say where it was said, for example web form, phone or letter.")
    for name, text in (("channel", channel), ("text_version", text_version), ("proof", proof)):
        if text is not None and (len(text) > _LONGEST[name] or "\0" in text):
            raise InputError(f"{name}: at most {_LONGEST[name]} characters.")
    return Statement(
        profile_id, purpose, state, at or now, channel.strip(), recorded_by, text_version, proof, origin, records
    )


def browser_objects(profile_id: str, *, now: datetime, recorded_by: str, records: Any = ()) -> Statement:
    """What `Sec-GPC: 1` says: the person objects to the sale and sharing of their data (globalprivacycontrol.org)."""
    return Statement(
        profile_id, "sharing", "objected", now, GPC, recorded_by, proof=f"{GPC}: 1", records=tuple(records)
    )


def shown(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    ledger: Ledger,
    profile_id: str,
    *,
    as_of: datetime | None = None,
) -> dict[str, Any]:
    """The states of a profile for every purpose, now or as of a moment, with the entries that count for it."""
    rows = effective.states(connection, ledger, about=profile_id, until=as_of).to_pylist()
    seqs = effective.entries_about(connection, ledger, profile_id)
    entries = [one for one in store.consents.get(seqs) if as_of is None or one.at <= as_of]
    order = {purpose: place for place, purpose in enumerate(PURPOSES)}
    return {
        "profile_id": profile_id,
        "as_of": as_of,
        "restricted": any(row["decided_by"] == "restriction" for row in rows),
        "purposes": [_state(row) for row in sorted(rows, key=lambda row: order[row["purpose"]])],
        "entries": [_entry(one) for one in entries],
    }


def _state(row: dict[str, Any]) -> dict[str, Any]:
    names = ("purpose", "state", "decided_by", "entry", "said_at", "source")
    said_at = row["said_at"]
    return {
        **{name: row[name] for name in names},
        "said_at": said_at.isoformat(timespec="milliseconds") + "Z" if said_at else None,
        "reason": _REASONS[row["decided_by"]],
    }


def _entry(one: Statement) -> dict[str, Any]:
    fields = asdict(one)
    del fields["records"]
    return fields
