"""Corrections of what sources say: a typed protocol, and the log in a SQL database.

A correction is kept until it is withdrawn or the person is erased. What it does to records is the pipeline's work; here
it is only said which correction counts for a field of a record: the last one that was not withdrawn.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol, cast

import sqlalchemy as sa

from cdp.clock import wall_now
from cdp.domain.corrections import Correction, InForce, Place, Withdrawal
from cdp.errors import ConflictError, NotFoundError
from cdp.store.correction_tables import correction_places, correction_withdrawals, corrections
from cdp.store.running import Backend
from cdp.store.schema import moment, profiles

# One write transaction of the store, given what to raise when a row breaks a constraint; and rows of a statement.
Writing = Callable[..., AbstractContextManager[sa.Connection]]
Reading = Callable[..., Sequence[Sequence[Any]]]

_LARGEST_IN = 500


class CorrectionLog(Protocol):
    """What was put right about people; part of every store. Entries are only added."""

    def write(self, correction: Correction) -> Correction:
        """Keep a correction. NotFoundError when its profile is not known or was retired."""
        ...

    def withdraw(self, correction_id: str, recorded_by: str) -> Correction:
        """Take a correction back. NotFoundError for an unknown one, ConflictError when it was withdrawn before."""
        ...

    def get(self, correction_id: str) -> Correction | None:
        """One correction."""
        ...

    def listed(
        self,
        *,
        request: str | None = None,
        records: Collection[str] | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[Correction]:
        """Corrections, newest first; of a subject request, or that concern one of these records (SOURCE:ID).

        `before` is the `seq` from which on they are left out, `limit` how many there are at most.
        """
        ...

    def in_force(self, records: Collection[str] | None = None) -> list[InForce]:
        """What counts now, for each field of a record, or of one of these (SOURCE:ID), ordered by id and place."""
        ...

    def note_replaced(self, found: Iterable[tuple[str, Place]]) -> None:
        """Keep with each place, named by its correction's id, the digest of what it replaces, unless there is one."""
        ...

    def forget(self, records: Iterable[str]) -> int:
        """Remove the places on these records (SOURCE:ID), and corrections left without one.

        For people who are erased. Returns the number of places removed.
        """
        ...


