"""The outbox: what has to be told to which receiver, written with the change itself, and what became of it.

`follow` runs in the transaction that writes changes. Everything else is one short transaction each, so that a worker
may be killed anywhere: a message is marked only after its receiver took it, and is sent again under the same id if the
mark was not written. A message waits for the earlier ones of the same person; other people's pass it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from cdp.domain.corrections import FULL_NAME
from cdp.store import address, past
from cdp.store.correction_tables import correction_places
from cdp.store.delivery_tables import (
    NOTICES,
    deliveries,
    destination_members,
    destination_segments,
    destinations,
)
from cdp.store.faults import told
from cdp.store.postgres import PostgresBackend
from cdp.store.running import Backend
from cdp.store.schema import Moment, memberships, moment, profiles, segments
from cdp.store.sqlite import SqliteBackend

LEASE = timedelta(seconds=120)

_FOLLOW = """
insert into deliveries
    (destination_key, message_id, profile_id, former_id, segment_key, kind, reason, at, state, attempts)
select s.destination_key, s.destination_key || ':' || c.seq, c.profile_id, c.former_id, c.segment_key, c.change,
    c.reason, c.at, 'pending', 0
from membership_changes as c
join destination_segments as s on s.segment_key = c.segment_key
where c.seq > :after and c.seq <= :upto
order by c.seq
"""


def follow(connection: sa.Connection, *, after: int, upto: int) -> None:
    """One message for each receiver that follows the segment of a change; see `membership_writing.Follower`."""
    connection.execute(sa.text(_FOLLOW), {"after": after, "upto": upto})


@dataclass(frozen=True)
class Delivery:
    """A message in the outbox or the log. `at` is the data's time of the change, the others are real time."""

    id: int
    destination_key: str
    message_id: str
    profile_id: str
    former_id: str | None
    segment_key: str
    trigger_key: str | None
    kind: str
    reason: str
    at: datetime
    state: str
    attempts: int
    due_at: datetime | None
    finished_at: datetime | None
    error: str | None
    request: str | None = None
    notice: str | None = None


@dataclass(frozen=True)
class Standing:
    """What is true of a message's person at the moment of sending.

    `allowed`: in the segment, whose purpose is that of the destination and may reach them; for a notice, in one of the
    segments that it follows. `member`: in the segment at all. `held` and `former_held`: the receiver knows this id, the
    former id, to be in. `outrun`: a later message about the same person and segment has arrived already, or a later one
    about a restriction. `document`: the profile as JSON text, None when there is no such living profile. `corrected`:
    the fields of the correction that is told.
    """

    allowed: bool
    member: bool
    held: bool
    former_held: bool
    outrun: bool
    document: str | None
    corrected: tuple[str, ...] = ()


# A segment's purpose may be changed after the destination was set up for it.
_SAME_PURPOSE = sa.select(destinations.c.key).where(
    destinations.c.key == sa.bindparam("destination"),
    sa.exists().where(segments.c.key == sa.bindparam("key"), segments.c.purpose == destinations.c.purpose),
)
# Whether a receiver may be given the person now, for any of the segments that it follows.
_REACHED = (
    sa.select(memberships.c.profile_id)
    .join(segments, segments.c.key == memberships.c.segment_key)
    .join(destination_segments, destination_segments.c.segment_key == memberships.c.segment_key)
    .join(
        destinations,
        sa.and_(
            destinations.c.key == destination_segments.c.destination_key, segments.c.purpose == destinations.c.purpose
        ),
    )
    .where(destinations.c.key == sa.bindparam("destination"), memberships.c.profile_id == sa.bindparam("profile"))
    .where(memberships.c.exportable)
    .limit(1)
)
_RESTRICTIONS = ("restricted", "lifted")


