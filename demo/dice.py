"""Reproducible randomness: named streams, weighted picks, and numbers that hide their order.

Every module throws its own dice: a stream depends on the seed, the chunk and a name only, so that a change in one place
does not shift the rest of the world.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Texts = NDArray[np.str_]
Dice = np.random.Generator

# A chunk number that no chunk has: for what is drawn once per world.
WORLD = 2**31


def stream(seed: int, chunk: int, name: str) -> Dice:
    """The dice of `name` in one chunk of one world."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, chunk, zlib.crc32(name.encode())])))


def chance(dice: Dice, rate: float | Floats, size: int) -> Bools:
    """`size` throws that come true with `rate` (one for all, or one each)."""
    return dice.random(size) < rate


def cumulative(weights: Sequence[float] | Floats) -> Floats:
    """Running sum of weights, ending at exactly 1."""
    total = np.cumsum(np.asarray(weights, dtype=np.float64))
    total /= total[-1]
    total[-1] = 1.0
    return total


def pick(dice: Dice, sums: Floats, size: int) -> Ints:
    """Indexes drawn by the weights behind `sums` (see `cumulative`)."""
    return np.asarray(np.searchsorted(sums, dice.random(size), side="right"), dtype=np.int64)


def pick_in_rows(dice: Dice, rows: Floats) -> Ints:
    """One index per row of a matrix of running sums; a row that ends below 1 yields its length with the rest."""
    return np.asarray((dice.random(len(rows))[:, None] >= rows).sum(axis=1), dtype=np.int64)


def within(dice: Dice, starts: Ints, lengths: Ints) -> Ints:
    """One uniform index per row from the block `starts[i] .. starts[i] + lengths[i]`."""
    return starts + (dice.random(len(starts)) * lengths).astype(np.int64)


class Scatter:
    """A one-to-one map of 0..capacity onto 0..modulus that shows neither order nor neighbourhood.

    i → (a·i + b) mod m with gcd(a, m) = 1; `a` is bounded so that the product fits 63 bits.
    """

    def __init__(self, seed: int, name: str, capacity: int, modulus: int | None = None) -> None:
        dice = stream(seed, WORLD, name)
        self.modulus = max(modulus or capacity, capacity, 1)
        highest = min(self.modulus, 2**62 // max(capacity, 1))
        factor = int(dice.integers(highest // 3, highest)) if highest > 3 else 1
        while math.gcd(factor, self.modulus) != 1:
            factor += 1
        self._factor = factor
        self._offset = int(dice.integers(0, self.modulus))

    def __call__(self, index: Ints) -> Ints:
        """The scattered numbers."""
        return (index * self._factor + self._offset) % self.modulus


def padded(numbers: Ints, width: int, prefix: str = "") -> Texts:
    """Whole numbers as text with leading zeros, after a prefix."""
    if not len(numbers):
        return np.zeros(0, "U1")
    return np.asarray(np.strings.add(prefix, np.strings.zfill(numbers.astype(np.str_), width)))


def fill_pattern(dice: Dice, patterns: Texts) -> Texts:
    """Replace # by a digit, N by a digit from 2 to 9 and @ by a capital letter, in every text of an array."""
    cells: NDArray[Any] = (
        np.ascontiguousarray(patterns).view(np.uint32).reshape(len(patterns), patterns.dtype.itemsize // 4).copy()
    )
    draw = dice.random(cells.shape)
    cells = np.where(cells == ord("#"), 48 + (draw * 10).astype(np.uint32), cells)
    cells = np.where(cells == ord("N"), 50 + (draw * 8).astype(np.uint32), cells)
    cells = np.where(cells == ord("@"), 65 + (draw * 26).astype(np.uint32), cells)
    return np.ascontiguousarray(cells.astype(np.uint32)).view(patterns.dtype).reshape(-1)
