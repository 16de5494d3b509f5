"""Corrections in memory: the promises of `cdp.store.corrections.SqlCorrections`, for tests and trials."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from cdp.clock import wall_now
from cdp.domain.corrections import Correction, InForce, Place, Withdrawal
from cdp.store.corrections import (
    counting,
    new_correction_id,
    require_living,
    sorted_places,
    unknown,
    withdrawn_before,
)
from cdp.store.memory_state import State


class InMemoryCorrections:
    """Implements `cdp.store.corrections.CorrectionLog` in this process."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._kept: dict[str, Correction] = {}
        self._last = 0

    def write(self, correction: Correction) -> Correction:
        """See `CorrectionLog.write`."""
        known = self._state.now.profiles.get(correction.profile_id)
        require_living(known.status if known else None)
        self._last += 1
        kept = replace(
            correction, places=tuple(sorted_places(correction)), seq=self._last, correction_id=new_correction_id(),
            recorded_at=correction.recorded_at or wall_now(),
        )  # fmt: skip
        self._kept[kept.correction_id] = kept
        return kept

    def withdraw(self, correction_id: str, recorded_by: str) -> Correction:
        """See `CorrectionLog.withdraw`."""
        known = self._kept.get(correction_id)
        if known is None:
            raise unknown(correction_id)
        if not known.active:
            raise withdrawn_before(correction_id)
        self._kept[correction_id] = replace(known, withdrawn=Withdrawal(recorded_by, wall_now()))
        return self._kept[correction_id]

    def get(self, correction_id: str) -> Correction | None:
        """See `CorrectionLog.get`."""
        return self._kept.get(correction_id)

    def listed(
        self,
        *,
        request: str | None = None,
        records: Collection[str] | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[Correction]:
        """See `CorrectionLog.listed`."""
        found = [
            one
            for one in self._kept.values()
            if (request is None or one.request == request)
            and (records is None or not {place.record for place in one.places}.isdisjoint(records))
            and (before is None or one.seq < before)
        ]
        return sorted(found, key=lambda one: -one.seq)[:limit]

    def in_force(self, records: Collection[str] | None = None) -> list[InForce]:
        """See `CorrectionLog.in_force`."""
        standing = sorted((one for one in self._kept.values() if one.active), key=lambda one: one.seq)
        places = ((one, place) for one in standing for place in one.places)
        return counting(
            InForce(one.correction_id, one.lasts, place)
            for one, place in places
            if records is None or place.record in records
        )

    def note_replaced(self, found: Iterable[tuple[str, Place]]) -> None:
        """See `CorrectionLog.note_replaced`."""
        for correction_id, noted in found:
            if (known := self._kept.get(correction_id)) is not None:
                places = tuple(_noted(place, noted) for place in known.places)
                self._kept[correction_id] = replace(known, places=places)

    def forget(self, records: Iterable[str]) -> int:
        """See `CorrectionLog.forget`."""
        gone, removed = set(records), 0
        for correction_id, known in list(self._kept.items()):
            kept = tuple(one for one in known.places if one.record not in gone)
            removed += len(known.places) - len(kept)
            if kept:
                self._kept[correction_id] = replace(known, places=kept)
            else:
                del self._kept[correction_id]
        return removed

    def erase(self, profile_ids: Iterable[str]) -> None:
        """Remove the corrections of erased people."""
        gone = set(profile_ids)
        self._kept = {name: one for name, one in self._kept.items() if one.profile_id not in gone}


def _noted(place: Place, noted: Place) -> Place:
    if place.replaced is None and place.key == noted.key:
        return replace(place, replaced=noted.replaced)
    return place
