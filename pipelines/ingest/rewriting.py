"""Writes a delivered or landed file anew without the records of some lines, and with other values in some.

Text keeps its encoding, its compression and its line numbers: a record that goes leaves blank lines, which readers
skip. Parquet loses the rows. What stays is byte for byte what it was, except for a record whose value is replaced.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from cdp import gzipped
from pipelines.ingest.encoding import open_text
from pipelines.ingest.lines import blocks, spans
from pipelines.ingest.reading import opened
from pipelines.sources.entity import Format

_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Layout:
    """How a file is to be read: format, for CSV its delimiter, its column names and how many lines its header takes.

    `by_line_feeds`: of CSV, that each record is known to be a line and each line to end with a line feed.
    """

    format: Format
    encoding: str | None = None
    delimiter: str = ","
    names: tuple[str, ...] = ()
    header: int = 0
    by_line_feeds: bool = False


@dataclass
class Changes:
    """By line (row in Parquet): records that go, with the number of lines they span, and new values of columns.

    `texts` replaces parts of a record's text; in Parquet, parts of its text values.
    """

    gone: dict[int, int] = field(default_factory=dict)
    values: dict[int, dict[str, str]] = field(default_factory=dict)
    texts: dict[int, dict[str, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.gone or self.values or self.texts)


def rewrite(source: Path, target: Path, layout: Layout, changes: Changes) -> None:
    """Write `source` with the changes to `target`, which is flushed to the disk. `source` is left as it is."""
    if layout.format == "parquet":
        _rewrite_parquet(source, target, changes)
        return
    newline = "\n" if layout.format == "jsonl" else ""
    with (
        open_text(source, source.name, encoding=layout.encoding, newline=newline, may_be_blank=True) as text,
        _writing(source, target) as out,
    ):
        plain = layout.format == "jsonl" or layout.by_line_feeds
        if plain and text.is_utf8 and not (changes.values or changes.texts):
            with opened(source, source.name) as handle:
                _blank_lines(handle, out, changes.gone)
            return
        errors = "surrogateescape" if text.is_utf8 else "strict"
        written = io.TextIOWrapper(out, encoding=text.encoding, errors=errors, newline="")
        _copy_lines(text.lines, written, layout, changes)
        written.flush()
        written.detach()


@contextmanager
def _writing(source: Path, target: Path) -> Iterator[BinaryIO]:
    import os

    with source.open("rb") as handle:
        packed = handle.read(2) == _GZIP
    with target.open("wb") as plain:
        binary = gzipped.writer(plain) if packed else cast("BinaryIO", plain)
        yield binary
        if packed:
            binary.close()
        plain.flush()
        os.fsync(plain.fileno())


def _blank_lines(handle: BinaryIO, out: BinaryIO, gone: Mapping[int, int]) -> None:
    """As `_copy_lines` where lines only go, without making text of the others."""
    import numpy as np

    lines = np.array(sorted({line + more for line, spanned in gone.items() for more in range(spanned)}), dtype=np.int64)
    for first, block, ends in blocks(handle):
        low, high = np.searchsorted(lines, [first, first + len(ends)])
        kept_from, view = 0, memoryview(block)
        for start, end in spans(ends, lines[low:high] - first):
            mark = len(codecs.BOM_UTF8) if first == 1 and not start and block.startswith(codecs.BOM_UTF8) else 0
            out.write(view[kept_from : start + mark])
            kept_from = start + len(block[start:end].rstrip(b"\r\n"))
        out.write(view[kept_from:])


def _copy_lines(lines: TextIO, out: TextIO, layout: Layout, changes: Changes) -> None:
    number, blank_until = 0, 0
    pending: list[str] = []
    for line in lines:
        number += 1
        written = line
        if number in changes.gone:
            blank_until = max(blank_until, number + changes.gone[number] - 1)
        if number <= blank_until:
            written = _ending(line)
        elif number in changes.values or number in changes.texts:
            written = _changed(line, lines, layout, changes, number)
            # A CSV record that goes on over several lines was taken at once.
            number += max(written.count("\n") - 1, 0)
        pending.append(written)
        if len(pending) >= 10_000:
            out.write("".join(pending))
            pending.clear()
    out.write("".join(pending))


def _ending(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _changed(line: str, lines: TextIO, layout: Layout, changes: Changes, number: int) -> str:
    for old, new in changes.texts.get(number, {}).items():
        line = line.replace(old, new)
    values = changes.values.get(number)
    if not values:
        return line
    if layout.format == "jsonl":
        record = json.loads(line)
        for column, value in values.items():
            _set(record, column, value)
        return json.dumps(record, ensure_ascii=False) + _ending(line)
    return _changed_row(line, lines, layout, values)


def _changed_row(line: str, lines: TextIO, layout: Layout, values: Mapping[str, str]) -> str:
    """A CSV record, which may go on over the next lines."""
    taken = [line]

    def physical() -> Iterator[str]:
        yield line
        for following in lines:
            taken.append(following)
            yield following

    row = next(csv.reader(physical(), delimiter=layout.delimiter))
    for column, value in values.items():
        row[layout.names.index(column)] = value
    out = io.StringIO()
    csv.writer(out, delimiter=layout.delimiter, lineterminator=_ending(taken[-1])).writerow(row)
    return out.getvalue()


def _set(record: dict[str, Any], column: str, value: str) -> None:
    if column in record or "." not in column:
        record[column] = value
        return
    outer, _, rest = column.partition(".")
    inner = record.get(outer)
    if isinstance(inner, dict):
        _set(inner, rest, value)


def _rewrite_parquet(source: Path, target: Path, changes: Changes) -> None:
    import os

    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(source) as file:
        schema, first = file.schema_arrow, 1
        compression = file.metadata.row_group(0).column(0).compression if file.metadata.num_row_groups else "snappy"
        with pq.ParquetWriter(target, schema, compression=compression.lower()) as writer:
            for group in range(file.metadata.num_row_groups):
                table = file.read_row_group(group)
                rows = np.arange(first, first + table.num_rows)
                first += table.num_rows
                table = _changed_table(table, rows, changes)
                kept = ~np.isin(rows, np.fromiter(changes.gone, dtype=np.int64, count=len(changes.gone)))
                writer.write_table(table.filter(pa.array(kept)))
    handle = os.open(target, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _changed_table(table: Any, rows: Any, changes: Changes) -> Any:
    import pyarrow as pa

    touched = {int(row) for row in rows if int(row) in changes.values or int(row) in changes.texts}
    if not touched:
        return table
    for place, name in enumerate(table.column_names):
        if not pa.types.is_string(table.schema.field(place).type):
            continue
        column = table.column(place).to_pylist()
        for row in touched:
            at = row - int(rows[0])
            value = changes.values.get(row, {}).get(name, column[at])
            for old, new in changes.texts.get(row, {}).items():
                value = value.replace(old, new) if value else value
            column[at] = value
        table = table.set_column(place, table.schema.field(place), pa.array(column, pa.string()))
    return table
