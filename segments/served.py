"""All segments there are, shipped and the users' own, and the rows that are served of them.

A user segment never shadows a shipped one: where both have a key (a newer version may ship one), the shipped one is
served, and says so. A stored definition that this version cannot read is broken, not fatal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cdp.store.base import Origin, SegmentRow
from cdp.store.segmentation import DefinitionVersion
from segments import document, library, tree
from segments.definition import Sample, SegmentDefinition
from segments.errors import DefinitionError
from segments.evaluate import Evaluated


@dataclass(frozen=True)
class Known:
    """Definitions by key, what could not be read, and the versions of user segments that they were made of."""

    definitions: Mapping[str, SegmentDefinition]
    versions: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()

    def origin(self, key: str) -> Origin:
        """Whether a segment ships with Wayfinder or is a user's own."""
        return "user" if key in self.versions and key not in self.hidden else "shipped"


def collect(stored: Iterable[DefinitionVersion], shipped: Iterable[SegmentDefinition] | None = None) -> Known:
    """The shipped segments and the stored ones."""
    definitions = {one.key: one for one in (library.load() if shipped is None else shipped)}
    reserved, versions, unreadable = set(definitions), {}, {}
    for one in stored:
        versions[one.key] = one.version
        if one.key in reserved:
            continue
        try:
            definitions[one.key] = read(one)
        except DefinitionError as error:
            unreadable[one.key] = error.message
    return Known(definitions, versions, unreadable, frozenset(versions) & reserved)


def read(version: DefinitionVersion) -> SegmentDefinition:
    """The definition of a stored version; DefinitionError when this version of Wayfinder does not know its form."""
    content = {**json.loads(version.definition), "version": version.version}
    return document.parse(content, subject=f"Segment {version.key}")


def row(segment: Evaluated, evaluated_at: datetime, origin: Origin, *, hides: bool = False) -> SegmentRow:
    """The served row of an evaluated segment; `hides` when a user's own segment of the same key is not served."""
    hint = f"A segment of your own has the key {segment.key} too and is not served: create it again under another key."
    return SegmentRow(
        key=segment.key,
        title=segment.title,
        description=segment.description,
        definition=json.dumps(document.dump(segment.definition), ensure_ascii=False),
        sentence=segment.sentence,
        version=segment.version,
        purpose=segment.purpose,
        size=segment.size,
        exportable=segment.exportable,
        evaluated_at=evaluated_at,
        origin=origin,
        problem=segment.problem or (hint if hides else None),
        blocking=segment.blocking,
    )


def definition_of(row: SegmentRow) -> SegmentDefinition:
    """The definition in a served row; DefinitionError when this version does not know its form."""
    return document.parse(json.loads(row.definition), subject=f"Segment {row.key}")


def salts(row: SegmentRow) -> set[str]:
    """The salts of the samples that a served segment draws; none when this version does not know its form."""
    try:
        where = definition_of(row).where
    except DefinitionError:
        return set()
    return {node.salt for _, node in tree.walk(where) if isinstance(node, Sample)}


def deleted_row(version: DefinitionVersion) -> SegmentRow:
    """What there is to say of a segment that was deleted."""
    facts = json.loads(version.definition)
    return SegmentRow(
        key=version.key,
        title=facts.get("title", version.key),
        description=facts.get("description", ""),
        definition=version.definition,
        sentence=version.sentence,
        version=version.version,
        purpose=facts.get("purpose", "marketing"),
        size=0,
        exportable=0,
        evaluated_at=version.saved_at,
        origin="user",
    )
