"""Weighted edges → clusters, the same whatever the order of the input.

Records joined by edges form components. A component in which nothing contradicts is one person as it stands. In the
others the two parts with the highest mean weight between them are joined first, again and again, while that mean
speaks for one person and no constraint forbids it: never-links, one record per source, the size cap. Always-links come
first of all. Every edge that would have joined but did not is recorded with its reason. Records are numbers here, in
the order of their keys; this module does no I/O.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from identity.config import MatchConfig

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

# One overwhelming agreement must not drown several contradictions, nor the other way round.
_CLIP = 10.0

NEVER = "never-link"
ONE_PER_SOURCE = "one record per source"
TOO_LARGE = "size cap"
CONTRADICTED = "contradicted by other records"


@dataclass
class Graph:
    """Records 0..n-1 and what is known between them.

    `source` numbers the source of each record where it keeps a person once, else -1. `a`, `b`, `weight` are parallel
    and hold every scored pair, also those that speak against. `always` and `never` are (k, 2).
    """

    size: int
    source: Array
    a: Array
    b: Array
    weight: Array
    always: Array
    never: Array


@dataclass
class Clusters:
    """The smallest record of its cluster per record, and refused edges as (position in the edge list, reason)."""

    label: Array
    refused: list[tuple[int, str]] = field(default_factory=list)


def components(graph: Graph, join_weight: float) -> Array:
    """Per record the smallest record that edges at or above `join_weight`, or always-links, lead to."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    joining = graph.weight >= join_weight
    a = np.concatenate([graph.a[joining], graph.always[:, 0]])
    b = np.concatenate([graph.b[joining], graph.always[:, 1]])
    matrix = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(graph.size, graph.size))
    _, labels = connected_components(matrix, directed=False)
    smallest = np.full(labels.max() + 1 if graph.size else 0, graph.size)
    np.minimum.at(smallest, labels, np.arange(graph.size))
    lowest: Array = smallest[labels]
    return lowest


def contradicted(graph: Graph, component: Array, signatures: list[Array], config: MatchConfig) -> Array:
    """Whether each record's component holds something that speaks against it being one person.

    `signatures` number what a person has one of (first name, birth date …), -1 for not stated.
    """
    import numpy as np

    tense = np.zeros(graph.size, dtype=bool)
    sizes = np.bincount(component, minlength=graph.size)
    tense[sizes > config.cluster_cap] = True
    against = (graph.weight < config.join_weight) & (component[graph.a] == component[graph.b])
    tense[component[graph.a[against]]] = True
    if len(graph.never):
        within = component[graph.never[:, 0]] == component[graph.never[:, 1]]
        tense[component[graph.never[within, 0]]] = True
    tense[_repeats(component, graph.source)] = True
    # Where every pair is scored and speaks for joining, a difference has been weighed already.
    joining = np.bincount(component[graph.a[graph.weight >= config.join_weight]], minlength=graph.size)
    incomplete = joining < sizes * (sizes - 1) // 2
    for signature in signatures:
        differing = _differs(component, signature)
        tense[differing[incomplete[differing]]] = True
    found: Array = tense[component]
    return found


def _repeats(component: Array, source: Array) -> Array:
    """Components that hold two records of one once-only source."""
    import numpy as np

    known = source >= 0
    pairs, counts = np.unique(np.stack([component[known], source[known]]), axis=1, return_counts=True)
    repeated: Array = pairs[0][counts > 1]
    return repeated


def _differs(component: Array, signature: Array) -> Array:
    """Components with more than one stated value."""
    import numpy as np

    known = signature >= 0
    lowest = np.full(len(component), np.iinfo(np.int64).max)
    highest = np.full(len(component), -1)
    np.minimum.at(lowest, component[known], signature[known])
    np.maximum.at(highest, component[known], signature[known])
    return np.flatnonzero(highest > np.where(highest < 0, highest, lowest))


