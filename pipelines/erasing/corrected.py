"""Values that were put right count as the person's from the moment they are written, before a run carries them out.

A request that names such a value means whoever holds the corrected record, and such values are suppressed and searched
for like those that records state, unless somebody else's record states them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cdp.domain.corrections import InForce, Place
from cdp.domain.words import IDENTIFIER_OF_SOURCE, Source
from identity.normalise.email import normalise_email
from privacy.closure import Closure, Named

if TYPE_CHECKING:
    import duckdb


def with_records(named: Sequence[Sequence[Named]], in_force: Sequence[InForce]) -> list[list[Named]]:
    """The identifiers of each person, with the records on which one of them is the right value."""
    by_value: dict[tuple[str, str], list[Named]] = {}
    for one in in_force:
        if one.place.field in ("email", "phone") and one.place.value is not None:
            kind = str(IDENTIFIER_OF_SOURCE[Source(one.place.source)])
            by_value.setdefault((one.place.field, one.place.value), []).append(Named(kind, one.place.source_record_id))
    return [
        list(dict.fromkeys([*person, *(more for name in person for more in by_value.get((name.kind, name.value), ()))]))
        for person in named
    ]


def add_values(connection: duckdb.DuckDBPyConnection, closures: Sequence[Closure], in_force: Sequence[InForce]) -> None:
    """Add to each closure the right mails and phones of its records that nobody else's record states."""
    for closure in closures:
        records = set(closure.records)
        for place in (one.place for one in in_force):
            if place.record not in records or place.value is None:
                continue
            for kept, column, value in _identifying(closure, place):
                if value not in kept and not _is_shared(connection, column, value, records):
                    kept.append(value)


def _identifying(closure: Closure, place: Place) -> list[tuple[list[str], str, str]]:
    """Where a value is kept, the column of the features that holds it, and the value as it is there."""
    if place.field == "phone":
        return [(closure.phones, "telephone", str(place.value))]
    if place.field == "email":
        found = normalise_email(str(place.value))
        if found.base is not None and found.kind in ("personal", "disposable"):
            return [(closure.mailboxes, "mailbox", found.base)]
    return []


def _is_shared(connection: duckdb.DuckDBPyConnection, column: str, value: str, records: set[str]) -> bool:
    rows = connection.execute(f"select record_key from identity.state_features where {column} = ?", [value]).fetchall()
    return any(key not in records for (key,) in rows)
