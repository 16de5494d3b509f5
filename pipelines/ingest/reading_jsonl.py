"""JSON lines: one record per line. Whether a line is a JSON object is found out in SQL, a chunk at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipelines.ingest.encoding import TextFile, open_text, shown
from pipelines.ingest.reading import CHUNK_ROWS, Broken, Chunk

# Whole chunks of lines are taken from the decoder at once; 16 MB is about 35,000 events.
_CHARACTERS = 16 << 20


def read_jsonl(path: Path, file: str, *, encoding: str | None, may_be_blank: bool = False) -> Iterator[Chunk]:
    """Chunks of at most `CHUNK_ROWS` lines; blank lines are no records. Raises InputError for a damaged file."""
    with open_text(path, file, encoding=encoding, newline="\n", may_be_blank=may_be_blank) as text:
        number = 0
        while lines := text.lines.readlines(_CHARACTERS):
            for start in range(0, len(lines), CHUNK_ROWS):
                part = lines[start : start + CHUNK_ROWS]
                yield _chunk(text, part, number + start)
            number += len(lines)


def _chunk(text: TextFile, lines: list[str], before: int) -> Chunk:
    import pyarrow as pa

    numbers = [before + number for number, line in enumerate(lines, start=1) if not line.isspace()]
    kept = lines if len(numbers) == len(lines) else [line for line in lines if not line.isspace()]
    broken: list[Broken] = []
    try:
        array = pa.array(kept, pa.string())
    except UnicodeEncodeError:
        numbers, kept, broken = _sort_out(text, numbers, kept)
        array = pa.array(kept, pa.string())
    table = pa.table({"line": pa.array(numbers, pa.int64()), "c0": array})
    return Chunk(table, "rtrim(c0, chr(10) || chr(13))", check_json=True, broken=broken)


def _sort_out(text: TextFile, numbers: list[int], lines: list[str]) -> tuple[list[int], list[str], list[Broken]]:
    good: list[tuple[int, str]] = []
    broken: list[Broken] = []
    for number, line in zip(numbers, lines, strict=True):
        repaired = text.repair(line)
        if repaired is None:
            broken.append(undecodable(number, line))
        else:
            good.append((number, repaired))
    return [number for number, _ in good], [line for _, line in good], broken


def undecodable(number: int, line: str) -> Broken:
    """A line whose bytes are no text."""
    return Broken(
        number, shown(line).rstrip("\r\n"), "undecodable", "The line holds bytes that are no text (expected UTF-8)."
    )
