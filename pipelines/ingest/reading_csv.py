"""CSV: any of the usual delimiters, quoted line breaks, byte order marks. Lines are counted as they stand in the file.

The delimiter is the one under which the header names the most columns we know. A record with the wrong number of
values, or one whose quote is never closed, is broken at its first line; the lines it swallowed are read again, so that
one stray quote costs one line.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cdp.errors import InputError
from pipelines.ingest.encoding import TextFile, open_text, shown
from pipelines.ingest.reading import CHUNK_ROWS, Broken, Chunk
from pipelines.ingest.reading_jsonl import undecodable
from pipelines.sources.fields import literal

_DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR_HINT = "sep="


@dataclass
class Lines:
    """Physical lines with their numbers; lines can be given back to be read again."""

    text: TextFile
    number: int = 0
    record: list[str] = field(default_factory=list)
    undecodable: bool = False
    _again: deque[str] = field(default_factory=deque)

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self.text.lines)
        self.number += 1
        self.record.append(line)
        repaired = self.text.repair(line)
        if repaired is None:
            self.undecodable = True
            return shown(line)
        return repaired

    def as_text(self) -> list[str]:
        """The lines of this record with their characters repaired."""
        return [repaired if (repaired := self.text.repair(line)) is not None else shown(line) for line in self.record]

    def start_record(self) -> None:
        """Forget the lines of the last record."""
        self.record, self.undecodable = [], False

    def give_back(self) -> None:
        """Keep the first line of this record, read the others again."""
        self._again.extendleft(reversed(self.record[1:]))
        self.number -= len(self.record) - 1
        del self.record[1:]

    @property
    def first_line(self) -> int:
        """The number of the record's first line."""
        return self.number - len(self.record) + 1

    @property
    def at_end(self) -> bool:
        """Whether the file holds no further line."""
        if self._again:
            return False
        following = self.text.lines.readline()
        if following:
            self._again.append(following)
        return not following


@dataclass(frozen=True)
class Header:
    """The column names of a CSV file, its delimiter, and the line after which records start."""

    names: list[str]
    delimiter: str
    lines: int


def csv_columns(path: Path, file: str, *, known: frozenset[str], delimiter: str | None, encoding: str | None) -> Header:
    """The header. Raises InputError when the file is empty, damaged or names a known column twice."""
    with open_text(path, file, encoding=encoding, newline="") as text:
        return _header(Lines(text), file, known, delimiter)


def read_csv(
    path: Path, file: str, *, known: frozenset[str], delimiter: str | None, encoding: str | None
) -> Iterator[Chunk]:
    """Chunks of at most `CHUNK_ROWS` records. Raises InputError for a damaged file."""
    with open_text(path, file, encoding=encoding, newline="") as text:
        lines = Lines(text)
        header = _header(lines, file, known, delimiter)
        numbers: list[int] = []
        rows: list[list[str]] = []
        broken: list[Broken] = []
        for number, found in _records(lines, header):
            if isinstance(found, Broken):
                broken.append(found)
            else:
                numbers.append(number)
                rows.append(found)
            if len(rows) + len(broken) >= CHUNK_ROWS:
                yield _chunk(header, numbers, rows, broken)
                numbers, rows, broken = [], [], []
        if rows or broken:
            yield _chunk(header, numbers, rows, broken)


def _header(lines: Lines, file: str, known: frozenset[str], delimiter: str | None) -> Header:
    best = _first_record(lines, delimiter or ",")
    if len(best) == 1 and best[0].lower().startswith(_SEPARATOR_HINT) and len(best[0].strip()) == 5:
        delimiter = best[0].strip()[-1]
        best = _first_record(lines, delimiter)
    chosen = delimiter or ","
    if delimiter is None:
        first = lines.as_text()
        readings = {mark: next(csv.reader(first, delimiter=mark)) for mark in _DELIMITERS}
        chosen = max(readings, key=lambda mark: (_known(readings[mark], known), len(readings[mark])))
        best = readings[chosen]
    if lines.undecodable:
        raise InputError(f"{file} is not UTF-8 text; deliver it as UTF-8 or name its encoding in a mapping file.")
    lines.start_record()
    return Header(_unique([_clean(name) for name in best], file, known), chosen, lines.number)


def _first_record(lines: Lines, delimiter: str) -> list[str]:
    lines.start_record()
    for row in csv.reader(lines, delimiter=delimiter):
        if any(value.strip() for value in row):
            return row
        lines.start_record()
    return []


def _known(names: list[str], known: frozenset[str]) -> int:
    return len(known & {_clean(name) for name in names})


def _clean(name: str) -> str:
    return name.strip().lstrip("\ufeff")


def _unique(names: list[str], file: str, known: frozenset[str]) -> list[str]:
    unique: list[str] = []
    for position, name in enumerate(names, start=1):
        if name in unique and name in known:
            raise InputError(f"{file} names the column {name} twice; keep one.")
        unique.append(name if name and name not in unique else f"{name or 'column'} {position}")
    return unique


def _records(lines: Lines, header: Header) -> Iterator[tuple[int, list[str] | Broken]]:
    reader = csv.reader(lines, delimiter=header.delimiter)
    width = len(header.names)
    while True:
        lines.start_record()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            row = None
        if row == []:
            continue
        if row is not None and len(row) > width and not any(row[width:]):
            row = row[:width]
        found = row if row is not None and len(row) == width else None
        if lines.undecodable or found is None or _never_closed(lines, header.delimiter):
            if len(lines.record) > 1:
                lines.give_back()
                reader = csv.reader(lines, delimiter=header.delimiter)
            yield lines.number, _broken(lines, header, None if row is None else len(row))
        else:
            yield lines.first_line, found


def _never_closed(lines: Lines, delimiter: str) -> bool:
    """Whether a quote was opened and not closed as it should be.

    Within a line we are lenient (5" screen). A record over several lines must be quoted by the book, and the last one
    must not end inside a quote.
    """
    several = len(lines.record) > 1
    if not several and ('"' not in lines.record[0] or not lines.at_end):
        return False
    try:
        list(csv.reader(lines.as_text(), delimiter=delimiter, strict=True))
    except csv.Error as error:
        return several or "unexpected end" in str(error)
    return False


def _broken(lines: Lines, header: Header, values: int | None) -> Broken:
    number, line = lines.number, lines.record[0]
    if lines.text.repair(line) is None:
        return undecodable(number, line)
    text = shown(line).rstrip("\r\n")
    alone = next(csv.reader([line], delimiter=header.delimiter))
    if line.count('"') % 2:
        return Broken(number, text, "quote_not_closed", "The line opens a quote that is not closed as it should be.")
    if values is None:
        return Broken(number, text, "not_csv", "The line cannot be read as comma-separated values.")
    reason = f"The line has {len(alone)} values where the header names {len(header.names)} columns."
    return Broken(number, text, "wrong_number_of_values", reason)


def _chunk(header: Header, numbers: list[int], rows: list[list[str]], broken: list[Broken]) -> Chunk:
    import pyarrow as pa

    keys = [f"c{position}" for position in range(len(header.names))]
    columns = zip(*rows, strict=True) if rows else ([] for _ in keys)
    arrays = [pa.array(list(column), pa.string()) for column in columns]
    table = pa.Table.from_arrays([pa.array(numbers, pa.int64()), *arrays], names=["line", *keys])
    payload = ", ".join(f"{literal(name)}, {key}" for name, key in zip(header.names, keys, strict=True))
    return Chunk(table, f"cast(json_object({payload}) as varchar)", broken=broken)
