"""Triggers as the store keeps them. A firing begins in the transaction of the change that asks for it.

`follow` notes who entered the segment of a trigger; what becomes of the note is decided by `activation.triggers`, in
transactions that write the firing and its message together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cdp.errors import ConflictError, InputError, VersionMismatch
from cdp.store import past
from cdp.store.delivery_tables import destinations
from cdp.store.outbox import Outbox
from cdp.store.schema import Moment, memberships, moment, profiles, segments
from cdp.store.trigger_tables import trigger_firings, triggers
from cdp.store.unknown import no_destination, no_segment, no_trigger

# What a new definition or a consent given brings in is nobody's doing at that moment.
_FOLLOW = """
insert into trigger_firings (trigger_key, profile_id, change_seq, happened_at, state)
select t.key, c.profile_id, c.seq, c.at, 'waiting'
from membership_changes as c
join triggers as t on t.segment_key = c.segment_key
where c.seq > :after and c.seq <= :upto and c.change = 'entered' and c.reason = 'evaluated' and t.enabled
order by c.seq
"""
# Both arms: who was held out passed every check that the others passed.
CARRIED_OUT = ("fired", "held_out")


def follow(connection: sa.Connection, *, after: int, upto: int) -> None:
    """A firing that waits for each trigger whose segment somebody entered; see `membership_writing.Follower`."""
    connection.execute(sa.text(_FOLLOW), {"after": after, "upto": upto})


@dataclass(frozen=True)
class Trigger:
    """A trigger; `definition` is the JSON text that `activation.triggers` reads."""

    key: str
    segment_key: str
    destination_key: str | None
    definition: str
    enabled: bool
    version: int
    saved_by: str
    saved_at: datetime


@dataclass(frozen=True)
class Firing:
    """One time that a trigger may fire; moments are the data's. `profile_id` is the living one at the decision.

    `holdout` is the share held out when it was decided, of what fired or was held out: later shares change nothing.
    """

    id: int
    trigger_key: str
    profile_id: str
    change_seq: int
    happened_at: datetime
    due_at: datetime | None
    state: str
    decided_at: datetime | None
    holdout: float | None


def read_all(outbox: Outbox) -> list[Trigger]:
    """All triggers, by key."""
    with outbox.reading() as connection:
        rows = connection.execute(sa.select(triggers).order_by(triggers.c.key)).mappings().all()
    return [Trigger(**{**row, "enabled": bool(row["enabled"]), "saved_at": past.when(row["saved_at"])}) for row in rows]


def read(outbox: Outbox, key: str) -> Trigger:
    """One trigger; NotFoundError with the way to list them."""
    found = [one for one in read_all(outbox) if one.key == key]
    if not found:
        with outbox.reading() as connection:
            raise no_trigger(connection, key)
    return found[0]


def save(outbox: Outbox, wanted: Trigger, *, expected: int | None) -> Trigger:
    """Create (`expected` None) or change a trigger.

    Raises ConflictError for a key in use, VersionMismatch, NotFoundError for an unknown trigger, segment or
    destination, InputError when segment and destination are for different purposes.
    """
    with outbox.writing() as connection:
        outbox.backend.lock(connection, "publish")
        version = connection.scalar(sa.select(triggers.c.version).where(triggers.c.key == wanted.key))
        if expected is None and version is not None:
            raise ConflictError("There is a trigger with this key already.")
        if expected is not None and version is None:
            raise no_trigger(connection, wanted.key)
        if expected is not None and version != expected:
            raise VersionMismatch(f"The trigger is at version {version}, not {expected}: read it again.")
        _require_places(connection, wanted)
        values = {**vars(wanted), "version": (version or 0) + 1}
        if version is None:
            connection.execute(sa.insert(triggers), values)
        else:
            connection.execute(sa.update(triggers).where(triggers.c.key == wanted.key).values(**values))
    return read(outbox, wanted.key)


def switch(outbox: Outbox, key: str, *, enabled: bool, by: str, at: datetime) -> Trigger:
    """Switch a trigger on or off, also when its segment is gone. NotFoundError."""
    changed = {"enabled": enabled, "saved_by": by, "saved_at": at, "version": triggers.c.version + 1}
    with outbox.writing() as connection:
        if not connection.execute(sa.update(triggers).where(triggers.c.key == key).values(**changed)).rowcount:
            raise no_trigger(connection, key)
    return read(outbox, key)


def delete(outbox: Outbox, key: str) -> None:
    """Delete a trigger with its firings; messages on their way stay."""
    with outbox.writing() as connection:
        connection.execute(sa.delete(trigger_firings).where(trigger_firings.c.trigger_key == key))
        if not connection.execute(sa.delete(triggers).where(triggers.c.key == key)).rowcount:
            raise no_trigger(connection, key)


def waiting(
    connection: sa.Connection, key: str, *, before: datetime, now: datetime, after: int, limit: int
) -> list[Firing]:
    """Firings of a trigger to decide now: those that happened up to `before`, or were put off until `now`."""
    c = trigger_firings.c
    ready = sa.or_(sa.and_(c.due_at.is_(None), c.happened_at <= _at(before)), c.due_at <= _at(now))
    statement = (
        sa.select(trigger_firings)
        .where(c.trigger_key == key, c.state == "waiting", c.id > after, ready)
        .order_by(c.id)
        .limit(limit)
    )
    return [firing(row) for row in connection.execute(statement).mappings()]


@dataclass(frozen=True)
class Person:
    """Somebody a trigger would fire for: the living id, in the segment, reachable for its purpose, profile as JSON."""

    profile_id: str
    member: bool
    allowed: bool
    document: str | None


def person(connection: sa.Connection, profile_id: str, segment_key: str) -> Person | None:
    """Who a profile id is today; None when nobody."""

    def reading(statement: sa.Select[Any]) -> Sequence[Sequence[Any]]:
        return connection.execute(statement).fetchall()

    living = past.living_ids([profile_id], reading)[profile_id]
    if living is None:
        return None
    mine = sa.and_(memberships.c.segment_key == segment_key, memberships.c.profile_id == living)
    exportable = connection.scalar(sa.select(memberships.c.exportable).where(mine))
    document = connection.scalar(sa.select(profiles.c.document).where(profiles.c.profile_id == living))
    return Person(living, exportable is not None, bool(exportable), document)


def counted(connection: sa.Connection, profile_id: str, *, since: datetime, key: str | None = None) -> int:
    """How often a trigger (all, without `key`) fired for a person after a moment; held out counts as fired."""
    c = trigger_firings.c
    wanted = [c.profile_id == profile_id, c.state.in_(CARRIED_OUT), c.decided_at > _at(since)]
    if key is not None:
        wanted.append(c.trigger_key == key)
    return int(connection.scalar(sa.select(sa.func.count()).select_from(trigger_firings).where(*wanted)) or 0)


def decide(connection: sa.Connection, one: Firing, **values: Any) -> None:
    """Write what became of a firing that waits."""
    c = trigger_firings.c
    connection.execute(sa.update(trigger_firings).where(c.id == one.id, c.state == "waiting").values(**values))


def counts(outbox: Outbox) -> dict[str, dict[str, int]]:
    """Firings by trigger and state."""
    c = trigger_firings.c
    found: dict[str, dict[str, int]] = {}
    with outbox.reading() as connection:
        statement = sa.select(c.trigger_key, c.state, sa.func.count()).group_by(c.trigger_key, c.state)
        for row in connection.execute(statement):
            found.setdefault(str(row[0]), {})[str(row[1])] = int(row[2])
    return found


def log(
    outbox: Outbox, *, key: str | None = None, profile_id: str | None = None, after: int = 0, limit: int = 100
) -> list[Firing]:
    """Firings in the order in which they began."""
    c = trigger_firings.c
    wanted = [c.id > after]
    wanted += [c.trigger_key == key] if key is not None else []
    wanted += [c.profile_id == profile_id] if profile_id is not None else []
    with outbox.reading() as connection:
        rows = connection.execute(sa.select(trigger_firings).where(*wanted).order_by(c.id).limit(limit))
        return [firing(row) for row in rows.mappings()]


def carried_out(outbox: Outbox, *, after: int = 0, limit: int = 10_000) -> list[Firing]:
    """Firings above an id that fired or were held out, in the order in which they began."""
    c = trigger_firings.c
    with outbox.reading() as connection:
        statement = sa.select(trigger_firings).where(c.state.in_(CARRIED_OUT), c.id > after)
        return [firing(row) for row in connection.execute(statement.order_by(c.id).limit(limit)).mappings()]


def firing(row: Mapping[Any, Any]) -> Firing:
    """A row of `trigger_firings`, with moments as both databases give them."""
    times = {name: moment(row[name]) for name in ("due_at", "decided_at")}
    return Firing(**{**row, **times, "happened_at": past.when(row["happened_at"])})


def _require_places(connection: sa.Connection, wanted: Trigger) -> None:
    purpose = connection.execute(sa.select(segments.c.purpose).where(segments.c.key == wanted.segment_key)).first()
    if purpose is None:
        raise no_segment(connection, wanted.segment_key)
    if wanted.destination_key is None:
        return
    other = connection.scalar(sa.select(destinations.c.purpose).where(destinations.c.key == wanted.destination_key))
    if other is None:
        raise no_destination(connection, wanted.destination_key)
    if other != purpose[0]:
        raise InputError(
            f"Segment {wanted.segment_key} is for {purpose[0]}, destination {wanted.destination_key} for {other}: "
            "people agree to purposes, so both have to be the same."
        )


def _at(value: datetime) -> sa.BindParameter[datetime]:
    return sa.bindparam(None, value, type_=Moment)
