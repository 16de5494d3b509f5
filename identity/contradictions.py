"""What the decisions that hold say of any two records, and whether a new decision fits them.

Records tied by always-links form groups; a never-link keeps two groups apart. A decision that would tie what is kept
apart is refused with the way that leads from one record to the other, one that changes nothing with what says it
already. No I/O.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence

from cdp.domain.decisions import ALWAYS, Link, StandingLink
from cdp.errors import ConflictError

_NEW = "this decision"


class Settled:
    """The groups that links make, and which of them are kept apart."""

    def __init__(self, links: Sequence[StandingLink]) -> None:
        # record → (neighbour along an always-link, the decision that says so)
        self._neighbours: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for link in links:
            if link.kind == ALWAYS:
                self._neighbours[link.record_a].append((link.record_b, link.decision_id))
                self._neighbours[link.record_b].append((link.record_a, link.decision_id))
        self._group: dict[str, str] = {}
        for record in sorted(self._neighbours):
            self._spread(record)
        # (group, group) → the decision that keeps them apart, in both orders
        self.apart: dict[tuple[str, str], str] = {}
        for link in links:
            if link.kind != ALWAYS:
                one, other = self.group(link.record_a), self.group(link.record_b)
                self.apart[one, other] = self.apart[other, one] = link.decision_id

    @property
    def groups(self) -> dict[str, str]:
        """Tied records → the smallest record of their group; records that stand alone are not in it."""
        return self._group

    def group(self, record: str) -> str:
        """The smallest record that always-links tie a record to: itself when there are none."""
        return self._group.get(record, record)

    def says(self, link: Link) -> list[str]:
        """The decisions that say together what `link` says; none when they do not."""
        one, other = self.group(link.record_a), self.group(link.record_b)
        if link.kind != ALWAYS:
            return [self.apart[one, other]] if (one, other) in self.apart else []
        return [by for _, by in self.path(link.record_a, link.record_b)] if one == other else []

    def path(self, start: str, end: str) -> list[tuple[str, str]]:
        """The shortest way along always-links within a group: the records after `start`, each with its decision."""
        came: dict[str, tuple[str, str] | None] = {start: None}
        waiting = deque([start])
        while waiting and end not in came:
            here = waiting.popleft()
            for record, decision in sorted(self._neighbours.get(here, [])):
                if record not in came:
                    came[record] = (here, decision)
                    waiting.append(record)
        path: list[tuple[str, str]] = []
        record = end
        while (step := came[record]) is not None:
            path.append((record, step[1]))
            record = step[0]
        return path[::-1]

    def _spread(self, start: str) -> None:
        if start in self._group:
            return
        self._group[start] = start
        waiting = [start]
        while waiting:
            for record, _ in self._neighbours[waiting.pop()]:
                if record not in self._group:
                    self._group[record] = start
                    waiting.append(record)


def check(standing: Sequence[StandingLink], links: Sequence[Link]) -> None:
    """ConflictError when `links` contradict those that hold, or when those say all of it already."""
    known = Settled(standing)
    said = [known.says(link) for link in links]
    if all(said):
        named = ", ".join(sorted({decision for decisions in said for decision in decisions}))
        raise ConflictError(f"This is decided already ({named}); the next run carries it out if none has yet.")
    everything = [*standing, *(StandingLink(_NEW, link.kind, link.record_a, link.record_b) for link in links)]
    together = Settled(everything)
    for link in everything:
        if link.kind == ALWAYS or together.group(link.record_a) != together.group(link.record_b):
            continue
        steps = together.path(link.record_a, link.record_b)
        told = " - ".join([link.record_a, *(f"{record} (always, {by})" for record, by in steps)])
        raise ConflictError(
            f"This contradicts what was decided: {link.record_a} and {link.record_b} are never one person "
            f"({link.decision_id}), but always-links lead from one to the other: {told}. Withdraw one of them first."
        )
