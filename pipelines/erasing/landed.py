"""What of a landed file is about erased people, told by what is known of its lines instead of reading them all again.

Each line of a loaded file of JSON lines is in raw or in quarantine under its number, unless it said the same as an
earlier one. What the key tables say of those rows holds for their lines, so only the others are looked at as records.
Lines keep their numbers for good: what went before has left them blank. Files of other forms, those that wait to be
loaded and deliveries in the inbox are read as records throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdp.errors import InputError
from pipelines.ingest.encoding import open_text
from pipelines.ingest.lines import blocks, spans
from pipelines.ingest.reading import opened
from pipelines.ingest.rewriting import Layout
from pipelines.ingest.screening import Found, Screen
from pipelines.sources.entity import Entity
from pipelines.sources.mapping import EntityMapping
from pipelines.sources.registry import format_of

if TYPE_CHECKING:
    import duckdb
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

# Where more of the lines than this are repeated ones, the whole file is read instead.
MOST_UNKNOWN = 0.5


class Landed:
    """Looks at files through a warehouse attached as `old`, whose key tables are filled; `scratch` is a folder."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, screen: Screen, landing: Path, scratch: Path) -> None:
        self._connection = connection
        self._screen = screen
        self._landing = landing
        self._scratch = scratch

    def concerns(self, entity: Entity) -> bool:
        """As `Screen.concerns`."""
        return self._screen.concerns(entity)

    def look(self, entity: Entity, mapping: EntityMapping, path: Path, file: str) -> Found:
        """As `Screen.look`."""
        plain = (mapping.format or format_of(file)) == "jsonl" and entity.person.separator is None
        lines = self._lines(entity, path) if plain and path.is_relative_to(self._landing) else None
        if lines is None:
            return self._screen.look(entity, mapping, path, file)
        unknown = _unknown(path, file, mapping.encoding, lines)
        among = self._among(entity, mapping, unknown) if unknown is not None else None
        if among is None:
            return self._screen.look(entity, mapping, path, file)
        found = Found(Layout("jsonl", mapping.encoding))
        found.changes.gone = dict.fromkeys([*lines.that_go, *among], 1)
        found.rows[0] = found.gone
        return found

    def _lines(self, entity: Entity, path: Path) -> _Lines | None:
        """The lines of a loaded file that are in raw or quarantine; None when there are none."""
        landed = path.relative_to(self._landing).as_posix()
        batches = self._connection.execute(
            "select batch_seq from old.ops.batches where landed_path = ? and kind = 'file'", [landed]
        ).fetchall()
        if not batches:
            return None
        # As numbers in the text, so that blocks of other batches are not read.
        within = f"batch_seq in ({', '.join(str(batch) for (batch,) in batches)})"
        rows = self._connection.execute(
            f"""
            select line, rowid in (select row_no from erase_rows where name = '{entity.table}') as goes
            from old.{entity.table} where {within}
            union all
            select line, rowid in (select row_no from erase_rows where name = 'quarantine.rows')
            from old.quarantine.rows
            where source = '{entity.source}' and entity = '{entity.entity}' and {within}
            """
        ).to_arrow_table()
        return _Lines.of(rows.column("line").to_numpy(), rows.column("goes").to_numpy()) if len(rows) else None

    def _among(self, entity: Entity, mapping: EntityMapping, unknown: dict[int, str]) -> list[int] | None:
        """Which of these lines are about the erased, looked at as a file of their own; None when they cannot be one."""
        if not unknown:
            return []
        numbers = list(unknown)
        part = self._scratch / "unknown-lines.jsonl"
        try:
            part.write_text("".join(unknown.values()), encoding="utf-8", newline="")
            found = self._screen.look(entity, mapping, part, part.name)
        except InputError:
            return None
        finally:
            part.unlink(missing_ok=True)
        return [numbers[line - 1] for line in found.changes.gone]


@dataclass(frozen=True)
class _Lines:
    """Which lines of a file are known, by their number from 1, and the numbers of those that go."""

    known: Array
    that_go: list[int]

    @classmethod
    def of(cls, numbers: Array, goes: Array) -> _Lines:
        """A line may be given several times; it goes when one of its rows does."""
        import numpy as np

        known = np.zeros(int(numbers.max()) + 1, dtype=bool)
        known[numbers] = True
        return cls(known, np.unique(numbers[goes]).tolist())

    def unknown(self, first: int, count: int) -> Array:
        """Of so many lines from `first`, those that are not known, from 0."""
        import numpy as np

        known = self.known[first : first + count]
        return np.concatenate([np.flatnonzero(~known), np.arange(len(known), count)])


def _unknown(path: Path, file: str, encoding: str | None, lines: _Lines) -> dict[int, str] | None:
    """The other lines with their text; None when they are many, or not to be taken out of the file they are in."""
    with open_text(path, file, encoding=encoding, newline="\n", may_be_blank=True) as text:
        if not text.is_utf8:
            return None
    unknown: dict[int, str] = {}
    count = 0
    with opened(path, file) as handle:
        for first, block, ends in blocks(handle):
            others = lines.unknown(first, len(ends))
            for at, (start, end) in zip(others.tolist(), spans(ends, others), strict=True):
                try:
                    line = block[start:end].decode(text.encoding if first + at == 1 else "utf-8")
                except UnicodeDecodeError:
                    # Bytes that are no UTF-8 may be another encoding, which only the whole file tells.
                    return None
                if not line.isspace():
                    unknown[first + at] = line if line.endswith("\n") else line + "\n"
            count = first + len(ends) - 1
    return unknown if len(unknown) <= MOST_UNKNOWN * count else None
