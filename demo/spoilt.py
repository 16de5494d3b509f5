"""Bad rows: copies of good rows, spoilt in one field, put somewhere among the good ones and listed in the truth.

A spoilt row has an id of its own (`BADC…`, `BADD…`), so that nobody can mistake it for a second version of a good row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from demo.dice import Dice, Ints, Texts

BadRows = list[tuple[str, str]]


@dataclass(frozen=True)
class Problem:
    """One way to spoil a row: what the truth calls it, the prefix of the ids, and the rate."""

    label: str
    prefix: str
    rate: float


@dataclass(frozen=True)
class Mixture:
    """Good and bad rows in the order of the file: the row each is or copies, its problem (0 for none), its id."""

    rows: Ints
    problem: Ints
    bad_id: Texts
    bad: BadRows

    def ids(self, good: Texts) -> Texts:
        """Ids in the order of the file; `good` holds one for every good row."""
        return np.where(self.problem > 0, self.bad_id, good[self.rows])


def mixed(dice: Dice, count: int, chunk: int, problems: Sequence[Problem]) -> Mixture:
    """Spoil copies of `count` rows; the first chunk has at least one row of each problem with a rate above 0."""
    rows, kinds, places, keys, bad = (
        [np.arange(count)],
        [np.zeros(count, np.int64)],
        [np.arange(count, dtype=float)],
        [],
        [],
    )
    serial = chunk * 10_000
    for kind, problem in enumerate(problems, start=1):
        least = 1 if chunk == 0 and problem.rate and count else 0
        number = min(max(int(dice.binomial(count, problem.rate)), least), count)
        rows.append(dice.choice(count, number, replace=False) if number else np.zeros(0, np.int64))
        kinds.append(np.full(number, kind))
        places.append(dice.random(number) * count)
        names = [f"{problem.prefix}{serial + i + 1:06d}" for i in range(number)]
        serial += number
        keys += names
        bad += [(problem.label, name) for name in names]
    order = np.argsort(np.concatenate(places), kind="stable")
    ids = np.array([""] * count + keys) if count + len(keys) else np.zeros(0, "U1")
    return Mixture(np.concatenate(rows)[order], np.concatenate(kinds)[order], ids[order], bad)