class Outbox:
    """The outbox of one store; open it once per thread and close it."""

    def __init__(self, url: str) -> None:
        parsed = address.parse(url)
        self.backend: Backend = SqliteBackend(parsed) if parsed.drivername == "sqlite" else PostgresBackend(parsed)
        self._engine = self.backend.engine()

    def close(self) -> None:
        """Give back connections."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that only reads."""
        with told(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One write transaction."""
        with told(), self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def lease(self, key: str, owner: str, now: datetime) -> bool:
        """Take or renew the right to work on a queue; False while another worker has it, or it is switched off."""
        free = sa.or_(
            destinations.c.lease.is_(None), destinations.c.lease == owner, destinations.c.lease_until < _at(now)
        )
        statement = (
            sa.update(destinations)
            .where(destinations.c.key == key, destinations.c.enabled, free)
            .values(lease=owner, lease_until=now + LEASE)
        )
        with self.writing() as connection:
            return connection.execute(statement).rowcount > 0

    def release(self, key: str, owner: str) -> None:
        """Give the right back."""
        mine = sa.and_(destinations.c.key == key, destinations.c.lease == owner)
        with self.writing() as connection:
            connection.execute(sa.update(destinations).where(mine).values(lease=None, lease_until=None))

    def due(self, key: str, now: datetime, limit: int) -> list[Delivery]:
        """Messages of a queue that may be sent now, in their order; none before an earlier one of the same person."""
        mine, earlier = deliveries, deliveries.alias()
        same = sa.or_(
            earlier.c.profile_id == mine.c.profile_id,
            earlier.c.profile_id == mine.c.former_id,
            earlier.c.former_id == mine.c.profile_id,
        )
        waiting = (
            sa.exists()
            .where(earlier.c.destination_key == mine.c.destination_key, earlier.c.state == "pending")
            .where(earlier.c.id < mine.c.id, same)
        )
        statement = (
            sa.select(*mine.c)
            .where(mine.c.destination_key == key, mine.c.state == "pending")
            .where(sa.or_(mine.c.due_at.is_(None), mine.c.due_at <= _at(now)), sa.not_(waiting))
            .order_by(mine.c.id)
            .limit(limit)
        )
        with self.reading() as connection:
            return [delivery(row) for row in connection.execute(statement)]

    def last_delivered(self, key: str) -> datetime | None:
        """When the newest message of a queue that arrived did so; None before the first."""
        c = deliveries.c
        statement = sa.select(c.finished_at).where(c.destination_key == key, c.state == "delivered")
        with self.reading() as connection:
            return moment(connection.scalar(statement.order_by(c.id.desc()).limit(1)))

    def standing(self, one: Delivery) -> Standing:
        """What is true now of the person of a message."""
        members, later = memberships.c, deliveries.alias()
        mine = sa.and_(members.segment_key == one.segment_key, members.profile_id == one.profile_id)
        newer = (
            sa.select(later.c.id)
            .where(later.c.destination_key == one.destination_key, later.c.segment_key == one.segment_key)
            .where(later.c.profile_id == one.profile_id, later.c.state == "delivered", later.c.id > one.id)
            .where(later.c.trigger_key.is_(None))
            .limit(1)
        )
        if one.kind in _RESTRICTIONS:
            newer = newer.where(later.c.kind.in_(_RESTRICTIONS))
        living = sa.select(profiles.c.document).where(
            profiles.c.profile_id == one.profile_id, profiles.c.status == "living"
        )
        with self.reading() as connection:
            exportable = connection.scalar(sa.select(members.exportable).where(mine))
            same_purpose = connection.scalar(
                _SAME_PURPOSE, {"destination": one.destination_key, "key": one.segment_key}
            )
            reached = one.kind in NOTICES and connection.scalar(
                _REACHED, {"destination": one.destination_key, "profile": one.profile_id}
            )
            held = self._held(connection, one, {one.profile_id, one.former_id or one.profile_id})
            return Standing(
                allowed=bool(reached) or (bool(exportable) and same_purpose is not None),
                member=exportable is not None,
                held=one.profile_id in held,
                former_held=one.former_id in held,
                outrun=one.kind not in ("trigger", "rectified") and connection.scalar(newer) is not None,
                document=connection.scalar(living),
                corrected=_corrected(connection, one) if one.kind == "rectified" else (),
            )

    def delivered(self, rows: Sequence[tuple[Delivery, str]], now: datetime) -> None:
        """The receiver took these messages, each told as the kind beside it; it holds accordingly."""
        with self.writing() as connection:
            for one, told_as in rows:
                values = {"state": "delivered", "attempts": one.attempts + 1, "finished_at": now, "error": None}
                done = sa.update(deliveries).where(deliveries.c.id == one.id, deliveries.c.state == "pending")
                if connection.execute(done.values(**values, due_at=None)).rowcount:
                    self._hold(connection, one, told_as, now)

    def closed(self, one: Delivery, state: str, now: datetime) -> None:
        """A message needs no sending: `withheld` (the purpose may not reach the person) or `superseded`."""
        with self.writing() as connection:
            done = sa.update(deliveries).where(deliveries.c.id == one.id, deliveries.c.state == "pending")
            connection.execute(done.values(state=state, finished_at=now, due_at=None, error=None))

    def failed(self, one: Delivery, error: str, *, due_at: datetime | None, now: datetime) -> None:
        """An attempt failed; with `due_at` there will be another, without the message is dead."""
        values: dict[str, Any] = {"attempts": one.attempts + 1, "error": error, "due_at": due_at}
        if due_at is None:
            values |= {"state": "dead", "finished_at": now}
        with self.writing() as connection:
            pending = sa.update(deliveries).where(deliveries.c.id == one.id, deliveries.c.state == "pending")
            connection.execute(pending.values(**values))

    def _hold(self, connection: sa.Connection, one: Delivery, told_as: str, now: datetime) -> None:
        if told_as == "erased":
            _forget(connection, one)
        if told_as in ("trigger", "erased", *NOTICES):
            return
        # What was carried on by somebody whom the purpose may not reach was told as the former id's exit.
        gone = {one.former_id or one.profile_id} if told_as == "exited" or one.kind == "carried" else set()
        table = destination_members
        place = sa.and_(table.c.destination_key == one.destination_key, table.c.segment_key == one.segment_key)
        if gone:
            connection.execute(sa.delete(table).where(place, table.c.profile_id.in_(sorted(gone))))
        if told_as == "exited" or self._held(connection, one, {one.profile_id}):
            return
        row = {"destination_key": one.destination_key, "segment_key": one.segment_key, "profile_id": one.profile_id}
        connection.execute(sa.insert(table).values(**row, since=now))

    @staticmethod
    def _held(connection: sa.Connection, one: Delivery, ids: Iterable[str]) -> set[str]:
        table = destination_members
        statement = sa.select(table.c.profile_id).where(
            table.c.destination_key == one.destination_key,
            table.c.segment_key == one.segment_key,
            table.c.profile_id.in_(sorted(ids)),
        )
        return set(connection.scalars(statement))


def _forget(connection: sa.Connection, one: Delivery) -> None:
    """A receiver knows that a person is erased: nothing has to name them to it any more.

    The message stays without the id, as the answer to who was told and who was not.
    """
    for table in (deliveries, destination_members):
        theirs = sa.and_(table.c.destination_key == one.destination_key, table.c.profile_id == one.profile_id)
        others = sa.true() if table is destination_members else table.c.id != one.id
        connection.execute(sa.delete(table).where(theirs, others))
    connection.execute(sa.update(deliveries).where(deliveries.c.id == one.id).values(profile_id=""))


def _corrected(connection: sa.Connection, one: Delivery) -> tuple[str, ...]:
    """The fields that the told correction is about, in order; none once it was erased."""
    of = correction_places.c
    fields = sa.select(of.field).where(of.correction_id == one.notice, of.field != FULL_NAME).distinct()
    return tuple(sorted(connection.scalars(fields)))


def delivery(row: sa.Row[Any]) -> Delivery:
    """A row of `deliveries`, with moments as both databases give them."""
    found = dict(row._mapping)
    return Delivery(
        **{
            **found,
            "at": past.when(found["at"]),
            "due_at": moment(found["due_at"]),
            "finished_at": moment(found["finished_at"]),
        }
    )


def _at(value: datetime) -> sa.BindParameter[datetime]:
    return sa.bindparam(None, value, type_=Moment)
