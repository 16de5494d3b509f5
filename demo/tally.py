"""Counts of throws: how many there were and how many came true, by name; the facts are made of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from demo.dice import Bools


@dataclass
class Tally:
    """Counts of one chunk or of the whole world."""

    n: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)

    def count(self, name: str, hits: Bools) -> None:
        """Add one group: its size and how many of it hit."""
        self.n[name] += len(hits)
        self.hits[name] += int(hits.sum())

    def add(self, other: Tally) -> None:
        """Add the counts of another tally."""
        self.n.update(other.n)
        self.hits.update(other.hits)

    def facts(self) -> dict[str, dict[str, Any]]:
        """`{name: {n, hits, rate}}`, by name; the rate of nothing is null."""
        return {
            name: {"n": n, "hits": self.hits[name], "rate": round(self.hits[name] / n, 4) if n else None}
            for name, n in sorted(self.n.items())
        }
