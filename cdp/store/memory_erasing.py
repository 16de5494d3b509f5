"""Erasing profiles from the store in memory, for tests and trials: the promises of `cdp.store.erasing.SqlEraser`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cdp.clock import wall_now
from cdp.store.base import Publication
from cdp.store.erasing import StoreErased
from cdp.store.memory import InMemoryStore


class InMemoryEraser:
    """Implements `cdp.store.erasing.Eraser` on a store of this process."""

    def __init__(self, store: InMemoryStore) -> None:
        self._store = store

    def count(self, profile_ids: Iterable[str]) -> dict[str, int]:
        """See `Eraser.count`."""
        ids, now = frozenset(profile_ids), self._store.published
        return {
            "identifiers": sum(owner in ids for _, _, owner in now.identifiers),
            "memberships": sum(len(ids & stays.keys()) for stays in now.book.stays.values()),
            "membership_history": sum(past.profile_id in ids for past in now.book.history),
            "membership_holds": sum(held in ids for held, _ in now.book.holds),
            "membership_changes": sum(c.profile_id in ids and c.reason != "erased" for c in now.book.changes),
            "consent_statements": sum(one.profile_id in ids for one in self._store.consents.entries()),
            "corrections": sum(one.profile_id in ids for one in self._store.corrections.listed()),
            "deliveries": 0,  # this store has no destinations
            "profiles": sum(
                row.profile_id in ids and (row.status != "retired" or row.content_hash != "")
                for row in now.profiles.values()
            ),
        }

    def erase(
        self, profile_ids: Iterable[str], publication: Publication | None, *, request: str | None = None
    ) -> StoreErased:
        """See `Eraser.erase`; this store has no destinations, so nobody is told."""
        ids, now = frozenset(profile_ids), self._store.published
        rows = self.count(ids)
        now.identifiers = {key: number for key, number in now.identifiers.items() if key[2] not in ids}
        last = publication or self._store.current_publication()
        self._store.consents.erase(ids)
        self._store.corrections.erase(ids)
        self._store.segmentation.forget(ids, at=last.as_of if last else wall_now())
        for one in ids & now.profiles.keys():
            row = now.profiles[one]
            if row.status != "retired" or row.content_hash:
                now.profiles[one] = replace(
                    row, status="retired", merged_into=None, document=None, content_hash="", version=row.version + 1
                )
        if publication is not None:
            number = len(now.publications) + 1
            now.publications.append(replace(publication, seq=number, published_at=wall_now()))
        return StoreErased(rows, rows["profiles"])

    def settle(self) -> str | None:
        """See `Eraser.settle`."""
        return None
