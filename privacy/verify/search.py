"""Many byte patterns at the cost of one: hashed eight-byte windows, in numpy.

A pattern of n bytes holds a window of eight bytes at every position that is a multiple of n - 7 or less. So windows are
looked up only every eighth (fourth, second) byte when all patterns are long enough; a hit in the table of hashes is
compared exactly, then the whole pattern is. The time hardly depends on how many patterns there are.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from privacy.verify.needles import Pattern

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

WINDOW = 8
CHUNK = 16 << 20
_STRIDES = (8, 4, 2, 1)
_BLOCK = 1 << 15
_MULTIPLIER = 0x9E3779B97F4A7C15
_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


@dataclass(frozen=True)
class Hit:
    """A pattern at a position of what was searched."""

    pattern: int
    position: int


class Searcher:
    """Finds patterns in buffers; build it once."""

    def __init__(self, patterns: Sequence[Pattern], whole: Mapping[str, int] | None = None) -> None:
        """`whole`: values too short for bytes, with their needle's number; found only as whole values of a table."""
        self.patterns = patterns
        self._whole = {value.encode(): number for value, number in (whole or {}).items()}
        values = b"|".join(re.escape(value) for value in self._whole)
        self._cells = re.compile(rb'(?:^|(?<=[\n",(]))(?:' + values + rb')(?=$|[\n",)])') if values else None
        self.longest = max((len(pattern.bytes) for pattern in patterns), default=0)
        shortest = min((len(pattern.bytes) for pattern in patterns), default=WINDOW)
        # One short pattern decides for all: looking at every byte for it costs the same with the long ones beside it.
        stride = next((one for one in _STRIDES if shortest >= WINDOW + one - 1), 1)
        self._windows = _Windows(patterns, stride) if patterns else None

    def find(self, content: bytes | memoryview) -> Iterator[Hit]:
        """Hits in a buffer, each (pattern, position) once, in no order."""
        view = memoryview(content)
        for number, position in self._windows.find(view) if self._windows else ():
            pattern = self.patterns[number]
            if not pattern.plain or _stands_alone(view, position, position + len(pattern.bytes)):
                yield Hit(number, position)

    def count(self, chunks: Iterable[bytes | memoryview]) -> Counter[int]:
        """Hits by needle in a stream of chunks; a pattern across two chunks is found too."""
        found: Counter[int] = Counter()
        before = b""
        for chunk in chunks:
            joined = before + bytes(chunk) if before else chunk
            keep = self.longest + 2
            size = len(joined)
            done = len(before)
            for hit in self.find(joined):
                pattern = self.patterns[hit.pattern]
                # What ended well inside the former chunk was counted with it.
                if hit.position + len(pattern.bytes) > max(done - 2, 0) or not before:
                    found[pattern.needle] += 1
            before = bytes(memoryview(joined)[max(size - keep, 0) :])
        return found

    def count_cells(self, chunks: Iterable[bytes | memoryview]) -> Counter[int]:
        """As `count`, for the values of a table one per line, each chunk of whole lines; finds the short values too.

        A short value is found where it is the whole of a cell, of a string in JSON or of a field of a row's text.
        """
        whole: Counter[int] = Counter()

        def seen() -> Iterator[bytes | memoryview]:
            for chunk in chunks:
                if self._cells is not None:
                    whole.update(self._whole[hit.group()] for hit in self._cells.finditer(chunk))
                yield chunk

        return self.count(seen()) + whole


class _Windows:
    """The windows of all patterns at as many offsets as the stride."""

    def __init__(self, patterns: Sequence[Pattern], stride: int) -> None:
        import numpy as np

        self._stride = stride
        self._patterns = patterns
        self._at: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for number, pattern in enumerate(patterns):
            content = pattern.bytes
            for offset in range(stride):
                word = int.from_bytes(content[offset : offset + WINDOW], "little")
                self._at[word].append((number, offset))
        self._words = np.array(sorted(self._at), dtype=np.uint64)
        bits = min(23, max(12, int(np.ceil(np.log2(len(self._words) * 64)))))
        self._shift = np.uint64(64 - bits)
        self._table = np.zeros(1 << bits, dtype=bool)
        self._table[self._hash(self._words)] = True

    def find(self, view: memoryview) -> Iterator[tuple[int, int]]:
        """(pattern, position) pairs."""
        import numpy as np

        content = np.frombuffer(view, dtype=np.uint8)
        for start in range(0, WINDOW, self._stride):
            whole = (len(content) - start) // WINDOW
            if whole <= 0:
                continue
            words = content[start : start + whole * WINDOW].view(np.uint64)
            likely = self._likely(words)
            if not len(likely):
                continue
            there = words[likely]
            nearest = np.minimum(np.searchsorted(self._words, there), len(self._words) - 1)
            exact = likely[self._words[nearest] == there]
            for place, word in zip(exact.tolist(), words[exact].tolist(), strict=True):
                yield from self._verified(view, start + place * WINDOW, word)

    def _likely(self, words: Array) -> Array:
        """Places of words whose hash is in the table; in blocks that stay in the processor's cache."""
        import numpy as np

        hashed = np.empty(_BLOCK, dtype=np.uint64)
        mask = np.empty(_BLOCK, dtype=bool)
        found = []
        for low in range(0, len(words), _BLOCK):
            part = words[low : low + _BLOCK]
            size = len(part)
            np.multiply(part, np.uint64(_MULTIPLIER), out=hashed[:size])
            np.right_shift(hashed[:size], self._shift, out=hashed[:size])
            np.take(self._table, hashed[:size].view(np.int64), out=mask[:size], mode="clip")
            places = np.flatnonzero(mask[:size])
            if len(places):
                found.append(places + low)
        return np.concatenate(found) if found else np.empty(0, dtype=np.int64)

    def _verified(self, view: memoryview, position: int, word: int) -> Iterator[tuple[int, int]]:
        for number, offset in self._at[word]:
            first = position - offset
            content = self._patterns[number].bytes
            # Positions are multiples of the stride, so an occurrence is met through one of its offsets only.
            if first >= 0 and view[first : first + len(content)] == content:
                yield number, first

    def _hash(self, words: Array) -> Array:
        import numpy as np

        hashed: Array = (words * np.uint64(_MULTIPLIER)) >> self._shift
        return hashed.astype(np.int64)


def _stands_alone(view: memoryview, start: int, stop: int) -> bool:
    """Whether a plain hit is a whole value: `ann@x.org` is not in `joann@x.org` nor in `ann@x.org.uk`."""
    before = view[start - 1] if start else 32
    if (before in _WORD or before in b".+-%") and not _is_escape(view, start):
        return False
    after = view[stop] if stop < len(view) else 32
    if after in _WORD or after == 45:
        return False
    following = view[stop + 1] if stop + 1 < len(view) else 32
    return not (after == 46 and following in _WORD)


def _is_escape(view: memoryview, start: int) -> bool:
    r"""Whether the byte before belongs to an escape: `\n` in JSON, `%3A` in a URL."""
    if start >= 2 and view[start - 2] == 92 and view[start - 1] in b"nrtbf":
        return True
    return start >= 3 and view[start - 3] == 37