class SqlCorrections:
    """Implements `CorrectionLog` over one database."""

    def __init__(self, backend: Backend, writing: Writing, reading: Reading, settle: Callable[[], None]) -> None:
        self._backend = backend
        self._writing = writing
        self._rows = reading
        self._settle = settle

    def write(self, correction: Correction) -> Correction:
        """See `CorrectionLog.write`."""
        row = {
            "correction_id": new_correction_id(),
            "profile_id": correction.profile_id,
            "lasts": correction.lasts,
            "request": correction.request,
            "recorded_by": correction.recorded_by,
            "recorded_at": correction.recorded_at or wall_now(),
        }
        with self._writing() as connection:
            # An erasure retires the profile under the same lock, so nothing is written about somebody who is gone.
            self._backend.lock(connection, "publish")
            wanted = sa.select(profiles.c.status).where(profiles.c.profile_id == correction.profile_id)
            require_living(connection.scalar(wanted))
            connection.execute(sa.insert(corrections), row)
            rows = [{**vars(place), "correction_id": row["correction_id"]} for place in sorted_places(correction)]
            connection.execute(sa.insert(correction_places), rows)
        return _known(self.get(str(row["correction_id"])), str(row["correction_id"]))

    def withdraw(self, correction_id: str, recorded_by: str) -> Correction:
        """See `CorrectionLog.withdraw`."""
        _known(self.get(correction_id), correction_id)
        row = {"correction_id": correction_id, "recorded_by": recorded_by, "recorded_at": wall_now()}
        with self._writing(withdrawn_before(correction_id)) as connection:
            connection.execute(sa.insert(correction_withdrawals), row)
        return _known(self.get(correction_id), correction_id)

    def get(self, correction_id: str) -> Correction | None:
        """See `CorrectionLog.get`."""
        return next(iter(self._corrections(_CORRECTIONS.where(corrections.c.correction_id == correction_id))), None)

    def listed(
        self,
        *,
        request: str | None = None,
        records: Collection[str] | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[Correction]:
        """See `CorrectionLog.listed`."""
        statement = _CORRECTIONS.order_by(corrections.c.seq.desc()).limit(limit)
        if request is not None:
            statement = statement.where(corrections.c.request == request)
        if before is not None:
            statement = statement.where(corrections.c.seq < before)
        if records is None:
            return self._corrections(statement)
        found = {
            one.correction_id: one
            for places in _places(records)
            for one in self._corrections(
                statement.where(
                    corrections.c.correction_id.in_(sa.select(correction_places.c.correction_id).where(places))
                )
            )
        }
        return sorted(found.values(), key=lambda one: -one.seq)[:limit]

    def _corrections(self, statement: sa.Select[Any]) -> list[Correction]:
        rows = self._rows(statement)
        places: dict[str, list[Place]] = defaultdict(list)
        for some in _chunks(row[1] for row in rows):
            for row in self._rows(sa.select(*_PLACE).where(correction_places.c.correction_id.in_(some))):
                places[row[0]].append(Place(*row[1:]))
        return sorted((_correction(row, places[row[1]]) for row in rows), key=lambda one: -one.seq)

    def in_force(self, records: Collection[str] | None = None) -> list[InForce]:
        """See `CorrectionLog.in_force`."""
        if records is None:
            return counting(map(_with_place, self._rows(_STANDING)))
        # All corrections of a record are read together, so that the last of them is found.
        return counting(_with_place(row) for places in _places(records) for row in self._rows(_STANDING.where(places)))

    def note_replaced(self, found: Iterable[tuple[str, Place]]) -> None:
        """See `CorrectionLog.note_replaced`."""
        of = correction_places.c
        with self._writing() as connection:
            for correction_id, place in found:
                here = sa.and_(
                    of.correction_id == correction_id, of.source == place.source, of.field == place.field,
                    of.source_record_id == place.source_record_id, of.replaced.is_(None),
                )  # fmt: skip
                connection.execute(sa.update(correction_places).where(here).values(replaced=place.replaced))

    def forget(self, records: Iterable[str]) -> int:
        """See `CorrectionLog.forget`."""
        removed = 0
        with self._writing() as connection:
            for places in _places(records):
                removed += connection.execute(sa.delete(correction_places).where(places)).rowcount
            left = sa.select(correction_places.c.correction_id)
            connection.execute(sa.delete(corrections).where(corrections.c.correction_id.not_in(left)))
        if removed:
            self._settle()
        return removed


def new_correction_id() -> str:
    """A random id, short enough to type."""
    return secrets.token_hex(8)


def require_living(status: str | None) -> None:
    """NotFoundError unless a profile is known and not retired."""
    if status is None or status == "retired":
        raise NotFoundError("There is no profile with this id of which anything could be corrected.")


def unknown(correction_id: str) -> NotFoundError:
    """What to say of a correction that is not there."""
    return NotFoundError(f"There is no correction {correction_id[:40]}; `cdp privacy corrections` lists them.")


def withdrawn_before(correction_id: str) -> ConflictError:
    """What to say of a second withdrawal."""
    return ConflictError(f"Correction {correction_id} was withdrawn before.")


def sorted_places(correction: Correction) -> list[Place]:
    """The places of a correction in order, none twice."""
    by_key = {one.key: one for one in correction.places}
    return [by_key[key] for key in sorted(by_key)]


def counting(standing: Iterable[InForce]) -> list[InForce]:
    """Of corrections that were not withdrawn, given oldest first, the last for each field of a record."""
    last = {one.place.key: one for one in standing}
    return sorted(last.values(), key=lambda one: (one.correction_id, *one.place.key))


def _known(found: Correction | None, correction_id: str) -> Correction:
    if found is None:
        raise unknown(correction_id)
    return found


_PLACE = (
    correction_places.c.correction_id,
    correction_places.c.source,
    correction_places.c.source_record_id,
    correction_places.c.field,
    correction_places.c.value,
    correction_places.c.replaced,
)
_CORRECTIONS = sa.select(
    corrections.c.seq,
    corrections.c.correction_id,
    corrections.c.profile_id,
    corrections.c.lasts,
    corrections.c.request,
    corrections.c.recorded_by,
    corrections.c.recorded_at,
    correction_withdrawals.c.recorded_by,
    correction_withdrawals.c.recorded_at,
).select_from(
    corrections.outerjoin(
        correction_withdrawals, correction_withdrawals.c.correction_id == corrections.c.correction_id
    )
)  # fmt: skip
_STANDING = (
    sa.select(corrections.c.lasts, *_PLACE)
    .select_from(
        corrections.join(correction_places, correction_places.c.correction_id == corrections.c.correction_id)
    )
    .where(corrections.c.correction_id.not_in(sa.select(correction_withdrawals.c.correction_id)))
    .order_by(corrections.c.seq)
)  # fmt: skip


def _with_place(row: Sequence[Any]) -> InForce:
    lasts, correction_id, *place = row
    return InForce(correction_id, lasts, Place(*place))


def _correction(row: Sequence[Any], places: Sequence[Place]) -> Correction:
    seq, correction_id, profile_id, lasts, request, recorded_by, recorded_at, by, at = row
    withdrawn = Withdrawal(by, cast(datetime, moment(at))) if by is not None else None
    ordered = tuple(sorted(places, key=lambda place: place.key))
    return Correction(
        profile_id, ordered, recorded_by, lasts, request, int(seq), correction_id,
        cast(datetime, moment(recorded_at)), withdrawn,
    )  # fmt: skip


def _places(records: Iterable[str]) -> Iterable[sa.ColumnElement[bool]]:
    """Conditions that together hold for the places on records named SOURCE:ID."""
    place = sa.tuple_(correction_places.c.source, correction_places.c.source_record_id)
    named = (some for some in _chunks(record for record in records if ":" in record))
    return (place.in_([tuple(record.split(":", 1)) for record in some]) for some in named)


def _chunks(values: Iterable[str]) -> Iterable[Sequence[str]]:
    found = sorted(set(values))
    return (found[start : start + _LARGEST_IN] for start in range(0, len(found), _LARGEST_IN))
