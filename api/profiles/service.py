"""Answers about profiles: documents from the store, events and episodes from the snapshot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import duckdb

from api import masking
from api.gating import open_to
from api.paging import begin
from api.problems import ProfileGone, ProfileMoved
from api.security import Caller
from api.services import Services
from cdp.errors import NotFoundError
from cdp.store.base import StoredIdentifier, StoredProfile

SHOWN_IDENTIFIERS = 100
MOST_FOUND = 25
SECONDS = 10.0

_EVENTS = (
    "touchpoint_id", "occurred_at", "source", "channel", "touchpoint_type", "event_name", "stage", "lane", "amount",
    "currency", "device", "campaign",
)  # fmt: skip
_EPISODES = ("episode_number", "stage", "entered_at", "left_at", "is_open", "move", "touchpoints")


async def living(services: Services, profile_id: str, suffix: str = "") -> StoredProfile:
    """A profile that is served. ProfileMoved, ProfileGone or NotFoundError when it is not."""
    found = await services.reader.get_profile(profile_id)
    if found is None:
        raise NotFoundError("There is no profile with this id.")
    heir = await _heir(services, found)
    if heir.status != "living":
        raise ProfileGone(f"This profile was {heir.status}; its id will not be used again.")
    if heir is not found:
        raise ProfileMoved(heir.profile_id, f"/v1/profiles/{heir.profile_id}{suffix}")
    return found


async def _heir(services: Services, profile: StoredProfile) -> StoredProfile:
    """Where a profile lives on: merges may follow one another."""
    seen = {profile.profile_id}
    while profile.merged_into is not None and profile.merged_into not in seen:
        following = await services.reader.get_profile(profile.merged_into)
        if following is None:
            break
        seen.add(following.profile_id)
        profile = following
    return profile


async def _shown(services: Services, caller: Caller, profile_id: str, suffix: str = "") -> StoredProfile:
    """As `living`, for its data. UseRestricted when they are kept out of use, and the caller handles no requests."""
    profile = await living(services, profile_id, suffix)
    await open_to(services, caller, [profile_id])
    return profile


async def document(services: Services, caller: Caller, profile_id: str) -> bytes:
    """The profile as JSON: the published text when the caller may see all of it, a masked copy otherwise."""
    profile = await _shown(services, caller, profile_id)
    identifiers = await services.reader.identifiers(profile_id, limit=SHOWN_IDENTIFIERS)
    services.audit.record(caller.actor, "profile.read", profile_id, {"personal": caller.sees_personal_data})
    return _body(profile, identifiers, caller)


async def found(services: Services, caller: Caller, kind: str, value: str) -> bytes:
    """All living profiles that carry an identifier and may be used, as a JSON object. NotFoundError when none does.

    UseRestricted when those that do are kept out of use.
    """
    ids = (await services.reader.lookup(kind, services.normalise(kind, value)))[:MOST_FOUND]
    for profile_id in ids or ["nobody"]:
        detail = {"personal": caller.sees_personal_data, "type": kind}
        services.audit.record(caller.actor, "profile.lookup", profile_id, detail)
    bodies = []
    for profile_id in await open_to(services, caller, ids):
        profile = await services.reader.get_profile(profile_id)
        # A publication may have come between the two reads.
        if profile is not None and profile.status == "living":
            identifiers = await services.reader.identifiers(profile_id, limit=SHOWN_IDENTIFIERS)
            bodies.append(_body(profile, identifiers, caller))
    if not bodies:
        raise NotFoundError(f"No profile carries this {kind}.")
    return b'{"data":[' + b",".join(bodies) + b"]}"


def etag(body: bytes) -> str:
    """A strong entity tag: equal for equal bytes."""
    return f'"{sha256(body).hexdigest()[:32]}"'


async def identifiers(
    services: Services, caller: Caller, profile_id: str, cursor: str | None, limit: int
) -> dict[str, Any]:
    """A page of a profile's identifiers."""
    await _shown(services, caller, profile_id, "/identifiers")
    listing = await begin(services, f"identifiers:{profile_id}", cursor, limit)
    after = int(listing.after[0]) if listing.after else 0
    rows = await services.reader.identifiers(profile_id, after=after, limit=listing.fetch)
    services.audit.record(caller.actor, "profile.identifiers", profile_id, {"personal": caller.sees_personal_data})
    return listing.page(rows, lambda row: [row.id], lambda row: _identifier(row, caller))


async def events(services: Services, caller: Caller, profile_id: str, cursor: str | None, limit: int) -> dict[str, Any]:
    """A page of a profile's touchpoints, newest first."""
    await _shown(services, caller, profile_id, "/events")
    listing = await begin(services, f"events:{profile_id}", cursor, limit)

    def question(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
        later = "and (occurred_at, touchpoint_id) < (?::timestamp, ?)" if listing.after else ""
        sql = (
            f"select {', '.join(_EVENTS)} from marts.touchpoints where profile_id = ? {later} "
            "order by occurred_at desc, touchpoint_id desc limit ?"
        )
        return _dicts(_EVENTS, connection.execute(sql, [profile_id, *listing.after, listing.fetch]).fetchall())

    rows = await services.analyst.ask(listing.publication, question, seconds=SECONDS)
    services.audit.record(caller.actor, "profile.events", profile_id)
    return listing.page(rows, _event_key)


async def journey(
    services: Services, caller: Caller, profile_id: str, cursor: str | None, limit: int
) -> dict[str, Any]:
    """A page of a profile's stage episodes, in the order they were lived, and where the person stands now."""
    profile = await _shown(services, caller, profile_id, "/journey")
    listing = await begin(services, f"journey:{profile_id}", cursor, limit)
    after = int(listing.after[0]) if listing.after else 0

    def question(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
        sql = (
            f"select {', '.join(_EPISODES)} from marts.stage_episodes where profile_id = ? and episode_number > ? "
            "order by episode_number limit ?"
        )
        return _dicts(_EPISODES, connection.execute(sql, [profile_id, after, listing.fetch]).fetchall())

    rows = await services.analyst.ask(listing.publication, question, seconds=SECONDS)
    services.audit.record(caller.actor, "profile.journey", profile_id)
    page = listing.page(rows, lambda row: [row["episode_number"]])
    published = json.loads(profile.document or "{}")
    return {**page, "standing": {name: published.get(name) for name in ("stage", "journey")}}


def _body(profile: StoredProfile, identifiers: Sequence[StoredIdentifier], caller: Caller) -> bytes:
    text = profile.document or "{}"
    listed = json.dumps([_identifier(row, caller) for row in identifiers], ensure_ascii=False)
    if not caller.sees_personal_data:
        text = json.dumps(masking.masked_profile(json.loads(text)), ensure_ascii=False)
    head = text.rstrip()[:-1].rstrip()
    separator = "" if head.endswith("{") else ","
    return f'{head}{separator}"identifiers":{listed}}}'.encode()


def _identifier(row: StoredIdentifier, caller: Caller) -> dict[str, str]:
    return {"type": row.type, "value": row.value if caller.sees_personal_data else masking.MASK}


def _event_key(row: dict[str, Any]) -> list[Any]:
    return [row["occurred_at"].replace(tzinfo=None).isoformat(), row["touchpoint_id"]]


def _dicts(columns: Sequence[str], rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, map(_utc, row), strict=True)) for row in rows]


def _utc(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
