"""Destinations as the store keeps them, and questions about their queues: counts, log, resync, replay.

A destination names its segments; from the moment it does, every change of theirs is written to its queue. Versions make
changes optimistic: whoever changes an outdated version is refused.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cdp.errors import ConflictError, InputError, VersionMismatch
from cdp.store import past
from cdp.store.delivery_tables import NOTICES, deliveries, destination_members, destination_segments, destinations
from cdp.store.outbox import Delivery, Outbox, delivery
from cdp.store.schema import Moment, segments
from cdp.store.trigger_tables import triggers
from cdp.store.unknown import no_destination, no_segment


@dataclass(frozen=True)
class Destination:
    """A receiver of what changes in `segments`, all of which are for its `purpose`. Nobody is shown the `secret`."""

    key: str
    kind: str
    title: str
    purpose: str
    config: Mapping[str, Any]
    segments: tuple[str, ...]
    enabled: bool
    version: int
    saved_by: str
    saved_at: datetime
    secret: str | None = None


def read(outbox: Outbox, key: str) -> Destination:
    """One destination; NotFoundError with the way to list them."""
    found = [one for one in read_all(outbox) if one.key == key]
    if not found:
        with outbox.reading() as connection:
            raise no_destination(connection, key)
    return found[0]


def read_all(outbox: Outbox) -> list[Destination]:
    """All destinations, by key."""
    columns = [column for column in destinations.c if column.name not in ("lease", "lease_until", "unfit")]
    with outbox.reading() as connection:
        follows: dict[str, list[str]] = {}
        statement = sa.select(destination_segments).order_by(destination_segments.c.segment_key)
        for row in connection.execute(statement):
            follows.setdefault(str(row[0]), []).append(str(row[1]))
        rows = connection.execute(sa.select(*columns).order_by(destinations.c.key)).mappings().all()
    return [
        Destination(
            **{
                **row,
                "config": json.loads(row["config"]),
                "segments": tuple(follows.get(row["key"], ())),
                "enabled": bool(row["enabled"]),
                "saved_at": past.when(row["saved_at"]),
            }
        )
        for row in rows
    ]


def purpose_of(outbox: Outbox, segment_key: str) -> str:
    """What a segment is for; NotFoundError when there is none."""
    with outbox.reading() as connection:
        purpose = connection.scalar(sa.select(segments.c.purpose).where(segments.c.key == segment_key))
        if purpose is None:
            raise no_segment(connection, segment_key)
    return str(purpose)


def save(outbox: Outbox, wanted: Destination, *, expected: int | None, backfill: bool = True) -> Destination:
    """Create (`expected` None) or change a destination; `backfill` queues what its receiver does not know yet.

    Raises ConflictError for a key in use, VersionMismatch, NotFoundError for an unknown destination or segment.
    Without a secret in `wanted` the former one stays.
    """
    with outbox.writing() as connection:
        outbox.backend.lock(connection, "publish")
        now = connection.execute(
            sa.select(destinations.c.version, destinations.c.secret).where(destinations.c.key == wanted.key)
        ).first()
        if expected is not None and now is None:
            raise no_destination(connection, wanted.key)
        _require(now[0] if now else None, expected)
        _require_segments(connection, wanted)
        values = {
            "kind": wanted.kind,
            "title": wanted.title,
            "purpose": wanted.purpose,
            "config": json.dumps(wanted.config, sort_keys=True),
            "secret": wanted.secret if wanted.secret is not None or now is None else now[1],
            "enabled": wanted.enabled,
            "version": (now[0] if now else 0) + 1,
            "saved_by": wanted.saved_by,
            "saved_at": wanted.saved_at,
        }
        if now is None:
            connection.execute(sa.insert(destinations), {"key": wanted.key, **values})
        else:
            connection.execute(sa.update(destinations).where(destinations.c.key == wanted.key).values(**values))
        connection.execute(sa.delete(destination_segments).where(destination_segments.c.destination_key == wanted.key))
        follows = [{"destination_key": wanted.key, "segment_key": key} for key in sorted(set(wanted.segments))]
        if follows:
            connection.execute(sa.insert(destination_segments), follows)
        if backfill:
            _queue_differences(connection, wanted.key, wanted.saved_at, everybody=False)
    return read(outbox, wanted.key)


def switch(outbox: Outbox, key: str, *, enabled: bool, by: str, at: datetime) -> Destination:
    """Switch a destination on or off, also when a segment of it is gone; its queue keeps growing. NotFoundError."""
    changed = {"enabled": enabled, "saved_by": by, "saved_at": at, "version": destinations.c.version + 1}
    with outbox.writing() as connection:
        if not connection.execute(sa.update(destinations).where(destinations.c.key == key).values(**changed)).rowcount:
            raise no_destination(connection, key)
    return read(outbox, key)


def delete(outbox: Outbox, key: str, *, expected: int | None) -> None:
    """Delete a destination with its queue and log. What it holds is not taken back.

    ConflictError while triggers tell it, or it has still to be told of an erasure, a correction or a restriction;
    raises as `save` besides.
    """
    with outbox.writing() as connection:
        outbox.backend.lock(connection, "publish")
        version = connection.scalar(sa.select(destinations.c.version).where(destinations.c.key == key))
        if version is None:
            raise no_destination(connection, key)
        if expected is not None:
            _require(version, expected)
        telling = sa.select(triggers.c.key).where(triggers.c.destination_key == key).order_by(triggers.c.key)
        users: list[str] = list(connection.scalars(telling))
        if users:
            raise ConflictError(f"Destination {key} is told by {', '.join(users[:10])}; change or delete those first.")
        owed = sa.and_(deliveries.c.kind.in_(("erased", *NOTICES)), deliveries.c.state == "pending")
        statement = sa.select(sa.func.count()).select_from(deliveries).where(deliveries.c.destination_key == key, owed)
        if waiting := connection.scalar(statement):
            raise ConflictError(
                f"Destination {key} has still to be told of {waiting} erasure(s), correction(s) or restriction(s): run"
                f" `cdp deliver --only {key}` first."
            )
        for table in (deliveries, destination_members, destination_segments):
            connection.execute(sa.delete(table).where(table.c.destination_key == key))
        connection.execute(sa.delete(destinations).where(destinations.c.key == key))


def resync(outbox: Outbox, key: str, at: datetime, *, everybody: bool = False) -> tuple[int, int]:
    """Queue what makes the receiver hold exactly whom it may: entries and exits queued.

    Without `everybody` only differences between what it holds and what it should; with it everybody who should be in is
    told again. People with the same waiting are left to it.
    """
    read(outbox, key)
    with outbox.writing() as connection:
        outbox.backend.lock(connection, "publish")
        return _queue_differences(connection, key, at, everybody=everybody)


def refit(outbox: Outbox, key: str, at: datetime) -> None:
    """After a followed segment's purpose has changed, queue what follows: exits, or entries when it came back.

    The flags beside memberships answer for the segment's purpose. While it is another than the destination's, nobody
    of the segment may be known there.
    """
    statement = (
        sa.select(destination_segments.c.segment_key)
        .join(destinations, destinations.c.key == destination_segments.c.destination_key)
        .join(segments, segments.c.key == destination_segments.c.segment_key)
        .where(destinations.c.key == key, segments.c.purpose.is_distinct_from(destinations.c.purpose))
        .order_by(destination_segments.c.segment_key)
    )
    known = sa.select(destinations.c.unfit).where(destinations.c.key == key)
    with outbox.reading() as connection:
        if connection.scalar(known) == " ".join(connection.scalars(statement)):
            return
    with outbox.writing() as connection:
        outbox.backend.lock(connection, "publish")
        unfit = " ".join(connection.scalars(statement))
        connection.execute(sa.update(destinations).where(destinations.c.key == key).values(unfit=unfit))
        _queue_differences(connection, key, at, everybody=False)


def replay(outbox: Outbox, key: str, message_ids: Sequence[str] | None = None) -> int:
    """Let dead messages be tried again under their own ids, all of a queue or those named; how many."""
    read(outbox, key)
    dead = sa.and_(deliveries.c.destination_key == key, deliveries.c.state == "dead")
    if message_ids is not None:
        dead = sa.and_(dead, deliveries.c.message_id.in_(list(message_ids)[:1000]))
    again = {"state": "pending", "attempts": 0, "due_at": None, "finished_at": None}
    with outbox.writing() as connection:
        return connection.execute(sa.update(deliveries).where(dead).values(**again)).rowcount


def counts(outbox: Outbox) -> dict[str, dict[str, int]]:
    """Messages by destination and state."""
    statement = sa.select(deliveries.c.destination_key, deliveries.c.state, sa.func.count()).group_by(
        deliveries.c.destination_key, deliveries.c.state
    )
    found: dict[str, dict[str, int]] = {}
    with outbox.reading() as connection:
        for row in connection.execute(statement):
            found.setdefault(str(row[0]), {})[str(row[1])] = int(row[2])
    return found


def log(
    outbox: Outbox,
    *,
    destination: str | None = None,
    profile_id: str | None = None,
    state: str | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[Delivery]:
    """Messages in the order in which they were queued, from the one behind `after` on."""
    wanted = [deliveries.c.id > after]
    if destination is not None:
        wanted.append(deliveries.c.destination_key == destination)
    if profile_id is not None:
        wanted.append(sa.or_(deliveries.c.profile_id == profile_id, deliveries.c.former_id == profile_id))
    if state is not None:
        wanted.append(deliveries.c.state == state)
    with outbox.reading() as connection:
        rows = connection.execute(sa.select(*deliveries.c).where(*wanted).order_by(deliveries.c.id).limit(limit))
        return [delivery(row) for row in rows]


_WAITING = """
exists (select 1 from deliveries as w where w.destination_key = :key and w.segment_key = p.segment_key
    and w.state = 'pending' and w.kind in (:kind, 'carried')
    and (w.profile_id = p.profile_id or w.former_id = p.profile_id))
