"""Which definitions fit a stage set: those that name only stages it has.

A shipped segment about a stage that another business does not have is left out there; it is not broken. What refers
to a segment that is left out is left out too.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from segments.definition import SegmentDefinition, Stage, Transition
from segments.tree import references, walk


def stages_named(definition: SegmentDefinition) -> set[str]:
    """The stages that a definition's own conditions name."""
    named: set[str] = set()
    for _, node in walk(definition.where):
        if isinstance(node, Stage):
            named.update(node.stages)
        elif isinstance(node, Transition):
            named.update(stage for stage in (node.from_stage, node.to_stage) if stage is not None)
    return named


def fitting(
    connection: duckdb.DuckDBPyConnection, definitions: Iterable[SegmentDefinition]
) -> tuple[list[SegmentDefinition], list[str]]:
    """The definitions that fit the stages of an open snapshot, and the keys of those that do not."""
    known = {row[0] for row in connection.execute("select stage from marts.journey_stages").fetchall()}
    given = list(definitions)
    left_out = {one.key for one in given if not stages_named(one) <= known}
    while more := {one.key for one in given if one.key not in left_out and _refers(one, left_out)}:
        left_out |= more
    return [one for one in given if one.key not in left_out], sorted(left_out)


def _refers(definition: SegmentDefinition, keys: set[str]) -> bool:
    return any(key in keys for _, key in references(definition))
