"""Files of a state home in an erasure: landing and inbox rewritten, exports cleaned, caches and logs removed."""

from __future__ import annotations

import shutil
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path

from cdp.settings import Settings
from pipelines.erasing.exports import clean_export, holds, numbers_at
from pipelines.erasing.landed import Landed
from pipelines.ingest.landing_file import LandedFile
from pipelines.ingest.rewriting import rewrite
from pipelines.ingest.screening import Found, Screen
from pipelines.sources.entity import Entity
from pipelines.sources.mapping import EntityMapping, load_mappings
from pipelines.sources.registry import ENTITIES, format_of
from privacy.verify.needles import Needle, patterns, searchable
from privacy.verify.search import Searcher

_SQLITE = b"SQLite format 3\x00"
_ROWS = 5_000
# Made anew whenever they are needed.
_CACHES = ("dbt/logs", "sqlmesh", "gx", "tmp")


def rewrite_landing(settings: Settings, screen: Screen | Landed) -> dict[str, int]:
    """Blank what does not stay in every landed file and in the inbox; returns rows, files and bytes rewritten.

    One file is looked at while others are written, as many at a time as the engine has threads.
    """
    counts = {"rows": 0, "cut": 0, "files": 0, "bytes": 0}
    writing: deque[tuple[Future[Path], Path, Found]] = deque()
    with ThreadPoolExecutor(max_workers=settings.threads) as pool:
        for entity, mapping, path in _landed(settings):
            if not screen.concerns(entity):
                continue
            # A file in the inbox may hold what two entities take: it is looked at again as it is then.
            while any(path == other for _, other, _ in writing):
                _replace(settings, *writing.popleft(), counts)
            found = screen.look(entity, mapping, path, path.name)
            if not found.changes:
                continue
            writing.append((pool.submit(_written, path, found), path, found))
            if len(writing) > settings.threads:
                _replace(settings, *writing.popleft(), counts)
        while writing:
            _replace(settings, *writing.popleft(), counts)
    return counts


def _written(path: Path, found: Found) -> Path:
    """The file without what goes, beside it."""
    partial = path.with_name(f".{path.name}.part")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    rewrite(path, partial, found.layout, found.changes)
    # Who may not read the old file may not read the new one.
    partial.chmod(path.stat().st_mode & 0o777)
    return partial


def _replace(settings: Settings, written: Future[Path], path: Path, found: Found, counts: dict[str, int]) -> None:
    partial = written.result()
    _count_waiting(settings, path, found)
    partial.replace(path)
    counts["rows"] += found.gone
    counts["cut"] += len(found.changes.values)
    counts["files"] += 1
    counts["bytes"] += path.stat().st_size


def count_landing(settings: Settings, screen: Screen) -> int:
    """Records in landed files and in the inbox that do not stay; nothing is changed."""
    return sum(
        screen.look(entity, mapping, path, path.name).gone
        for entity, mapping, path in _landed(settings)
        if screen.concerns(entity)
    )


def _landed(settings: Settings) -> Iterator[tuple[Entity, EntityMapping, Path]]:
    mappings = load_mappings(settings.mapping_dir)
    for entity in ENTITIES:
        folder = settings.landing / entity.source / entity.entity
        for path in sorted(folder.glob("*")) if folder.is_dir() else ():
            if path.is_file() and not path.name.startswith("."):
                yield entity, mappings[entity.name], path
        # Deliveries under the home are copies of ours; those elsewhere are their owner's, and screened on the way in.
        if settings.inbox.is_dir() and settings.inbox.is_relative_to(settings.home):
            for pattern in mappings[entity.name].patterns:
                for path in sorted(settings.inbox.glob(pattern)):
                    if path.is_file() and (mappings[entity.name].format or format_of(path)):
                        yield entity, mappings[entity.name], path


def _count_waiting(settings: Settings, path: Path, found: Found) -> None:
    """A file that waits to be loaded says how many of its records are left out."""
    import json
    from dataclasses import asdict, replace

    from pipelines.ingest import files

    if not path.is_relative_to(settings.landing):
        return
    for marker in sorted((settings.landing / "pending").glob("*.json")):
        landed = LandedFile(**json.loads(marker.read_text(encoding="utf-8")))
        if landed.landed_path == path.relative_to(settings.landing).as_posix():
            suppressed, expired = landed.suppressed + found.gone, landed.expired + found.expired
            counted = replace(landed, suppressed=suppressed, expired=expired)
            files.write_whole(marker, json.dumps(asdict(counted), ensure_ascii=False, indent=1).encode())


def clean(settings: Settings, needles: Iterable[Needle], profile_ids: Iterable[str]) -> dict[str, int]:
    """Exports without the people's rows, Dagster without rows that hold a value, no caches; counts by file class."""
    wanted = searchable([*needles, *(Needle(0, "profile", one) for one in profile_ids)])
    searcher = Searcher(patterns(wanted))
    counts = {"exports": 0, "dagster": 0, "removed": 0}
    for path in sorted(settings.exports.rglob("*")) if settings.exports.is_dir() else ():
        if path.is_file():
            counts["exports"] += clean_export(path, searcher)
    for path in sorted(settings.dagster_home.rglob("*")) if settings.dagster_home.is_dir() else ():
        if path.is_file():
            counts["dagster"] += _scrub(path, searcher)
    for name in _CACHES:
        if (settings.home / name).exists():
            counts["removed"] += 1
            shutil.rmtree(settings.home / name, ignore_errors=True)
    for path in settings.serving.glob("spill-*"):
        shutil.rmtree(path, ignore_errors=True)
    settings.tmp.mkdir(parents=True, exist_ok=True)
    return counts


def _scrub(path: Path, searcher: Searcher) -> int:
    """Delete rows that hold a value from a SQLite file, bytes included; other files with one are removed."""
    with path.open("rb") as handle:
        head = handle.read(16)
    if head != _SQLITE:
        if holds(path, searcher):
            path.unlink()
            return 1
        return 0
    deleted = 0
    connection = sqlite3.connect(path)
    connection.text_factory = bytes
    try:
        connection.execute("pragma secure_delete = on")
        tables = [row[0].decode() for row in connection.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            gone = [(row,) for row in _rows_with_hits(connection.execute(f'select rowid, * from "{table}"'), searcher)]
            connection.executemany(f'delete from "{table}" where rowid = ?', gone)
            deleted += len(gone)
        connection.commit()
        if deleted:
            connection.execute("vacuum")
            connection.execute("pragma wal_checkpoint(truncate)")
    finally:
        connection.close()
    return deleted


def _rows_with_hits(cursor: sqlite3.Cursor, searcher: Searcher) -> Iterator[int]:
    """The ids (first column) of rows in whose text or bytes something is found."""
    while rows := cursor.fetchmany(_ROWS):
        texts = [b"\n".join(value for value in row[1:] if isinstance(value, bytes)) + b"\n" for row in rows]
        starts = [0, *accumulate(len(text) for text in texts)]
        positions = searcher.hits(b"".join(texts))[1].tolist()
        yield from (rows[number][0] for number in numbers_at(starts, positions))
