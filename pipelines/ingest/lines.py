"""The lines of a text as bytes, found by their breaks a block at a time: for those who want few of very many lines.

A line ends with a line feed and keeps it; the last one may lack it. That holds in every encoding in which no other
character has the byte of a line feed, UTF-8 among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[np.int64]]

_BLOCK = 8 << 20
_BREAK = ord("\n")


def blocks(handle: BinaryIO, size: int = _BLOCK) -> Iterator[tuple[int, bytes, Numbers]]:
    """Blocks of whole lines: the number of the first line (from 1), the bytes, and where in them each line ends."""
    import numpy as np

    first = 1
    # Of a line that takes many blocks: joined once.
    begun: list[bytes] = []
    while chunk := handle.read(size):
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            begun.append(chunk)
            continue
        block = b"".join([*begun, chunk[:cut]])
        begun = [chunk[cut:]]
        ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == _BREAK) + 1
        yield first, block, ends
        first += len(ends)
    if rest := b"".join(begun):
        yield first, rest, np.array([len(rest)], dtype=np.int64)


def spans(ends: Numbers, which: Numbers) -> Iterator[tuple[int, int]]:
    """Where those lines of a block begin and end; `which` counts from 0."""
    for at in which.tolist():
        yield (int(ends[at - 1]) if at else 0), int(ends[at])
