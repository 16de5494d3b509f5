"""What of a landed file is about erased people, told by what is known of its lines instead of reading them all again.

Each record of a loaded file of JSON lines or CSV is in raw or in quarantine under the number of its line, unless it
said the same as an earlier one. What the key tables say of those rows holds for their lines, so only the others are
looked at as records. Lines keep their numbers for good: what went before has left them blank. CSV in which one of the
others may belong to a record of several lines, files of other forms, those that wait to be loaded and deliveries in the
inbox are read throughout.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace
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
_NO_LINE_IS_LONGER = 1 << 20


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
        plain = (mapping.format or format_of(file)) in ("jsonl", "csv") and entity.person.separator is None
        lines = self._lines(entity, path) if plain and path.is_relative_to(self._landing) else None
        if lines is None:
            return self._screen.look(entity, mapping, path, file)
        layout = replace(self._screen.layout(entity, mapping, path, file), by_line_feeds=True)
        others = _unknown(path, file, layout, lines)
        among = self._among(entity, mapping, layout, others) if others is not None else None
        if among is None:
            return self._screen.look(entity, mapping, path, file)
        found = Found(layout)
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

    def _among(self, entity: Entity, mapping: EntityMapping, layout: Layout, others: _Others) -> list[int] | None:
        """Which of these lines are about the erased, looked at as a file of their own; None when they cannot be one."""
        if not others.lines:
            return []
        numbers = list(others.lines)
        part = self._scratch / f"unknown-lines.{layout.format}"
        try:
            part.write_text(others.header + "".join(others.lines.values()), encoding="utf-8", newline="")
            found = self._screen.look(entity, mapping, part, part.name)
        except InputError:
            return None
        finally:
            part.unlink(missing_ok=True)
        return [numbers[line - layout.header - 1] for line in found.changes.gone]


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


@dataclass
class _Others:
    """Lines that are not known, by number, and the text of a CSV file's header."""

    lines: dict[int, str] = field(default_factory=dict)
    header: str = ""


def _unknown(path: Path, file: str, layout: Layout, known: _Lines) -> _Others | None:
    """The other lines with their text; None when they are many, or not to be taken out of the file they are in."""
    with open_text(path, file, encoding=layout.encoding, newline="\n", may_be_blank=True) as text:
        if not text.is_utf8:
            return None
        # Where lines end with returns, or never, all of it would be held at once.
        if layout.format == "csv" and "\n" not in text.lines.read(_NO_LINE_IS_LONGER):
            return None
    others, records, count = _Others(), _Records(layout), 0
    try:
        with opened(path, file) as handle:
            for first, block, ends in blocks(handle):
                if layout.format == "csv" and block.count(b"\r") != block.count(b"\r\n"):
                    return None
                unknown = known.unknown(first, len(ends))
                for at, (start, end) in zip(unknown.tolist(), spans(ends, unknown), strict=True):
                    line = block[start:end].decode(text.encoding if first + at == 1 else "utf-8")
                    if first + at <= layout.header:
                        others.header += line
                        continue
                    records.add(first + at, line, block[ends[at - 2] if at > 1 else 0 : start])
                    if not line.isspace():
                        others.lines[first + at] = line if line.endswith("\n") else line + "\n"
                records.last = block[ends[-2] if len(ends) > 1 else 0 :]
                count = first + len(ends) - 1
    except UnicodeDecodeError:
        # Bytes that are no UTF-8 may be another encoding, which only the whole file tells.
        return None
    return others if records.are_lines() and len(others.lines) <= MOST_UNKNOWN * count else None


class _Records:
    """Whether each of the unknown lines of a CSV file is a record: none goes on in them, none of them goes on.

    A known line is the first of its record. So a record that takes more lines is read as one, beginning with the last
    known line before unknown ones.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._run: list[str] = []
        self._next = 0
        self._lines = True
        # The last line of the block before.
        self.last = b""

    def add(self, number: int, line: str, before: bytes) -> None:
        """An unknown line, and the line before it when that is in the same block."""
        if self._layout.format != "csv":
            return
        if number != self._next or not self._run:
            self._end_run()
            before = before or self.last
            self._run = [before.decode(errors="replace")] if number - 1 > self._layout.header else []
        self._run.append(line)
        self._next = number + 1

    def are_lines(self) -> bool:
        """What has come out; call it at the end."""
        self._end_run()
        return self._lines

    def _end_run(self) -> None:
        try:
            self._lines &= sum(1 for _ in csv.reader(self._run, delimiter=self._layout.delimiter)) == len(self._run)
        except csv.Error:
            self._lines = False
        self._run = []
