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
        self._states: _States | None = None

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
        known, kept = self._kept(snapshot)
        if known.is_empty:
            return None, known.last
        if kept is None:
            kept = self._keep(connection, snapshot, known)
        connection.register(RELATION, kept.table)
        return RELATION, known.last

    def restricted(self, snapshot: str, connection: duckdb.DuckDBPyConnection | None = None) -> frozenset[str] | None:
        """Ids of the living profiles whose data may be stored and nothing else.

        None when that is not known by heart: then it is asked on a connection to the snapshot.
        """
        known, kept = self._kept(snapshot)
        if known.is_empty:
            return frozenset()
        if kept is None:
            kept = None if connection is None else self._keep(connection, snapshot, known)
        return None if kept is None else kept.restricted

    def _kept(self, snapshot: str) -> tuple[Ledger, _States | None]:
        """The ledger as it is now, and the states that are kept of it and this snapshot."""
        known = self.ledger()
        if known.is_empty:
            return known, None
        with self._lock:
            kept = self._states
        if (kept is None or kept.snapshot != snapshot) and not whole(self._store, known):
            known = self._read_anew()
        fits = kept is not None and kept.snapshot == snapshot and kept.ledger is known
        return known, kept if fits else None

    def _keep(self, connection: duckdb.DuckDBPyConnection, snapshot: str, known: Ledger) -> _States:
        kept = _States(snapshot, known, effective.states(connection, known))
        with self._lock:
            self._states = kept
        return kept


class _States:
    """What a ledger decides about the profiles of a snapshot."""

    def __init__(self, snapshot: str, ledger: Ledger, table: pa.Table) -> None:
        import pyarrow.compute as pc

        self.snapshot = snapshot
        self.ledger = ledger
        self.table = table
        chosen = table.filter(pc.equal(table["decided_by"], "restriction"))
        self.restricted: frozenset[str] = frozenset(chosen["profile_id"].to_pylist())
