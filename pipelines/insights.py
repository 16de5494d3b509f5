"""Maps and segments for the command line, read from what is served."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cdp.errors import InputError, NotFoundError
from cdp.settings import Settings

FORMATS = {
    ".svg": "svg",
    ".png": "png",
    ".pdf": "pdf",
    ".html": "html",
    ".json": "json",
    ".xlsx": "xlsx",
    ".mmd": "mermaid",
}


PAGE = 10_000

Language = Literal["en", "zh"]


@dataclass(frozen=True)
class WrittenMap:
    """A map on disk and the finding in its title."""

    title: str
    path: Path


def write_map(
    settings: Settings, out: Path, *, file_format: str | None = None, segment: str | None = None, lang: Language = "en"
) -> WrittenMap:
    """Draw the one-page journey map of everyone, or of one segment, from the served snapshot."""
    from cdp.store import open_store, snapshots
    from journeys.map.export import write
    from journeys.map.model import build_map

    chosen = file_format or FORMATS.get(out.suffix.lower())
    if chosen is None or chosen not in FORMATS.values():
        raise InputError(f"The format of {out.name} is not known: use --format {'|'.join(FORMATS.values())}.")
    with open_store(settings.database_url) as store:
        current = store.current_publication()
        if current is None:
            raise NotFoundError("Nothing is published yet: run `cdp run --from DIR` first.")
        members = _member_ids(store, segment) if segment else None
    with snapshots.open_snapshot(settings.serving / current.snapshot_file) as connection:
        relation = None
        if members is not None:
            import pyarrow as pa

            connection.register("chosen_members", pa.table({"profile_id": pa.array(members, pa.string())}))
            relation = "chosen_members"
        journey_map = build_map(connection, as_of=current.as_of, segment=segment, profile_ids=relation, lang=lang)
        write(journey_map, chosen, out)
    return WrittenMap(journey_map.headline.sentence, out)


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
