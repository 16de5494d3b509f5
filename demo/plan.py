"""The plan of one chunk: which scenario, which seed, which of the people. Everything else follows from it."""

from __future__ import annotations

from dataclasses import dataclass

from demo.dice import Dice, stream
from demo.scenario import Scenario

# Households never cross a chunk; 20,000 people take about 600 MB while their files are written.
PEOPLE_PER_CHUNK = 20_000


@dataclass(frozen=True)
class Plan:
    """Chunk number `chunk` of a world of `total` people. It travels to other processes, so it is small."""

    scenario: Scenario
    seed: int
    chunk: int
    total: int
    per_chunk: int = PEOPLE_PER_CHUNK

    @property
    def first(self) -> int:
        """Number of the chunk's first person."""
        return self.chunk * self.per_chunk

    @property
    def size(self) -> int:
        """People in the chunk."""
        return min(self.per_chunk, self.total - self.first)

    @property
    def chunks(self) -> int:
        """Chunks in the world."""
        return -(-self.total // self.per_chunk)

    def dice(self, name: str) -> Dice:
        """The chunk's own dice of that name; asking twice gives the same throws twice."""
        return stream(self.seed, self.chunk, name)