def cluster(graph: Graph, tense: Array, component: Array, config: MatchConfig) -> Clusters:
    """Clusters of all records: components as they are where nothing contradicts, else joined best-first."""
    import numpy as np

    label = component.copy()
    positions: dict[int, list[int]] = defaultdict(list)
    inside = tense[graph.a] & (component[graph.a] == component[graph.b])
    for position in np.flatnonzero(inside).tolist():
        positions[int(component[graph.a[position]])].append(position)
    members: dict[int, list[int]] = defaultdict(list)
    for record in np.flatnonzero(tense).tolist():
        members[int(component[record])].append(record)
    always = _grouped(graph.always, component, tense)
    never = _grouped(graph.never, component, tense)
    refused: list[tuple[int, str]] = []
    for root, records in members.items():
        groups = _Groups(records, graph, always[root], never[root], config)
        groups.join(positions[root])
        for record in records:
            label[record] = groups.of[record]
        refused += groups.refusals(positions[root])
    refused.sort()
    return Clusters(label, refused)


def _grouped(links: Array, component: Array, tense: Array) -> dict[int, list[tuple[int, int]]]:
    grouped: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for a, b in links:
        if tense[a] and component[a] == component[b]:
            grouped[int(component[a])].append((int(a), int(b)))
    return grouped


@dataclass
class _Between:
    """The weights of the scored pairs between two parts."""

    total: float = 0.0
    pairs: int = 0
    best: float = -1e9

    def add(self, weight: float) -> None:
        self.total += max(-_CLIP, min(_CLIP, weight))
        self.pairs += 1
        self.best = max(self.best, weight)

    def absorb(self, other: _Between) -> None:
        self.total += other.total
        self.pairs += other.pairs
        self.best = max(self.best, other.best)

    @property
    def mean(self) -> float:
        return self.total / self.pairs if self.pairs else -1e9


class _Groups:
    """The groups of one component while they are joined.

    Evidence is weighed between parts, records that evidence has joined. A group is one part, or several that a person's
    always-link ties together: what speaks for joining one of them is not drowned by the others. Constraints hold for
    groups. Parts and groups are named by their smallest record.
    """

    def __init__(
        self,
        records: list[int],
        graph: Graph,
        always: list[tuple[int, int]],
        never: list[tuple[int, int]],
        config: MatchConfig,
    ) -> None:
        self.graph, self.config = graph, config
        self.part = {record: record for record in records}
        self.in_part = {record: [record] for record in records}
        self.between: dict[int, dict[int, _Between]] = defaultdict(dict)
        self.of = {record: record for record in records}
        self.members = {record: [record] for record in records}
        self.sources = {r: {int(graph.source[r])} if graph.source[r] >= 0 else set() for r in records}
        self.forbidden: dict[int, set[int]] = defaultdict(set)
        for a, b in never:
            self.forbidden[a].add(b)
            self.forbidden[b].add(a)
        for a, b in sorted(always):
            self._tie(a, b)

    def join(self, positions: list[int]) -> None:
        """Join parts, highest mean weight first, until no joining is left that the data and the constraints allow."""
        for position in positions:
            a, b = int(self.graph.a[position]), int(self.graph.b[position])
            self._link(a, b).add(float(self.graph.weight[position]))
        heap = [(-link.mean, -link.best, a, b) for a in self.between for b, link in self.between[a].items() if a < b]
        heapq.heapify(heap)
        while heap:
            mean, best, a, b = heapq.heappop(heap)
            link = self.between.get(a, {}).get(b)
            if link is None or (-mean, -best) != (link.mean, link.best) or not self._speaks(link) or self._reason(a, b):
                continue
            kept = self._unite(a, b)
            for other, link in self.between[kept].items():
                heapq.heappush(heap, (-link.mean, -link.best, min(kept, other), max(kept, other)))

    def refusals(self, positions: list[int]) -> list[tuple[int, str]]:
        """Edges that spoke for joining and stayed between two groups, with the reason."""
        found = []
        for position in positions:
            a, b = int(self.graph.a[position]), int(self.graph.b[position])
            if self.of[a] != self.of[b] and self.graph.weight[position] >= self.config.join_weight:
                found.append((position, self._reason(a, b) or CONTRADICTED))
        return found

    def _speaks(self, link: _Between) -> bool:
        return link.mean >= self.config.join_weight and link.best >= self.config.join_weight

    def _reason(self, a: int, b: int) -> str | None:
        """Why the groups of two records may not be joined, if so."""
        one, other = self.of[a], self.of[b]
        if one == other:
            return None
        if not self.forbidden[one].isdisjoint(self.members[other]):
            return NEVER
        if self.sources[one] & self.sources[other]:
            return ONE_PER_SOURCE
        if len(self.members[one]) + len(self.members[other]) > self.config.cluster_cap:
            return TOO_LARGE
        return None

    def _link(self, a: int, b: int) -> _Between:
        link = self.between[a].get(b)
        if link is None:
            link = self.between[a][b] = self.between[b][a] = _Between()
        return link

    def _unite(self, a: int, b: int) -> int:
        """Make one part of two, and one group of theirs; returns the part's name."""
        self._tie(a, b)
        kept, gone = min(a, b), max(a, b)
        for record in self.in_part[gone]:
            self.part[record] = kept
        self.in_part[kept] += self.in_part.pop(gone)
        self.between[kept].pop(gone, None)
        for other, link in self.between.pop(gone, {}).items():
            if other != kept:
                del self.between[other][gone]
                self._link(kept, other).absorb(link)
        return kept

    def _tie(self, a: int, b: int) -> None:
        """Make one group of the groups of two records."""
        one, other = self.of[a], self.of[b]
        if one == other:
            return
        kept, gone = min(one, other), max(one, other)
        for record in self.members[gone]:
            self.of[record] = kept
        self.members[kept] += self.members.pop(gone)
        self.sources[kept] |= self.sources.pop(gone)
        self.forbidden[kept] |= self.forbidden.pop(gone, set())


