"""Maps and findings for the command line, read from what is served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cdp.errors import NotFoundError
from cdp.settings import Settings

if TYPE_CHECKING:
    import duckdb

    from journeys.scope import Scope

PAGE = 10_000


@contextmanager
def served(settings: Settings, segment: str | None = None) -> Iterator[tuple[duckdb.DuckDBPyConnection, Scope]]:
    """The served snapshot and the scope of an analysis: everyone, or the members of one segment, up to its now."""
    from cdp.store import open_store, snapshots
    from journeys.scope import Scope

    with open_store(settings.database_url) as store:
        current = store.current_publication()
        if current is None:
            raise NotFoundError("Nothing is published yet: run `cdp run --from DIR` first.")
        members = _member_ids(store, segment) if segment else None
    with snapshots.open_snapshot(settings.serving / current.snapshot_file) as connection:
        if members is None:
            yield connection, Scope(until=current.as_of)
            return
        import pyarrow as pa

        connection.register("chosen_members", pa.table({"profile_id": pa.array(members, pa.string())}))
        yield connection, Scope(until=current.as_of, relation="chosen_members", segment=segment)


def _member_ids(store: Any, key: str, limit: int | None = None) -> list[str]:
    known = [segment.key for segment in store.list_segments()]
    if key not in known:
        raise NotFoundError(f"There is no segment {key!r}; there are: {', '.join(known) or 'none yet'}.")
    members: list[str] = []
    cursor: str | None = None
    while limit is None or len(members) < limit:
        size = PAGE if limit is None else min(PAGE, limit - len(members))
        page = store.memberships(key, after=cursor, limit=size)
        members.extend(member.profile_id for member in page)
        if len(page) < size:
            break
        cursor = members[-1]
    return members
