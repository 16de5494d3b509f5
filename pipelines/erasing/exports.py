"""Files that people asked for, without the rows of some people.

A value counts in every encoding in which the scanner would find it. Records of CSV and JSON lines go one by one
(quoted line breaks and UTF-16 understood), Parquet row by row; a file of any other form, or one in which a value is
still found afterwards, is removed as a whole. Files are searched at once, however many rows they have.
"""

from __future__ import annotations

import codecs
import gzip
from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING, Any

from privacy.verify.decode import DamagedError, views
from privacy.verify.search import Searcher

if TYPE_CHECKING:
    import numpy as np

_QUOTED = {".csv", ".tsv"}
_LINES = {*_QUOTED, ".ndjson", ".jsonl", ".txt"}
_WIDE = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def clean_export(path: Path, searcher: Searcher) -> int:
    """Take out what holds a value; returns rows, a removed file counting as one."""
    kind = Path(path.name.removesuffix(".gz")).suffix.lower()
    gone = 0
    try:
        if kind in _LINES:
            gone = _clean_lines(path, searcher, quoted=kind in _QUOTED)
        elif kind == ".parquet":
            gone = _clean_parquet(path, searcher)
        found = holds(path, searcher)
    except (OSError, EOFError, ValueError, DamagedError):
        # Not what its name says. Left as it is, it makes the proof partial.
        return gone
    if found:
        path.unlink()
    return gone + found


def holds(path: Path, searcher: Searcher) -> bool:
    """Whether a value is in a file, as it is or unpacked."""
    return any(searcher.count(view) for view in views(path))


def _clean_lines(path: Path, searcher: Searcher, *, quoted: bool) -> int:
    content = path.read_bytes()
    packed = content[:2] == b"\x1f\x8b"
    if packed:
        content = gzip.decompress(content)
    mark, encoding = next(((mark, name) for mark, name in _WIDE.items() if content.startswith(mark)), (b"", ""))
    if encoding:
        content = content[len(mark) :].decode(encoding).encode()
    kept, gone = _without(content, searcher, quoted=quoted)
    if gone:
        if encoding:
            kept = mark + kept.decode().encode(encoding)
        _replace(path, gzip.compress(kept) if packed else kept)
    return gone


def _without(content: bytes, searcher: Searcher, *, quoted: bool) -> tuple[bytes, int]:
    """The records in which nothing is found, and how many there are of the others."""
    import numpy as np

    positions = searcher.hits(content)[1].tolist()
    if not positions:
        return content, 0
    characters = np.frombuffer(content, dtype=np.uint8)
    breaks = np.flatnonzero(characters == ord("\n"))
    if quoted:
        quotes = np.cumsum(characters == ord('"'))
        breaks = breaks[quotes[breaks] % 2 == 0]
    starts = [0, *(breaks + 1).tolist()]
    gone = numbers_at(starts, positions)
    stops = [*starts[1:], len(content)]
    kept = [
        content[start:stop]
        for number, (start, stop) in enumerate(zip(starts, stops, strict=True))
        if number not in gone
    ]
    return b"".join(kept), len(gone)


def _clean_parquet(path: Path, searcher: Searcher) -> int:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    texts = ["\n".join(map(str, row)).encode(errors="replace") + b"\n" for row in rows]
    starts = [0, *np.cumsum([len(text) for text in texts]).tolist()]
    gone = numbers_at(starts, searcher.hits(b"".join(texts))[1].tolist())
    if gone:
        partial = path.with_name(f".{path.name}.part")
        keep: np.ndarray[Any, Any] = np.ones(len(texts), dtype=bool)
        keep[sorted(gone)] = False
        pq.write_table(table.filter(pa.array(keep)), partial)
        partial.replace(path)
    return len(gone)


def numbers_at(starts: list[int], positions: list[int]) -> set[int]:
    """The records in which the positions lie."""
    return {bisect_right(starts, position) - 1 for position in positions}


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(content)
    partial.replace(path)
