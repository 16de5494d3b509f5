"""Writing memberships: every stay, its history and its changes come from here, in the caller's transaction.

A publication, a saved segment, a withdrawn consent and an erasure all end in `settle`, so the change feed has one
source. What has to be written together with a change (a delivery) is written by a `Follower`, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from cdp.store import membership_scratch as text
from cdp.store import outbox, triggers
from cdp.store.running import Backend, Running, batches
from cdp.store.schema import membership_changes, moment
from cdp.store.segmentation import Moved
from cdp.store.segmentation_tables import membership_clock


class Follower(Protocol):
    """Writes what belongs to new changes; an exception leaves neither."""

    def __call__(self, connection: sa.Connection, *, after: int, upto: int) -> None:
        """The changes with a `seq` above `after` and not above `upto` were just written on this connection."""
        ...


FOLLOWERS: tuple[Follower, ...] = (outbox.follow, triggers.follow)


class MembershipWriter:
    """One operation on memberships. The caller holds the lock `publish`, so changes are committed in order of `seq`.

    `consents` is the last entry of the consent ledger that what will be given knows.
    """

    def __init__(
        self,
        connection: sa.Connection,
        backend: Backend,
        *,
        at: datetime,
        run_id: str,
        reason: str,
        followers: Sequence[Follower] = FOLLOWERS,
        consents: int = 0,
    ) -> None:
        self._connection = connection
        self._followers = followers
        self._consents = consents
        self.at = _no_earlier(connection, at)
        self._running = Running(connection, backend, at=self.at, run_id=run_id, reason=reason)
        self._running.create(text.SCRATCH, text.INDEXES)

    def restore(self) -> None:
        """Note which of the staged profiles come back to life; before they are written."""
        self._running.run(text.RESTORE)

    def restored(self) -> None:
        """All of them are noted; follow whom they had gone on as, before redirects are written."""
        self._running.run(text.RESTORE_CHAINS)
        self._running.measured("restored")

    def evaluated(self, keys: Iterable[str]) -> None:
        """The segments whose members will be given: whoever is not among them leaves."""
        self._running.stage("evaluated_segments", ("key",), [(key,) for key in sorted(keys)])

    def evaluated_all(self) -> None:
        """All segments are given, or gone."""
        self._running.run(text.ALL_SEGMENTS)

    def give(self, memberships: Iterable[tuple[str, str, bool]], *, orphans: str | None = None) -> int:
        """Take the memberships of the evaluated segments, in batches.

        `orphans` counts those of a batch that name nobody; the first such number is returned and ends it. Without it,
        profiles that are gone are left out.
        """
        holds = self._running.run(text.HELD.format(seen=self._consents))
        for batch in batches(memberships):
            self._running.stage("staged_memberships", ("segment_key", "profile_id", "exportable"), batch)
            if orphans is None:
                self._running.run(text.ONLY_LIVING)
            elif lost := self._running.count(orphans):
                return lost
            if holds:
                self._hold_back()
            for statement in (text.SEE, text.FLIP, text.JOIN, "delete from staged_memberships"):
                self._running.run(statement)
        return 0

    def flip(self, ids: Iterable[int], *, exportable: bool) -> None:
        """These stays remain, but may or may not be used from now on."""
        self._running.stage("flipping", ("id", "exportable"), [(one, exportable) for one in ids])

    def settle(self, *, keep_history: bool = True) -> Moved:
        """Take the differences and write stays, history and changes; the scratch tables are gone afterwards."""
        run = self._running
        run.measured("seen_memberships", "joining", "flipping")
        run.run(text.SUCCESSORS)
        run.run(text.LEAVE)
        run.measured("leaving")
        run.run(text.RETURN_TO_RESTORED)
        for statement in (text.DEPART, text.ARRIVE):
            run.run(statement)
        run.measured("departing", "arriving")
        run.run(text.INHERIT_BY_RESTORED)
        run.run(text.DISINHERIT)
        moved = self._record()
        if keep_history:
            run.run(text.CLOSE_STAYS)
        for statement in (text.REMOVE, text.WRITE_FLAGS, text.CARRY_SINCE, text.WRITE_STAYS):
            run.run(statement)
        run.drop(text.SCRATCH)
        return moved

    def _record(self) -> Moved:
        """Write the changes, and with them what belongs to them. The only place that adds to the feed."""
        after = last_change(self._connection)
        exited = self._running.run(text.RECORD_EXITS)
        self._running.run(text.RECORD_CARRIED)
        entered = self._running.run(text.RECORD_ENTRIES)
        upto = last_change(self._connection)
        for follow in self._followers if upto > after else ():
            follow(self._connection, after=after, upto=upto)
        return Moved(entered, exited)

    def _hold_back(self) -> None:
        counts = self._running.rows(text.COUNT_HELD)
        if counts and self._running.run(text.HOLD_BACK):
            statement = sa.text("update segments set exportable = exportable - :held where key = :key")
            self._connection.execute(statement, [{"key": key, "held": held} for key, held in counts])


def last_change(connection: sa.Connection) -> int:
    """The `seq` of the newest change, 0 before the first."""
    return int(connection.scalar(sa.select(sa.func.coalesce(sa.func.max(membership_changes.c.seq), 0))) or 0)


def _no_earlier(connection: sa.Connection, at: datetime) -> datetime:
    """`at`, or the latest moment before it: stays of one profile never overlap, also when "now" is set back."""
    known: Any = connection.scalar(sa.select(membership_clock.c.at))
    latest = moment(known)
    if latest is None:
        connection.execute(sa.insert(membership_clock), {"id": 1, "at": at})
    elif latest < at:
        connection.execute(sa.update(membership_clock).values(at=at))
    return at if latest is None else max(at, latest)
