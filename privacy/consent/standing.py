"""The ledger as it stands, for those who ask a snapshot: the relation that the consent gate reads.

Every question reads the ledger's mark, so what was said a moment ago counts; the ledger itself and its states are kept
between questions as long as neither it nor the snapshot changes. An erasure publishes another snapshot: with it records
of the erased leave what is kept.
"""

from __future__ import annotations

import threading

import duckdb
import pyarrow as pa

from cdp.store.base import Store
from privacy.consent import effective
from privacy.consent.ledger import Ledger, empty, read, whole

RELATION = "consent_states"


class Standing:
    """The consent ledger of one store; thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._ledger = empty()
        self._states: tuple[str, Ledger, pa.Table] | None = None

    def ledger(self) -> Ledger:
        """All that has been said up to now."""
        with self._lock:
            self._ledger = read(self._store, self._ledger)
            return self._ledger

    def _read_anew(self) -> Ledger:
        with self._lock:
            self._ledger = read(self._store)
            return self._ledger

    def install(self, connection: duckdb.DuckDBPyConnection, snapshot: str) -> tuple[str | None, int]:
        """Register what the ledger decides, on a connection to the snapshot of this name.

        Returns the relation, None while nobody has said anything, and the last entry that it knows.
        """
        known = self.ledger()
        with self._lock:
            kept = self._states
        if (kept is None or kept[0] != snapshot) and not whole(self._store, known):
            known = self._read_anew()
        if known.is_empty:
            return None, known.last
        if kept is None or kept[0] != snapshot or kept[1] is not known:
            kept = (snapshot, known, effective.states(connection, known))
            with self._lock:
                self._states = kept
        connection.register(RELATION, kept[2])
        return RELATION, known.last
