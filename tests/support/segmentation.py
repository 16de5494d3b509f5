"""Segments over time in a store: saving, and what the change feed tells, by the numbers of people."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any

from cdp.store.base import Redirect, SegmentRow, Store
from cdp.store.segmentation import Basis, DefinitionVersion
from tests.support.publications import NOW, profile_id, segment

HOUR = timedelta(hours=1)


def later(hours: int) -> Any:
    return NOW + hours * HOUR


def merged(*pairs: tuple[int, int]) -> list[Redirect]:
    return [Redirect(profile_id(one), "merged", profile_id(into)) for one, into in pairs]


def told(store: Store, after: int = 0) -> list[tuple[Any, ...]]:
    """The changes: what, who by number, why, and whom it came from."""
    numbers = {profile_id(number): number for number in range(20)}
    return [
        (c.change, c.segment_key, numbers[c.profile_id], c.reason, *([numbers[c.former_id]] if c.former_id else []))
        for c in store.membership_changes(after=after)
    ]


def numbers(found: Iterable[Any]) -> list[int]:
    return [int(one.profile_id[:8], 16) for one in found]


def version(key: str, number: int, **changes: Any) -> DefinitionVersion:
    facts = {"definition": json.dumps({"key": key, "number": number}), "sentence": f"sentence {number}"}
    return DefinitionVersion(key, number, **{**facts, "saved_by": "ann", "saved_at": later(number), **changes})


def basis(store: Store) -> Basis:
    publication = store.current_publication()
    known = {one.key: one.version for one in store.segmentation.definitions()}
    return Basis(publication.seq if publication else 0, known)


def save(
    store: Store,
    key: str,
    people: Collection[int],
    *,
    number: int = 1,
    withheld: Collection[int] = (),
    at: Any = NOW,
    others: Mapping[str, Collection[int]] | None = None,
    **row: Any,
) -> Any:
    given = {key: people, **(others or {})}
    rows: list[SegmentRow] = [segment(one, origin="user", version=number, **row) for one in given]
    return store.segmentation.save(
        version(key, number),
        expected=None if number == 1 else number - 1,
        basis=basis(store),
        segments=rows,
        memberships=[(one, profile_id(n), n not in withheld) for one, chosen in given.items() for n in chosen],
        at=at,
    )
