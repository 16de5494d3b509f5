"""The consent ledger: a typed protocol, and the ledger in a SQL database.

An entry is written together with its effect: whoever refuses is held back and leaves the segments of that purpose in
the same transaction, under the lock of publications. What entries mean together is decided by `privacy.consent`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from cdp.clock import wall_now
from cdp.domain.consent import EVERYTHING, REFUSALS, Statement
from cdp.errors import NotFoundError
from cdp.store import forgetting, notices, past
from cdp.store.base import Status
from cdp.store.consent_tables import consent_records, consent_statements
from cdp.store.membership_writing import MembershipWriter
from cdp.store.running import Backend
from cdp.store.schema import profiles, publications

Writing = Callable[[], AbstractContextManager[sa.Connection]]
Reading = Callable[..., Sequence[Sequence[Any]]]

GONE = "There is no profile with this id about which anything could be said."
_LARGEST_IN = 500


class ConsentLedger(Protocol):
    """What people agreed and objected to; part of every store. Entries are only added."""

    def write(self, statements: Sequence[Statement], *, at: datetime) -> list[Statement]:
        """Add entries, all or none, in order, and hold back at once whoever refuses.

        A refusal ends the memberships that its purpose may reach (an exit in the change feed at the moment `at`) and
        holds until an evaluation has read the ledger up to it. What is given counts in the next evaluation. Receivers
        that were given the person are told of a restriction and its end. Raises
        NotFoundError when a profile is not known or was retired.
        """
        ...

    def entries(self, *, after: int = 0, limit: int | None = None) -> list[Statement]:
        """Entries with a `seq` above `after`, in order."""
        ...

    def get(self, seqs: Collection[int]) -> list[Statement]:
        """These entries, in order; those that are not there are passed over."""
        ...

    def mark(self) -> tuple[int, int]:
        """The last `seq` and the number of entries: what tells whether a copy is still whole."""
        ...

    def places(self, *, until: int) -> int:
        """How many source records the refusals up to the entry `until` stay with; counts all of them."""
        ...

    def forget(self, records: Iterable[str]) -> int:
        """Remove these source records (SOURCE:ID) from the entries of others; returns how many places they had."""
        ...


class SqlConsents:
    """Implements `ConsentLedger` over one database."""

    def __init__(self, backend: Backend, writing: Writing, reading: Reading, settle: Callable[[], None]) -> None:
        self._backend = backend
        self._writing = writing
        self._rows = reading
        self._settle = settle

    def write(self, statements: Sequence[Statement], *, at: datetime) -> list[Statement]:
        """See `ConsentLedger.write`."""
        written = []
        with self._writing() as connection:
            self._backend.lock(connection, "publish")
            require_known(_statuses(connection, {one.profile_id for one in statements}), statements)
            run_id = str(connection.scalar(_CURRENT_RUN) or "")
            for one in statements:
                row = {**vars(one), "recorded_at": one.recorded_at or wall_now()}
                del row["seq"], row["records"]
                inserted: Any = connection.execute(
                    sa.insert(consent_statements).returning(consent_statements.c.seq), row
                ).scalar_one()
                records = sorted(set(one.records))
                if records:
                    rows = [{"seq": inserted, "source": a, "source_record_id": b} for a, b in records]
                    connection.execute(sa.insert(consent_records), rows)
                written.append(Statement(**{**vars(one), **row, "seq": int(inserted), "records": tuple(records)}))
                self._take_effect(connection, written[-1], at, run_id)
                if one.purpose == EVERYTHING:
                    notices.restricted(connection, self._backend, written[-1], at=at)
        return written

    def entries(self, *, after: int = 0, limit: int | None = None) -> list[Statement]:
        """See `ConsentLedger.entries`."""
        statement = sa.select(consent_statements).where(consent_statements.c.seq > after)
        rows = self._rows(statement.order_by(consent_statements.c.seq).limit(limit))
        return self._with_records(rows, consent_records.c.seq.between(after + 1, rows[-1][0])) if rows else []

    def get(self, seqs: Collection[int]) -> list[Statement]:
        """See `ConsentLedger.get`."""
        found: list[Statement] = []
        wanted = sorted(set(seqs))
        for start in range(0, len(wanted), _LARGEST_IN):
            some = wanted[start : start + _LARGEST_IN]
            rows = self._rows(sa.select(consent_statements).where(consent_statements.c.seq.in_(some)))
            found += self._with_records(rows, consent_records.c.seq.in_(some))
        return sorted(found, key=lambda one: one.seq)

    def mark(self) -> tuple[int, int]:
        """See `ConsentLedger.mark`."""
        row = self._rows(_MARK)[0]
        return int(row[0]), int(row[1])

    def places(self, *, until: int) -> int:
        """See `ConsentLedger.places`."""
        named = sa.select(sa.func.count()).select_from(consent_records.join(consent_statements))
        refused = consent_statements.c.state.in_(REFUSALS)
        return int(self._rows(named.where(refused, consent_statements.c.seq <= until))[0][0])

    def forget(self, records: Iterable[str]) -> int:
        """See `ConsentLedger.forget`."""
        named = sorted({tuple(record.split(":", 1)) for record in records if ":" in record})
        removed = 0
        with self._writing() as connection:
            for start in range(0, len(named), _LARGEST_IN):
                place = sa.tuple_(consent_records.c.source, consent_records.c.source_record_id)
                chosen = place.in_(named[start : start + _LARGEST_IN])
                removed += connection.execute(sa.delete(consent_records).where(chosen)).rowcount
        if removed:
            self._settle()
        return removed

    def _with_records(self, rows: Sequence[Sequence[Any]], chosen: sa.ColumnElement[bool]) -> list[Statement]:
        records = defaultdict(list)
        for seq, source, key in self._rows(sa.select(consent_records).where(chosen)):
            records[seq].append((source, key))
        return [_statement(row, records[row[0]]) for row in rows]

    def _take_effect(self, connection: sa.Connection, one: Statement, at: datetime, run_id: str) -> None:
        if one.state not in REFUSALS:
            with forgetting.named(connection, self._backend, [one.profile_id], [one.purpose]) as running:
                running.run(forgetting.WITH_MERGED)
                running.run(forgetting.END_HOLDS)
            return
        writer = MembershipWriter(connection, self._backend, at=at, run_id=run_id, reason="consent")
        with forgetting.named(connection, self._backend, [one.profile_id], [one.purpose], at=writer.at) as running:
            running.run(forgetting.HOLD_FOR_ENTRY.format(entry=one.seq))
            stays = running.rows(forgetting.HELD_STAYS)
            running.run(forgetting.COUNT_DOWN_HELD)
        writer.flip((row[0] for row in stays), exportable=False)
        writer.settle()


def require_known(statuses: dict[str, Status], statements: Iterable[Statement]) -> None:
    """NotFoundError unless every profile is known and not retired."""
    for one in statements:
        if statuses.get(one.profile_id, "retired") == "retired":
            raise NotFoundError(GONE)


_MARK = sa.select(sa.func.coalesce(sa.func.max(consent_statements.c.seq), 0), sa.func.count(consent_statements.c.seq))
_CURRENT_RUN = sa.select(publications.c.run_id).order_by(publications.c.seq.desc()).limit(1)


def _statuses(connection: sa.Connection, profile_ids: Iterable[str]) -> dict[str, Status]:
    wanted = sa.select(profiles.c.profile_id, profiles.c.status).where(profiles.c.profile_id.in_(sorted(profile_ids)))
    return {row[0]: row[1] for row in connection.execute(wanted)}


def _statement(row: Sequence[Any], records: Sequence[tuple[str, str]]) -> Statement:
    seq, profile_id, purpose, state, at, channel, text_version, proof, origin, recorded_by, recorded_at, request = row
    return Statement(
        profile_id, purpose, state, past.when(at), channel, recorded_by, text_version, proof, origin,
        tuple(sorted(records)), int(seq), past.when(recorded_at), request,
    )  # fmt: skip
