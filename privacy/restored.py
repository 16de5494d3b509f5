"""Whether what is served is older than the journal of erasures, as after a backup was restored.

The store says of every erasure that it went through it: by the entry in its audit log. An erasure that is under way is
none that is missing. Nothing is changed here; replaying is done where landing, warehouse and store meet.
"""

from __future__ import annotations

from pathlib import Path

from cdp.errors import ConflictError
from cdp.store.base import Store
from privacy.journal import Entry, Journal
from privacy.work import Work

ERASED = "privacy.erased"
REPLAYED = "privacy.replayed"


def not_in_store(folder: Path, store: Store) -> list[Entry]:
    """Erasures in force that a store has not been through; none before anything was published."""
    held = Journal(folder).in_force()
    if not held or store.current_publication() is None:
        return []
    under_way = set(Work.open_ones(folder))
    return [entry for entry in held if entry.request not in under_way and not _known(store, entry.request)]


def require_replayed(folder: Path, store: Store) -> None:
    """ConflictError while something that was erased may be served."""
    missing = not_in_store(folder, store)
    if missing:
        raise ConflictError(
            f"What would be served is older than {len(missing)} erasure(s), as after a restored backup: run "
            "`cdp privacy replay` first; nothing is served until then."
        )


def _known(store: Store, request: str) -> bool:
    return any(store.audit_rows(object=request, action=action, limit=1) for action in (ERASED, REPLAYED))