"""
_HELD = "select segment_key, profile_id from destination_members where destination_key = :key"
_WANTED = """
select m.segment_key, m.profile_id from memberships as m
join destination_segments as s on s.segment_key = m.segment_key and s.destination_key = :key
join destinations as d on d.key = s.destination_key
join segments as g on g.key = m.segment_key and g.purpose = d.purpose
where m.exportable
"""
_QUEUE = """
insert into deliveries (destination_key, message_id, profile_id, segment_key, kind, reason, at, state, attempts)
select :key, :key || ':' || :batch || '-' || row_number() over (order by p.segment_key, p.profile_id), p.profile_id,
    p.segment_key, :kind, 'sync', :at, 'pending', 0
from ({people}) as p
where not {waiting}
order by p.segment_key, p.profile_id
"""
# What died before is told anew by what was queued now; tried again as well, it would be told twice.
_OVERTAKEN = """
update deliveries set state = 'superseded'
where destination_key = :key and state = 'dead' and kind in ('entered', 'exited', 'carried') and exists (
    select 1 from deliveries as w where w.destination_key = :key and w.state = 'pending' and w.id > deliveries.id
        and w.segment_key = deliveries.segment_key and w.kind <> 'trigger'
        and w.profile_id = deliveries.profile_id)
"""
_LACKING = f"select segment_key, profile_id from ({_WANTED}) as x except {_HELD}"
_TOO_MANY = f"{_HELD} except select segment_key, profile_id from ({_WANTED}) as x"


def _queue_differences(connection: sa.Connection, key: str, at: datetime, *, everybody: bool) -> tuple[int, int]:
    queued = []
    for kind, people in (("exited", _TOO_MANY), ("entered", _WANTED if everybody else _LACKING)):
        statement = sa.text(_QUEUE.format(people=people, waiting=_WAITING)).bindparams(
            sa.bindparam("key", key),
            sa.bindparam("batch", secrets.token_hex(6)),
            sa.bindparam("kind", kind),
            sa.bindparam("at", at, type_=Moment),
        )
        queued.append(int(connection.execute(statement).rowcount))
    connection.execute(sa.text(_OVERTAKEN), {"key": key})
    return queued[1], queued[0]


def _require_segments(connection: sa.Connection, wanted: Destination) -> None:
    """Every segment is there and for the same purpose, so that its flag answers for the destination too."""
    statement = sa.select(segments.c.key, segments.c.purpose).where(segments.c.key.in_(wanted.segments))
    purposes = {row[0]: row[1] for row in connection.execute(statement)}
    for key in wanted.segments:
        if key not in purposes:
            raise no_segment(connection, key)
        if purposes[key] != wanted.purpose:
            raise InputError(
                f"Segment {key} is for {purposes[key]}, the destination for {wanted.purpose}: "
                "people agree to purposes, so both have to be the same."
            )


def _require(version: int | None, expected: int | None) -> None:
    if expected is None and version is not None:
        raise ConflictError("There is a destination with this key already.")
    if expected is not None and version != expected:
        raise VersionMismatch(f"The destination is at version {version}, not {expected}: read it again.")