@dataclass
class Standing:
    """How sure the place of each record is, and whether only a name holds it there."""

    confidence: Array
    provisional: Array


def standing(graph: Graph, label: Array, name_only: Array, join_weight: float) -> Standing:
    """Confidence and provisional mark of every record.

    Confidence is the probability of a record's best edge in its cluster. The core of a cluster is its largest part that
    holds without names; who is outside it is provisional.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    inside = (label[graph.a] == label[graph.b]) & (graph.weight >= join_weight)
    best = np.full(graph.size, -np.inf)
    for side in (graph.a, graph.b):
        np.maximum.at(best, side[inside], graph.weight[inside])
    decided = label[graph.always[:, 0]] == label[graph.always[:, 1]]
    for column in (0, 1):
        best[graph.always[decided, column]] = 60.0
    alone = np.bincount(label, minlength=graph.size)[label] == 1
    # A member without an edge of its own that joins stands by the mean of its group, so by chance at worst.
    confidence = np.where(alone, 1.0, np.where(np.isfinite(best), 1 / (1 + np.exp2(-np.clip(best, -60, 60))), 0.5))

    firm = inside & ~name_only
    a = np.concatenate([graph.a[firm], graph.always[decided, 0]])
    b = np.concatenate([graph.b[firm], graph.always[decided, 1]])
    matrix = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(graph.size, graph.size))
    _, part = connected_components(matrix, directed=False)
    sizes = np.bincount(part, minlength=graph.size)[part] if graph.size else np.zeros(0, dtype=np.int64)
    order = np.lexsort((np.arange(graph.size), -sizes, label))
    first = np.ones(graph.size, dtype=bool)
    first[1:] = label[order][1:] != label[order][:-1]
    core = np.full(graph.size, -1)
    core[label[order[first]]] = part[order[first]]
    provisional = ~alone & ((part != core[label]) | (sizes == 1))
    return Standing(confidence, provisional)
