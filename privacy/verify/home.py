"""A whole state home searched: every file as bytes, in all encodings and unpacked, and every database typed.

What is counted are hits by place: a file class of the inventory, or a table. A place that could not be read is told,
never passed over.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from privacy.inventory.gaps import find_file
from privacy.inventory.model import Inventory
from privacy.verify import databases
from privacy.verify.decode import DamagedError, views
from privacy.verify.needles import Needle, patterns, searchable, short
from privacy.verify.search import Searcher

# Kinds whose short values name one person wherever they are the whole of a value.
WHOLE = frozenset({"email", "phone", "mailbox"})
_SQLITE = b"SQLite format 3\x00"

# A DuckDB file and what to search for → hits by table and needle.
Tables = Callable[[Path, Searcher], dict[str, Counter[int]]]


@dataclass
class Scan:
    """Hits by place, places that could not be read with the reason, files and bytes looked at."""

    hits: dict[str, Counter[int]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    files: int = 0
    bytes: int = 0
    needles: int = 0

    def total(self, place: str | None = None) -> int:
        """Hits in a place, or in all."""
        wanted = self.hits.values() if place is None else [self.hits.get(place, Counter())]
        return sum(sum(one.values()) for one in wanted)

    def add(self, place: str, hits: Mapping[int, int]) -> None:
        """Count hits of a place."""
        self.hits.setdefault(place, Counter()).update(hits)

    def join(self, other: Scan) -> None:
        """Add what was found elsewhere."""
        for place, hits in other.hits.items():
            self.add(place, hits)
        self.unreadable |= other.unreadable
        self.files += other.files
        self.bytes += other.bytes


def can_be_found(needle: Needle) -> bool:
    """Whether a search for the needle says anything: it is long enough, or of a kind that names one person anywhere."""
    return needle.kind in WHOLE or bool(searchable([needle]))


def searcher_of(needles: Iterable[Needle]) -> Searcher:
    """What searches for the needles; with thousands of them it takes seconds to build."""
    return _searcher(*_parted(needles))


def _parted(needles: Iterable[Needle]) -> tuple[list[Needle], list[Needle]]:
    """Those to look for in bytes, and those to look for as whole values."""
    asked = list(needles)
    # Short record ids mean different people in different tables; tokens compare them, here they would prove nothing.
    return searchable(asked), [needle for needle in short(asked) if can_be_found(needle)]


def _searcher(wanted: list[Needle], whole: list[Needle]) -> Searcher:
    return Searcher(patterns(wanted), {needle.value: len(wanted) + n for n, needle in enumerate(whole)})


def scan(
    home: Path,
    needles: Iterable[Needle],
    inventory: Inventory,
    *,
    config: dict[str, Any],
    store_url: str | None = None,
    leave_out: Callable[[Path], bool] = lambda _: False,
    tables: Tables | None = None,
    searcher: Searcher | None = None,
) -> Scan:
    """Search `home` (and a PostgreSQL store) for the needles; `leave_out` names files that hold them on purpose.

    `tables` searches the tables of a DuckDB file in place of all rows of all of them; it is then the tables of all
    databases that are asked, and not the bytes they are packed in. `searcher` is that of the same needles, where it is
    there already. Files are searched in as many threads as `config` names.
    """
    wanted, whole = _parted(needles)
    found = Scan(needles=len(wanted) + len(whole))
    if not wanted and not whole:
        return found
    searcher = searcher or _searcher(wanted, whole)
    paths = sorted(path for path in home.rglob("*") if path.is_file() and not leave_out(path))
    typed = tables or partial(databases.scan_duckdb, config=config)
    look = partial(_scan_file, home=home, searcher=searcher, inventory=inventory, tables=typed, packed=tables is None)
    with ThreadPoolExecutor(max_workers=int(config.get("threads", 1))) as pool:
        for one in pool.map(look, sorted(paths, key=_size, reverse=True)):
            found.join(one)
    if store_url is not None and not store_url.startswith("sqlite"):
        try:
            for table, hits in databases.scan_postgres(store_url, searcher).items():
                found.add(f"store:{table}", hits)
        except Exception as error:  # whatever keeps a place from being read makes the proof partial
            found.unreadable["store"] = type(error).__name__
    return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _scan_file(
    path: Path, *, home: Path, searcher: Searcher, inventory: Inventory, tables: Tables, packed: bool
) -> Scan:
    import duckdb

    relative = path.relative_to(home).as_posix()
    known = find_file(inventory, relative)
    place = known.key if known is not None else f"undeclared:{relative.rpartition('/')[0] or relative}"
    found = Scan(files=1)
    try:
        found.bytes = path.stat().st_size
        with path.open("rb") as handle:
            head = handle.read(16)
        if packed or not (path.suffix == ".duckdb" or head == _SQLITE):
            for view in views(path):
                found.add(place, searcher.count(view))
        if path.suffix == ".duckdb":
            for table, hits in tables(path, searcher).items():
                found.add(f"{place}:{table}", hits)
        elif head == _SQLITE:
            for table, hits in databases.scan_sqlite(path, searcher).items():
                found.add(f"{place}:{table}", hits)
    except FileNotFoundError:
        pass
    except (OSError, DamagedError, duckdb.Error, sqlite3.Error) as error:
        found.unreadable[place] = type(error).__name__
    return found
