"""Segments for the command line: what is served, and segments of users, over the store and the served snapshot.

The same functions of `segments` answer here and in the API. Who works at this machine is trusted: nothing is masked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cdp.domain import audited
from cdp.errors import InputError, NotFoundError
from cdp.settings import Settings
from cdp.store.base import Publication, SegmentRow, Store
from cdp.store.segmentation import OutdatedError
from cdp.wording import nearest
from pipelines.auditing import note_down
from pipelines.consents import gate

if TYPE_CHECKING:
    import duckdb

    from cdp.store.segmentation import Moved
    from segments.authoring import Place, Saved
    from segments.export import Exported
    from segments.preview import Preview

ACTOR = "command line"
ATTEMPTS = 5
PAGE = 10_000

T = TypeVar("T")


@dataclass(frozen=True)
class Shown:
    """A served segment, its text form, and its versions, newest first (none of a shipped one)."""

    row: SegmentRow
    text: str
    versions: list[dict[str, Any]]


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Store, Publication, duckdb.DuckDBPyConnection]]:
    """The store, the current publication and its snapshot. NotFoundError before the first publication."""
    from cdp.store import open_store, snapshots

    with open_store(settings.database_url) as store:
        current = store.current_publication()
        if current is None:
            raise NotFoundError("Nothing is published yet: run `cdp run --from DIR` first.")
        with snapshots.open_snapshot(settings.serving / current.snapshot_file) as connection:
            yield store, current, connection


def list_segments(settings: Settings) -> list[SegmentRow]:
    """All segments, by key."""
    from cdp.store import open_store

    with open_store(settings.database_url) as store:
        return store.list_segments()


def segments_drawing(settings: Settings, salt: str) -> list[str]:
    """Keys of the segments that draw a sample with this salt, also within other conditions."""
    from segments import served

    return [row.key for row in list_segments(settings) if salt in served.salts(row)]


def show_segment(settings: Settings, key: str) -> Shown:
    """A segment with its versions. NotFoundError with the nearest key."""
    import json

    from cdp.store import open_store
    from segments.document import parse
    from segments.errors import DefinitionError
    from segments.text_printer import print_text

    with open_store(settings.database_url) as store:
        row = require_segment(store, key)
        versions = [
            {"version": one.version, "sentence": one.sentence, "saved_by": one.saved_by, "saved_at": one.saved_at}
            for one in store.segmentation.versions(key)
        ]
    try:
        text = print_text(parse(json.loads(row.definition)).where)
    except DefinitionError:
        text = ""
    return Shown(row, text, versions)


def create_segment(settings: Settings, content: Mapping[str, Any]) -> Saved:
    """Add a segment of one's own; its members are there at once."""
    from segments import authoring

    saved = _saving(settings, lambda place: authoring.create(place, content))
    _audit(settings, "segment.create", saved.row.key, version=saved.row.version)
    return saved


def change_segment(settings: Settings, key: str, changes: Mapping[str, Any], *, expected: int | None) -> Saved:
    """Change parts of a segment of one's own; `expected` is the version that is meant, else the current one."""
    import json

    from segments import authoring

    def attempt(place: Place) -> Saved:
        current = place.store.segmentation.definition(key)
        former = json.loads(current.definition) if current else {}
        former.pop("version", None)
        version = expected if expected is not None else current.version if current else 0
        return authoring.change(place, key, {**former, **changes}, expected=version)

    saved = _saving(settings, attempt)
    _audit(settings, "segment.change", key, version=saved.row.version)
    return saved


def delete_segment(settings: Settings, key: str, *, expected: int | None) -> Moved:
    """Delete a segment of one's own; everybody leaves it, its versions and history stay."""
    from cdp.store import open_store
    from segments import authoring

    with open_store(settings.database_url) as store:
        current = store.segmentation.definition(key)
        version = expected if expected is not None else current.version if current else 0
        moved = authoring.delete(store, key, expected=version, actor=ACTOR, now=settings.clock.now())
    _audit(settings, "segment.delete", key, version=version + 1)
    return moved


def preview_segment(settings: Settings, content: Mapping[str, Any]) -> Preview:
    """Counts, reach, overlap and rule drop-off of a definition, without storing it."""
    from segments import served
    from segments.document import parse
    from segments.preview import preview

    definition = parse({"key": "preview", "title": "Preview", **content})
    with opened(settings) as (store, publication, connection):
        known = served.collect(store.segmentation.definitions()).definitions
        sound = [row.key for row in store.list_segments() if row.problem is None and row.key in known]
        others = [key for key in sound if key != definition.key]
        return preview(
            connection, definition, as_of=publication.as_of, library=known, overlap=others,
            gate=gate(store, connection)[0],
        )  # fmt: skip


