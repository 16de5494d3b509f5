"""Many byte patterns at nearly the cost of one: hashed windows, in numpy.

A pattern of n bytes holds a window of w bytes at a position that is a multiple of n - w + 1. So windows are looked up
only every eighth byte, or every fourth when a pattern has less than twelve: in a table of hashes that holds the first
windows of all patterns. Around a hit the first eight bytes of a pattern are looked for, or sixteen where it has so
many, then its last eight, then the whole of it.
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

WORD = 8
# Words looked at in one go: what is computed of them stays in the processor's cache.
_BLOCK = 1 << 16
# Places whose whole pattern is compared in one go.
_PLACES = 1 << 15
# A table of hashes that is 1/64 full lets few words through; a larger one than this is slower to look into.
_MOST_BITS = 24
_MULTIPLIER = 0x9E3779B97F4A7C15
# Of a hash, the bits that name a byte of the table are above three that name a bit of it.
_BYTE, _IN_BYTE = 3, 7
# So many words say what kind of bytes a block is of, and so many of them must be impossible ones.
_SAMPLE, _MOSTLY = 1 << 10, 0.7
_BLANK = 32
_WORD = list(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_JOINS_BEFORE = [*_WORD, *b".+-%"]
_JOINS_AFTER = [*_WORD, *b"-"]
_ESCAPES = list(b"nrtbf")
# So many bytes before and after a hit say whether it stands alone.
_BEFORE, _AFTER = 3, 2


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
        self._windows = _Windows(patterns) if patterns else None
        self._needles = np.array([pattern.needle for pattern in patterns], dtype=np.int64)

    @property
    def needs_lines(self) -> bool:
        """Whether there are values too short for bytes, which are found in lines only."""
        return self._cells is not None

    def hits(self, content: bytes | memoryview) -> tuple[Array, Array]:
        """Hits in a buffer, each once, in no order: pattern numbers and positions."""
        import numpy as np

        if self._windows is None:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        found = np.frombuffer(content, dtype=np.uint8)
        numbers, positions = self._windows.find(found)
        return self._alone(found, numbers, positions, 0, len(found))

    def _alone(
        self, content: Array, numbers: Array, positions: Array, low: Array | int, high: Array | int
    ) -> tuple[Array, Array]:
        """Those hits that are whole values of a text between `low` and `high`."""
        if self._windows is None or not len(numbers):
            return numbers, positions
        ends = positions + self._windows.lengths[numbers]
        alone = (ends <= high) & (
            ~self._windows.plain[numbers] | _stand_alone(content, positions, ends, low=low, high=high)
        )
        return numbers[alone], positions[alone]

    def count_column(self, content: memoryview, offsets: Array) -> Counter[int]:
        """Hits by needle in the values of a column: value n lies in `content` from `offsets[n]` to `offsets[n + 1]`.

        A hit in two values is none, and a value ends like a text. With `needs_lines` each value ends with a line break.
        """
        import numpy as np

        found: Counter[int] = Counter()
        if self._cells is not None:
            found.update(self._whole[hit.group()] for hit in self._cells.finditer(content))
        # Most columns hold nothing that is long enough.
        if self._windows is None or not len(content) or np.diff(offsets).max() < self._windows.shortest:
            return found
        text = np.frombuffer(content, dtype=np.uint8)
        numbers, positions = self._windows.find(text)
        if len(numbers):
            ends = offsets[1:]
            # The first value that ends beyond a position holds it: values without text end where they begin.
            values = np.searchsorted(ends, positions, side="right")
            numbers, _ = self._alone(text, numbers, positions, offsets[values], ends[values])
            self._tell(found, numbers)
        return found

    def count(self, chunks: Iterable[bytes | memoryview]) -> Counter[int]:
        """Hits by needle in a stream of chunks, cut wherever they may be: as in the whole of it."""
        found: Counter[int] = Counter()
        if self._windows is None:
            for _ in chunks:
                pass
            return found
        # A hit, and the bytes that say whether it stands alone.
        edge = self.longest + _BEFORE + _AFTER
        before = b""
        for chunk in chunks:
            known = len(before) - _AFTER
            if len(chunk) < 2 * edge:
                before += bytes(chunk)
                self._add(found, before, known, len(before) - _AFTER)
                before = before[-edge:]
                continue
            # The chunk is searched where it lies; hits at its edges are looked at together with what is beside them.
            self._add(found, before + bytes(chunk[:edge]), known, None, began_before=len(before) + _BEFORE)
            self._add(found, chunk, 0, len(chunk) - _AFTER, began_from=_BEFORE)
            before = bytes(chunk[-edge:])
        self._add(found, before, len(before) - _AFTER, None)
        return found

    def _add(
        self,
        found: Counter[int],
        content: bytes | memoryview,
        ended_after: int,
        ended_by: int | None,
        *,
        began_from: int = 0,
        began_before: int | None = None,
    ) -> None:
        """Count the hits of a buffer that begin and end where they are asked for."""
        numbers, positions = self.hits(content)
        if not len(numbers) or self._windows is None:
            return
        ends = positions + self._windows.lengths[numbers]
        asked = (ends > ended_after) & (positions >= began_from)
        if ended_by is not None:
            asked &= ends <= ended_by
        if began_before is not None:
            asked &= positions < began_before
        self._tell(found, numbers[asked])

    def _tell(self, found: Counter[int], numbers: Array) -> None:
        import numpy as np

        needles, hits = np.unique(self._needles[numbers], return_counts=True)
        found.update(dict(zip(needles.tolist(), hits.tolist(), strict=True)))

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
    """Hashes of the patterns' first windows and of their first words, these words, and the patterns as one text."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        import numpy as np

        self.lengths = np.array([len(pattern.bytes) for pattern in patterns], dtype=np.int64)
        self.plain = np.array([pattern.plain for pattern in patterns], dtype=bool)
        self._text = np.frombuffer(b"".join(pattern.bytes for pattern in patterns), dtype=np.uint8)
        self._from = np.cumsum(self.lengths) - self.lengths
        self._ends = np.array([int.from_bytes(one.bytes[-WORD:], "little") for one in patterns], dtype=np.uint64)
        words = _words(patterns, 0, WORD)
        # Many mail addresses begin with the same names: where there are two words, both tell a pattern.
        long = self.lengths >= 2 * WORD
        self._by_one = _Index(words[~long], np.flatnonzero(~long))
        self._by_two = _Index(_both(words[long], _words(patterns, WORD, WORD)[long]), np.flatnonzero(long))
        self.shortest = int(self.lengths.min())
        # One short pattern decides for all: looking closer for it costs the same with the long ones beside it.
        self._stride = 8 if self.shortest >= 12 else 4
        width = min(WORD, self.shortest - self._stride + 1)
        windows = np.unique(np.concatenate([_words(patterns, offset, width) for offset in range(self._stride)]))
        self._windows = _Hashes(windows, width)
        self._starts = _Hashes(np.unique(words), WORD)

    def find(self, content: Array) -> tuple[Array, Array]:
        """Pattern numbers and positions, each pair once."""
        import numpy as np

        if len(content) < WORD:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        every = np.ndarray(shape=(len(content) - WORD + 1,), dtype=np.uint64, buffer=content, strides=(1,))
        found = [self._verified(content, every, *self._begun(every, places)) for places in self._likely(content)]
        return np.concatenate([one for one, _ in found]), np.concatenate([one for _, one in found])

    def _likely(self, content: Array) -> Iterator[Array]:
        """Places, multiples of the stride, at which a window of a pattern may stand."""
        import numpy as np

        scratch = _Scratch(_BLOCK)
        for start in range(0, WORD, self._stride):
            whole = max(len(content) - start, 0) // WORD
            words = content[start : start + whole * WORD].view(np.uint64)
            for low in range(0, whole, _BLOCK):
                places = self._windows.places_in(words[low : low + _BLOCK], scratch)
                for part in range(0, len(places), _PLACES):
                    yield (places[part : part + _PLACES] + low) * WORD + start
        # Where no whole word fits any more a window may still stand.
        last = len(content) - WORD + 1
        yield np.arange(-(-last // self._stride) * self._stride, len(content), self._stride, dtype=np.int64)

    def _begun(self, every: Array, places: Array) -> tuple[Array, Array]:
        """Patterns that may begin, and where: their first words stand there, a window of them at one of `places`."""
        import numpy as np

        # A place is the only multiple of the stride within a stride of a position, so a position is met once.
        positions = (places[:, None] - np.arange(self._stride)).ravel()
        positions = positions[(positions >= 0) & (positions < len(every))]
        words = every[positions]
        likely = self._starts.places(words, _Scratch(len(words)))
        positions, words = positions[likely], words[likely]
        numbers, at = self._by_one.find(words)
        two = positions + WORD < len(every)
        more, then = self._by_two.find(_both(words[two], every[positions[two] + WORD]))
        return np.concatenate([numbers, more]), np.concatenate([positions[at], positions[two][then]])

    def _verified(self, content: Array, every: Array, numbers: Array, positions: Array) -> tuple[Array, Array]:
        """Of patterns that may begin at positions, those that stand there as a whole."""
        import numpy as np

        lengths = self.lengths[numbers]
        inside = positions + lengths <= len(content)
        numbers, positions, lengths = numbers[inside], positions[inside], lengths[inside]
        # How they end tells most of those apart that begin alike, at the price of one word.
        ended = every[positions + lengths - WORD] == self._ends[numbers]
        numbers, positions, lengths = numbers[ended], positions[ended], lengths[ended]
        if not len(numbers):
            return numbers, positions
        within = _counting(lengths)
        wanted = self._text[np.repeat(self._from[numbers], lengths) + within]
        same = content[np.repeat(positions, lengths) + within] == wanted
        equal = np.logical_and.reduceat(same, np.cumsum(lengths) - lengths)
        return numbers[equal], positions[equal]


class _Index:
    """Which patterns have a key; several may have the same."""

    def __init__(self, keys: Array, numbers: Array) -> None:
        import numpy as np

        order = np.argsort(keys, kind="stable")
        self._numbers = numbers[order]
        self._keys, self._first, self._entries = np.unique(keys[order], return_index=True, return_counts=True)

    def find(self, keys: Array) -> tuple[Array, Array]:
        """Patterns that have one of the keys, and which key of those asked for it is."""
        import numpy as np

        if not len(self._keys) or not len(keys):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        nearest = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        asked = np.flatnonzero(self._keys[nearest] == keys)
        which = nearest[asked]
        counts = self._entries[which]
        return self._numbers[np.repeat(self._first[which], counts) + _counting(counts)], np.repeat(asked, counts)


class _Hashes:
    """Which of many words may be one of a set, by the hash of their first `width` bytes (little-endian)."""

    def __init__(self, words: Array, width: int) -> None:
        import numpy as np

        # Multiplied by this, the bytes after the first `width` are beyond the 64 bits.
        self._multiplier = np.uint64((_MULTIPLIER << 8 * (WORD - width)) & (2**64 - 1))
        bits = min(_MOST_BITS, max(12, int(np.ceil(np.log2(len(words) * 64)))))
        self._shift = np.uint64(64 - bits)
        taken = np.zeros(1 << bits, dtype=bool)
        taken[(words * self._multiplier >> self._shift).astype(np.int64)] = True
        # A bit for each hash: a table that fits into the processor's cache is looked into twice as fast.
        self._table = np.packbits(taken, bitorder="little")
        self._never = ~np.bitwise_or.reduce(words) & np.uint64(2 ** (8 * width) - 1)

    def places_in(self, words: Array, scratch: _Scratch) -> Array:
        """As `places`; where most words have a bit that no word of the set has, the others only are looked up.

        Text is of bytes without the highest bit, and so are nearly all patterns; what is compressed is not.
        """
        import numpy as np

        sample = words[:: max(1, len(words) // _SAMPLE)] & self._never
        if np.count_nonzero(sample) < _MOSTLY * len(sample):
            return self.places(words, scratch)
        masked = np.bitwise_and(words, self._never, out=scratch.hashed[: len(words)])
        possible = np.flatnonzero(np.equal(masked, 0, out=scratch.there[: len(words)]))
        return possible[self.places(words[possible], scratch)]

    def places(self, words: Array, scratch: _Scratch) -> Array:
        """Indices of words that may be in the set; no word of the set is left out."""
        import numpy as np

        size = len(words)
        hashed, at, there, bit = scratch.hashed[:size], scratch.at[:size], scratch.there[:size], scratch.bit[:size]
        np.multiply(words, self._multiplier, out=hashed)
        np.right_shift(hashed, self._shift, out=hashed)
        np.right_shift(hashed, _BYTE, out=at)
        taken = there.view(np.uint8)
        np.take(self._table, at.view(np.int64), out=taken, mode="clip")
        np.copyto(bit, hashed, casting="unsafe")
        np.bitwise_and(bit, _IN_BYTE, out=bit)
        np.right_shift(taken, bit, out=taken)
        np.bitwise_and(taken, 1, out=taken)
        return np.flatnonzero(there)


class _Scratch:
    """Room for what is computed of up to `size` words; asking the system for it each time costs more than the sums."""

    def __init__(self, size: int) -> None:
        import numpy as np

        self.hashed = np.empty(size, dtype=np.uint64)
        self.at = np.empty(size, dtype=np.uint64)
        self.bit = np.empty(size, dtype=np.uint8)
        self.there = np.empty(size, dtype=bool)


def _words(patterns: Sequence[Pattern], offset: int, width: int) -> Array:
    """The bytes of each pattern from `offset` as numbers."""
    import numpy as np

    parts = [pattern.bytes[offset : offset + width].ljust(WORD, b"\0") for pattern in patterns]
    return np.frombuffer(b"".join(parts), dtype="<u8")


def _both(words: Array, following: Array) -> Array:
    """One number for two words; others may have the same."""
    import numpy as np

    mixed: Array = words * np.uint64(_MULTIPLIER) ^ following
    return mixed


def _counting(counts: Array) -> Array:
    """0, 1, … for each of the counts, one after the other."""
    import numpy as np

    numbers: Array = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return numbers


def _stand_alone(content: Array, starts: Array, stops: Array, *, low: Array | int, high: Array | int) -> Array:
    r"""Which plain hits are whole values: `ann@x.org` is not in `joann@x.org` nor in `ann@x.org.uk`.

    A byte before them that belongs to an escape (`\n` in JSON, `%3A` in a URL) joins nothing. The text that they are in
    goes from `low` to `high`.
    """
    import numpy as np

    def at(places: Array) -> Array:
        inside = (places >= low) & (places < high)
        return np.where(inside, content.take(places, mode="clip"), np.uint8(_BLANK))

    before, after = at(starts - 1), at(stops)
    escaped = (at(starts - 2) == ord("\\")) & np.isin(before, _ESCAPES) | (at(starts - 3) == ord("%"))
    joined = np.isin(before, _JOINS_BEFORE) & ~escaped
    followed = np.isin(after, _JOINS_AFTER) | (after == ord(".")) & np.isin(at(stops + 1), _WORD)
    alone: Array = ~(joined | followed)
    return alone
