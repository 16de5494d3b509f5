"""Maps and segments for the command line, read from what is served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdp.errors import InputError, NotFoundError
from cdp.settings import Settings

if TYPE_CHECKING:
    import duckdb

    from journeys.scope import Scope
    from segments.export import Exported
    from segments.preview import Preview

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


def preview_segment(settings: Settings, definition: Path) -> Preview:
    """Counts, reach and rule drop-off of a definition in a YAML or JSON file, without storing it."""
    import yaml

    from segments.document import parse
    from segments.library import load
    from segments.preview import preview

    try:
        content = yaml.safe_load(definition.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{definition} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise InputError(f"{definition} is no readable YAML or JSON.") from None
    library = {one.key: one for one in load()}
    with served(settings) as (connection, scope):
        return preview(connection, parse(content), as_of=scope.until, library=library, overlap=sorted(library))


def export_segment(settings: Settings, key: str, file_format: str, out: Path) -> Exported:
    """Write the exportable members of a segment; people without the needed consent are held back."""
    from segments.export import FORMATS as EXPORT_FORMATS
    from segments.export import export
    from segments.library import load

    library = {one.key: one for one in load()}
    if key not in library:
        raise NotFoundError(f"There is no segment {key!r}; there are: {', '.join(sorted(library))}.")
    chosen = next((one for one in EXPORT_FORMATS if one == file_format), None)
    if chosen is None:
        raise InputError(f"There is no export format {file_format!r}; there are: {', '.join(EXPORT_FORMATS)}.")
    with served(settings) as (connection, scope):
        return export(connection, library[key], format=chosen, out=out, as_of=scope.until, library=library)


def list_segments(settings: Settings) -> list[dict[str, Any]]:
    """Key, title, size and exportable count of every segment."""
    from cdp.store import open_store

    with open_store(settings.database_url) as store:
        return [
            {"key": s.key, "title": s.title, "size": s.size, "exportable": s.exportable} for s in store.list_segments()
        ]


def list_members(settings: Settings, key: str, limit: int) -> list[str]:
    """Profile ids in a segment, at most `limit`, ordered by id."""
    from cdp.store import open_store

    with open_store(settings.database_url) as store:
        return _member_ids(store, key, limit)


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
