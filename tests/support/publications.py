"""Small publications for tests: everything has a default, so that a test names only what it is about."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cdp.store.base import (
    IdentifierRow,
    ProfileDocument,
    Publication,
    PublishReport,
    Redirect,
    Rights,
    SegmentRow,
    Store,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def profile_id(number: int) -> str:
    """A UUID 4 that sorts by number."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def segment(key: str, **changes: Any) -> SegmentRow:
    """A segment with plausible facts."""
    facts: dict[str, Any] = {
        "key": key,
        "title": key.title(),
        "description": f"People who are {key}.",
        "definition": json.dumps({"trait": key}),
        "sentence": f"whoever is {key}",
        "version": 1,
        "purpose": "marketing",
        "size": 0,
        "exportable": 0,
        "evaluated_at": NOW,
    }
    return SegmentRow(**{**facts, **changes})


def publish(
    store: Store,
    people: Sequence[int] | dict[int, Any] = (),
    *,
    run: str = "run-1",
    as_of: datetime = NOW,
    identifiers: Iterable[tuple[str, str, int]] = (),
    redirects: Iterable[Redirect] = (),
    members: dict[str, Sequence[int]] | None = None,
    withheld: Collection[int] = (),
    purpose: str = "marketing",
    definitions: Mapping[str, int] | None = None,
    consents: int = 0,
    rights: Rights | None = None,
) -> PublishReport:
    """Publish people by number; `members` maps segment keys to numbers, no purpose reaches those `withheld`."""
    documents = people if isinstance(people, dict) else {number: {"number": number} for number in people}
    chosen = members or {}
    return store.publish(
        Publication(run, f"snapshot-{run}.duckdb", as_of, {"profiles": len(documents)}, f"fingerprint of {run}"),
        profiles=(ProfileDocument(profile_id(number), document) for number, document in documents.items()),
        identifiers=(IdentifierRow(kind, value, profile_id(owner)) for kind, value, owner in identifiers),
        redirects=redirects,
        segments=[
            segment(key, size=len(numbers), exportable=len(set(numbers) - set(withheld)), purpose=purpose)
            for key, numbers in chosen.items()
        ],
        memberships=(
            (key, profile_id(number), number not in withheld) for key, numbers in chosen.items() for number in numbers
        ),
        definitions=definitions,
        consents=consents,
        rights=rights,
    )
