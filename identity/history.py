"""What became of a profile id: the identity events that concern it, from the first one on.

A merge names where an id lives on, a split names the profile it came from; read from the other side, a profile's
history names the ids that were merged into it and the parts that were split off.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from cdp.errors import NotFoundError
from identity.decisions import living_profile


@dataclass(frozen=True)
class Happened:
    """An event: `profile_id` was created, merged into, split from, … `others`; `at` is the data's now of the run."""

    seq: int
    at: datetime
    run_id: str
    kind: str
    profile_id: str
    others: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class History:
    """The present standing of an id, and everything that happened to it; `lives_on_as` follows all merges."""

    profile_id: str
    status: str
    lives_on_as: str | None
    records: tuple[str, ...]
    events: tuple[Happened, ...]


def history(served: duckdb.DuckDBPyConnection, profile_id: str) -> History:
    """The history of an id, living or not; NotFoundError for one that was never given."""
    status, heir = _standing(served, profile_id)
    records = served.execute(
        "select source || ':' || source_record_id from identity.identity_map "
        "where profile_id = ? and source <> 'marketing' order by 1",
        [profile_id],
    ).fetchall()
    events = served.execute(
        'select seq, "at", run_id, kind, profile_id, others, reason from identity.identity_events '
        "where profile_id = $1 or contains(others, '\"' || $1 || '\"') order by seq",
        [profile_id],
    ).fetchall()
    return History(profile_id, status, heir, tuple(record for (record,) in records), tuple(map(_happened, events)))


def _standing(served: duckdb.DuckDBPyConnection, profile_id: str) -> tuple[str, str | None]:
    rows = served.execute("select status from identity.profiles where profile_id = ?", [profile_id]).fetchall()
    if not rows:
        raise NotFoundError("There is no profile with this id.")
    heir = living_profile(served, profile_id)
    return str(rows[0][0]), heir if heir != profile_id else None


def _happened(row: tuple[Any, ...]) -> Happened:
    seq, at, run_id, kind, profile_id, others, reason = row
    return Happened(int(seq), at.replace(tzinfo=UTC), run_id, kind, profile_id, tuple(json.loads(others)), reason)
