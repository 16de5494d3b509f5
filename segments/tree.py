"""Walking a definition: children with their paths, size, references, and what stops evaluation of single profiles.

Paths are those of the JSON document (`where.of[1].of`), so that an author finds the place. Nothing here looks at data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cdp.wording import nearest
from segments.definition import (
    MAX_DEPTH,
    MAX_NODES,
    And,
    Not,
    Or,
    Part,
    Rank,
    SegmentDefinition,
    SegmentRef,
    Sequence,
    Stage,
)
from segments.errors import DefinitionError, Problem

Library = Mapping[str, SegmentDefinition]

MAX_EXPANDED_DEPTH = 150


def children(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The conditions directly below a condition, each with its path."""
    match node:
        case And(of=of) | Or(of=of):
            for number, child in enumerate(of):
                yield f"{path}.of[{number}]", child
        case Not(of=child):
            yield f"{path}.of", child
        case Rank(among=child) if child is not None:
            yield f"{path}.among", child


def walk(node: Any, path: str = "where") -> Iterator[tuple[str, Any]]:
    """Every condition of a tree with its path, parents first."""
    stack = [(path, node)]
    while stack:
        here, current = stack.pop()
        yield here, current
        stack.extend(reversed(list(children(current, here))))


def references(definition: SegmentDefinition) -> list[tuple[str, str]]:
    """Path and key of every segment that this one refers to."""
    return [(path, node.key) for path, node in walk(definition.where) if isinstance(node, SegmentRef)]


def dependents(key: str, library: Library) -> list[str]:
    """Keys of all segments whose members depend on a segment, through others too; ordered, the segment left out."""
    users: dict[str, set[str]] = {}
    for definition in library.values():
        for _, used in references(definition):
            users.setdefault(used, set()).add(definition.key)
    found: set[str] = set()
    pending = {key}
    while pending:
        pending = {user for used in pending for user in users.get(used, ())} - found - {key}
        found |= pending
    return sorted(found)


def raw_problem(where: Any) -> Problem | None:
    """The first thing wrong with the size or depth of an unchecked document; looked at before anything recurses."""
    nodes, level = 0, [("where", where)]
    for depth in range(MAX_DEPTH + 1):
        below: list[tuple[str, Any]] = []
        for path, node in level:
            if not isinstance(node, dict):
                continue
            nodes += 1
            for name in ("of", "among"):
                value = node.get(name)
                if isinstance(value, list):
                    below.extend((f"{path}.{name}[{number}]", child) for number, child in enumerate(value))
                elif isinstance(value, dict):
                    below.append((f"{path}.{name}", value))
        if nodes > MAX_NODES:
            return Problem("where", f"the tree has more than {MAX_NODES:,} conditions; split it into segments.")
        if not below:
            return None
        if depth == MAX_DEPTH - 1:
            return Problem(
                below[0][0],
                f"conditions are nested deeper than {MAX_DEPTH} levels; put those of one kind side by side.",
            )
        level = below
    return None


def require_expandable(definition: SegmentDefinition, library: Library) -> None:
    """DefinitionError when a reference is unknown, leads back to itself, or makes the whole too large or too deep."""
    _Expansion(library, definition.key).measure(definition, ())


class _Expansion:
    """Size and depth of a definition with everything it refers to written out, each segment measured once.

    Whatever is wrong further down is told at the reference in the author's own tree that leads there.
    """

    def __init__(self, library: Library, subject: str) -> None:
        self._library = library
        self._subject = subject
        self._known: dict[str, tuple[int, int]] = {}

    def measure(
        self, definition: SegmentDefinition, trail: tuple[str, ...], place: str | None = None
    ) -> tuple[int, int]:
        if definition.key in self._known:
            return self._known[definition.key]
        size = depth = 0
        trail = (*trail, definition.key)
        for path, node in walk(definition.where):
            size += 1
            level = path.count(".")
            depth = max(depth, level)
            if isinstance(node, SegmentRef):
                below_size, below_depth = self._follow(node.key, place or path, trail)
                size, depth = size + below_size, max(depth, level + below_depth)
        if size > MAX_NODES or depth > MAX_EXPANDED_DEPTH:
            whole = f"with the segments it refers to it has {size:,} conditions, nested {depth} deep"
            raise self._error(place or "where", f"{whole}; at most {MAX_NODES:,} and {MAX_EXPANDED_DEPTH}.")
        self._known[definition.key] = (size, depth)
        return size, depth

    def _follow(self, key: str, place: str, trail: tuple[str, ...]) -> tuple[int, int]:
        if key in trail:
            circle = " → ".join((*trail[trail.index(key) :], key))
            raise self._error(place, f"the segments refer to each other in a circle: {circle}.")
        if key not in self._library:
            by = f", which {trail[-1]} refers to" if len(trail) > 1 else ""
            hint = nearest(key, self._library)
            raise self._error(place, f"there is no segment {key}{by}.{hint}", tuple(sorted(self._library)))
        if len(trail) > MAX_DEPTH:
            raise self._error(place, f"segments refer to each other over more than {MAX_DEPTH} steps.")
        return self.measure(self._library[key], trail, place)

    def _error(self, path: str, message: str, allowed: tuple[str, ...] = ()) -> DefinitionError:
        return DefinitionError([Problem(path, message, allowed)], subject=f"Segment {self._subject}")


def blocking_nodes(definition: SegmentDefinition, library: Library) -> list[tuple[str, str]]:
    """Path and reason of every condition that cannot be answered by looking at one profile alone."""
    found: list[tuple[str, str]] = []
    for path, node in walk(definition.where):
        if isinstance(node, Rank):
            found.append((path, f"{node.side} {node.percent:g} % by {node.trait} depends on all other profiles"))
        elif isinstance(node, SegmentRef):
            inner = blocking_nodes(library[node.key], library)
            found.extend((f"{path} → {node.key}.{place}", reason) for place, reason in inner)
    return found


def time_dependent(definition: SegmentDefinition, library: Library) -> bool:
    """Whether membership can change by the passing of time alone, so that single profiles need a later second look."""
    for _, node in walk(definition.where):
        if isinstance(node, SegmentRef):
            if time_dependent(library[node.key], library):
                return True
        elif _mentions_now(node):
            return True
    return False


def _mentions_now(node: Part) -> bool:
    """Whether a condition itself (not those below it) speaks of "ago", "the last" or "for so long"."""
    if isinstance(node, And | Or | Not | Rank):
        return False
    if isinstance(node, Stage) and node.time is not None:
        return True
    if isinstance(node, Sequence) and node.then_no is not None and node.then_no.within is not None:
        return True
    return _relative(node.model_dump(exclude_none=True))


def _relative(value: object) -> bool:
    if isinstance(value, dict):
        return "ago" in value or "last" in value or any(_relative(item) for item in value.values())
    return any(_relative(item) for item in value) if isinstance(value, list | tuple) else False
