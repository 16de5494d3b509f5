"""The consent ledger as columns, for the engine: read once, then only what is new.

Entries are only added, so a copy stays whole until somebody is erased: the ledger's mark tells when entries went, and
`whole` when only their records went from the entries of others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from cdp.domain.consent import REFUSALS, Statement
from cdp.store.base import Store

_ENTRIES = pa.schema(
    [
        ("seq", pa.int64()),
        ("profile_id", pa.string()),
        ("purpose", pa.string()),
        ("state", pa.string()),
        ("origin", pa.string()),
        ("at", pa.timestamp("us")),
    ]
)
_PLACES = pa.schema([("seq", pa.int64()), ("source", pa.string()), ("source_record_id", pa.string())])


@dataclass(frozen=True)
class Ledger:
    """All entries up to `last`, and the source records that refusals stay with."""

    entries: pa.Table
    places: pa.Table
    last: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nobody has said anything."""
        return int(self.entries.num_rows) == 0

    def until(self, moment: datetime) -> Ledger:
        """What had been said at a moment."""
        import pyarrow.compute as pc

        early = pc.less_equal(self.entries["at"], pa.scalar(_naive(moment), pa.timestamp("us")))
        kept = self.entries.filter(early)
        return Ledger(kept, self.places.filter(pc.is_in(self.places["seq"], kept["seq"].combine_chunks())), self.last)


def empty() -> Ledger:
    """A ledger of which nothing was read yet."""
    return Ledger(_ENTRIES.empty_table(), _PLACES.empty_table())


def read(store: Store, known: Ledger | None = None) -> Ledger:
    """The ledger as it is now, `known` being what was read before."""
    last, count = store.consents.mark()
    if known is not None and (known.last, known.entries.num_rows) == (last, count):
        return known
    base = known or empty()
    new = store.consents.entries(after=base.last)
    if base.entries.num_rows + len(new) != count and base.entries.num_rows:
        # Somebody was erased, or wrote meanwhile.
        return read(store)
    entries, places = of(new)
    return Ledger(
        pa.concat_tables([base.entries, entries]), pa.concat_tables([base.places, places]),
        new[-1].seq if new else base.last,
    )  # fmt: skip


def whole(store: Store, known: Ledger) -> bool:
    """Whether a copy names no record that an erasure took out of the ledger since; reads more than a mark."""
    return store.consents.places(until=known.last) == int(known.places.num_rows)


def of(statements: Sequence[Statement]) -> tuple[pa.Table, pa.Table]:
    """Entries as columns. Only refusals follow records: a consent is the person's under whose id it was given."""
    rows = [
        {**{name: getattr(one, name) for name in _ENTRIES.names}, "at": _naive(one.at)} for one in statements
    ]  # fmt: skip
    places = [
        {"seq": one.seq, "source": source, "source_record_id": key}
        for one in statements
        if one.state in REFUSALS
        for source, key in one.records
    ]
    return pa.Table.from_pylist(rows, _ENTRIES), pa.Table.from_pylist(places, _PLACES)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
