"""The consent ledger in memory: the promises of `cdp.store.consents.SqlConsents`, for tests and trials."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from cdp.clock import wall_now
from cdp.domain.consent import REFUSALS, Statement
from cdp.store.consents import require_known
from cdp.store.memory_state import State
from cdp.store.segmentation_memory import InMemorySegmentation


class InMemoryConsents:
    """Implements `cdp.store.consents.ConsentLedger` in this process."""

    def __init__(self, state: State, segmentation: InMemorySegmentation) -> None:
        self._state = state
        self._segmentation = segmentation
        self._entries: list[Statement] = []
        self._last = 0

    def write(self, statements: Sequence[Statement], *, at: datetime) -> list[Statement]:
        """See `ConsentLedger.write`."""
        require_known({one: row.status for one, row in self._state.now.profiles.items()}, statements)
        written = []
        for one in statements:
            self._last += 1
            records = tuple(sorted(set(one.records)))
            kept = replace(one, seq=self._last, recorded_at=one.recorded_at or wall_now(), records=records)
            self._entries.append(kept)
            written.append(kept)
            self._take_effect(kept, at)
        return written

    def entries(self, *, after: int = 0, limit: int | None = None) -> list[Statement]:
        """See `ConsentLedger.entries`."""
        return [one for one in self._entries if one.seq > after][:limit]

    def get(self, seqs: Collection[int]) -> list[Statement]:
        """See `ConsentLedger.get`."""
        return [one for one in self._entries if one.seq in set(seqs)]

    def mark(self) -> tuple[int, int]:
        """See `ConsentLedger.mark`."""
        return max((one.seq for one in self._entries), default=0), len(self._entries)

    def places(self, *, until: int) -> int:
        """See `ConsentLedger.places`."""
        return sum(len(one.records) for one in self._entries if one.state in REFUSALS and one.seq <= until)

    def forget(self, records: Iterable[str]) -> int:
        """See `ConsentLedger.forget`."""
        gone = set(records)
        before = sum(len(one.records) for one in self._entries)
        self._entries = [
            replace(one, records=tuple(pair for pair in one.records if ":".join(pair) not in gone))
            for one in self._entries
        ]
        return before - sum(len(one.records) for one in self._entries)

    def erase(self, profile_ids: Iterable[str]) -> None:
        """Remove the entries of erased people."""
        gone = set(profile_ids)
        self._entries = [one for one in self._entries if one.profile_id not in gone]

    def _take_effect(self, one: Statement, at: datetime) -> None:
        holds = self._state.now.book.holds
        if one.state not in REFUSALS:
            for place in [(former, one.purpose) for former in self._segmentation.with_merged([one.profile_id])]:
                if holds.get(place) is not None:
                    del holds[place]
            return
        place = (one.profile_id, one.purpose)
        if place not in holds or holds[place] is not None:
            holds[place] = one.seq
        self._segmentation.hold_back({one.purpose}, at=at)