def list_members(
    settings: Settings, key: str, limit: int, *, as_of: datetime | None = None, exportable: bool | None = None
) -> list[dict[str, Any]]:
    """Who is in a segment, or was at a moment: profile id, since, exportable, and of the past where they live on."""
    from cdp.store import open_store

    with open_store(settings.database_url) as store:
        require_segment(store, key, deleted=as_of is not None)
        members: list[dict[str, Any]] = []
        while len(members) < limit:
            after = members[-1]["profile_id"] if members else None
            size = min(PAGE, limit - len(members))
            page: list[Any] = (
                list(store.memberships(key, after=after, limit=size, exportable=exportable))
                if as_of is None
                else list(store.segmentation.members_at(key, as_of, after=after, limit=size, exportable=exportable))
            )
            members.extend(vars(member) for member in page)
            if len(page) < size:
                break
        ids = [member["profile_id"] for member in members]
        past = as_of.isoformat() if as_of else None
        note_down(
            store, "segment.members", key, rows=len(ids), past=past, exportable=exportable, **audited.stretch(None, ids)
        )
        return members


def list_changes(settings: Settings, key: str, after: int, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Entries and exits above a place in the feed, and the place to go on from."""
    from cdp.store import open_store

    with open_store(settings.database_url) as store:
        require_segment(store, key, deleted=True)
        found = store.membership_changes(after=after, limit=limit, segment_key=key)
        named = audited.named(one for row in found for one in (row.profile_id, row.former_id))
        note_down(store, "segment.changes", key, rows=len(found), **named)
    return [vars(change) for change in found], found[-1].seq if found else after


def export_segment(
    settings: Settings,
    key: str,
    file_format: str,
    out: Path,
    *,
    fields: tuple[str, ...] | None = None,
    purpose: str | None = None,
    everybody: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write the exportable members of a segment as it is served now; the others are held back."""
    from segments.export import DEFAULT_FIELDS, FORMATS, export
    from segments.members import served_members
    from segments.served import definition_of

    chosen = next((one for one in FORMATS if one == file_format), None)
    if chosen is None:
        raise InputError(f"There is no export format {file_format!r}; there are: {', '.join(FORMATS)}.")
    with opened(settings) as (store, publication, connection):
        row = require_segment(store, key)
        members = served_members(store, key, purposes=[purpose] if purpose else [])
        connection.register("served_members", members)
        done = export(
            connection, definition_of(row), format=chosen, out=out, as_of=publication.as_of,
            fields=fields or DEFAULT_FIELDS, purpose=purpose, members="served_members", allow_everybody=everybody,
            gate=gate(store, connection)[0], progress=progress,
        )  # fmt: skip
    _audit(
        settings, "segment.export", key, rows=done.rows, format=chosen, personal=True, purpose=purpose,
        exportable=not purpose, **audited.everybody(),
    )  # fmt: skip
    return done


def require_segment(store: Store, key: str, *, deleted: bool = False) -> SegmentRow:
    """The served row of a segment; NotFoundError with the nearest key. With `deleted`, one that once was is enough."""
    from segments.served import deleted_row

    rows = {row.key: row for row in store.list_segments()}
    if key in rows:
        return rows[key]
    former = store.segmentation.definition(key) if deleted else None
    if former is not None:
        return deleted_row(former)
    raise NotFoundError(f"There is no segment {key!r}.{nearest(key, rows)} `cdp segment list` shows all.")


def _saving(settings: Settings, attempt: Callable[[Place], Saved]) -> Saved:
    """Try on what is served, and again when it changed meanwhile."""
    from segments.authoring import Place

    for number in range(ATTEMPTS):
        with opened(settings) as (store, publication, connection):
            try:
                allows, consents = gate(store, connection)
                now = settings.clock.now()
                return attempt(Place(store, connection, publication, ACTOR, now, gate=allows, consents=consents))
            except OutdatedError:
                if number == ATTEMPTS - 1:
                    raise
    raise AssertionError("unreachable")


def _audit(settings: Settings, action: str, key: str, **detail: Any) -> None:
    from cdp.store import open_store

    with open_store(settings.database_url) as store:
        note_down(store, action, key, **detail)
