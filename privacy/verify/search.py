"""Many byte patterns at the cost of one: hashed eight-byte windows, in numpy.

A pattern of n bytes holds a window of eight bytes at every position that is a multiple of n - 7 or less. So windows are
looked up only every eighth (fourth, second) byte when all patterns are long enough; a hit in the table of hashes is
compared exactly, then the whole pattern is. The time hardly depends on how many patterns there are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
_BLANK = 32
_WORD = list(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_JOINS_BEFORE = [*_WORD, *b".+-%"]
_JOINS_AFTER = [*_WORD, *b"-"]
_ESCAPES = list(b"nrtbf")


class Searcher:
    """Finds patterns in buffers; build it once."""

    def __init__(self, patterns: Sequence[Pattern], whole: Mapping[str, int] | None = None) -> None:
        """`whole`: values too short for bytes, with their needle's number; found only as whole values of a table."""
        import numpy as np

        self.patterns = patterns
        self._whole = {value.encode(): number for value, number in (whole or {}).items()}
        values = b"|".join(re.escape(value) for value in self._whole)
        self._cells = re.compile(rb'(?:^|(?<=[\n",(]))(?:' + values + rb')(?=$|[\n",)])') if values else None
        self.longest = max((len(pattern.bytes) for pattern in patterns), default=0)
        shortest = min((len(pattern.bytes) for pattern in patterns), default=WINDOW)
        # One short pattern decides for all: looking at every byte for it costs the same with the long ones beside it.
        stride = next((one for one in _STRIDES if shortest >= WINDOW + one - 1), 1)
        self._windows = _Windows(patterns, stride) if patterns else None
        self._needles = np.array([pattern.needle for pattern in patterns], dtype=np.int64)

    def hits(self, content: bytes | memoryview) -> tuple[Array, Array]:
        """Hits in a buffer, each once, in no order: pattern numbers and positions."""
        import numpy as np

        found = np.frombuffer(content, dtype=np.uint8)
        if self._windows is None:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        numbers, positions = self._windows.find(found)
        if not len(numbers):
            return numbers, positions
        alone = ~self._windows.plain[numbers]
        alone |= _stand_alone(found, positions, positions + self._windows.lengths[numbers])
        return numbers[alone], positions[alone]

    def count(self, chunks: Iterable[bytes | memoryview]) -> Counter[int]:
        """Hits by needle in a stream of chunks; a pattern across two chunks is found too."""
        import numpy as np

        found: Counter[int] = Counter()
        if self._windows is None:
            for _ in chunks:
                pass
            return found
        before = b""
        for chunk in chunks:
            joined = before + bytes(chunk) if before else chunk
            numbers, positions = self.hits(joined)
            if before and len(numbers):
                # What ended well inside the former chunk was counted with it.
                new = positions + self._windows.lengths[numbers] > max(len(before) - 2, 0)
                numbers = numbers[new]
            if len(numbers):
                needles, hits = np.unique(self._needles[numbers], return_counts=True)
                found.update(dict(zip(needles.tolist(), hits.tolist(), strict=True)))
            before = bytes(memoryview(joined)[max(len(joined) - self.longest - 2, 0) :])
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
    """The windows of all patterns at as many offsets as the stride, and the patterns as one text."""

    def __init__(self, patterns: Sequence[Pattern], stride: int) -> None:
        import numpy as np

        self._stride = stride
        self.lengths = np.array([len(pattern.bytes) for pattern in patterns], dtype=np.int64)
        self.plain = np.array([pattern.plain for pattern in patterns], dtype=bool)
        self._text = np.frombuffer(b"".join(pattern.bytes for pattern in patterns), dtype=np.uint8)
        self._from = np.cumsum(self.lengths) - self.lengths
        words = np.array(
            [
                int.from_bytes(pattern.bytes[offset : offset + WINDOW], "little")
                for pattern in patterns
                for offset in range(stride)
            ],
            dtype=np.uint64,
        )
        # Entries (pattern, offset) in the order of their words; equal words follow each other.
        order = np.argsort(words, kind="stable")
        self._numbers, self._offsets = order // stride, order % stride
        self._words, self._first, self._entries = np.unique(words[order], return_index=True, return_counts=True)
        bits = min(23, max(12, int(np.ceil(np.log2(len(self._words) * 64)))))
        self._shift = np.uint64(64 - bits)
        self._table = np.zeros(1 << bits, dtype=bool)
        self._table[self._hash(self._words)] = True

    def find(self, content: Array) -> tuple[Array, Array]:
        """Pattern numbers and positions, each pair once."""
        import numpy as np

        found = []
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
            exact = self._words[nearest] == there
            places, which = likely[exact] * WINDOW + start, nearest[exact]
            found += [
                self._verified(content, places[low : low + _BLOCK], which[low : low + _BLOCK])
                for low in range(0, len(places), _BLOCK)
            ]
        if not found:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        return np.concatenate([one for one, _ in found]), np.concatenate([one for _, one in found])

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

    def _verified(self, content: Array, places: Array, which: Array) -> tuple[Array, Array]:
        """Of windows at `places`, each the word of that number, those in whose place a whole pattern stands."""
        import numpy as np

        counts = self._entries[which]
        entries = np.repeat(self._first[which], counts) + _counting(counts)
        numbers = self._numbers[entries]
        # Positions are multiples of the stride, so an occurrence is met through one of its offsets only.
        positions = np.repeat(places, counts) - self._offsets[entries]
        inside = (positions >= 0) & (positions + self.lengths[numbers] <= len(content))
        numbers, positions = numbers[inside], positions[inside]
        if not len(numbers):
            return numbers, positions
        lengths = self.lengths[numbers]
        within = _counting(lengths)
        wanted = self._text[np.repeat(self._from[numbers], lengths) + within]
        same = content[np.repeat(positions, lengths) + within] == wanted
        equal = np.logical_and.reduceat(same, np.cumsum(lengths) - lengths)
        return numbers[equal], positions[equal]

    def _hash(self, words: Array) -> Array:
        import numpy as np

        hashed: Array = (words * np.uint64(_MULTIPLIER)) >> self._shift
        return hashed.astype(np.int64)


def _counting(counts: Array) -> Array:
    """0, 1, … for each of the counts, one after the other."""
    import numpy as np

    numbers: Array = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return numbers


def _stand_alone(content: Array, starts: Array, stops: Array) -> Array:
    r"""Which plain hits are whole values: `ann@x.org` is not in `joann@x.org` nor in `ann@x.org.uk`.

    A byte before them that belongs to an escape (`\n` in JSON, `%3A` in a URL) joins nothing.
    """
    import numpy as np

    def at(places: Array) -> Array:
        inside = (places >= 0) & (places < len(content))
        return np.where(inside, content.take(places, mode="clip"), np.uint8(_BLANK))

    before, after = at(starts - 1), at(stops)
    escaped = (at(starts - 2) == ord("\\")) & np.isin(before, _ESCAPES) | (at(starts - 3) == ord("%"))
    joined = np.isin(before, _JOINS_BEFORE) & ~escaped
    followed = np.isin(after, _JOINS_AFTER) | (after == ord(".")) & np.isin(at(stops + 1), _WORD)
    alone: Array = ~(joined | followed)
    return alone
