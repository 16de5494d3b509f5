"""Segments of users: create, change and delete them, evaluated at once on what is served.

A definition is checked against the served data (unknown names are faults here, unlike in a run), then it and all
segments that depend on it are evaluated by the same code as in a run, and version, members, history and changes are
written in one transaction of the store. What changed meanwhile raises OutdatedError: the caller reads and tries again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import duckdb

from cdp.errors import ConflictError, NotFoundError, VersionMismatch
from cdp.store.base import Publication, SegmentRow, Store
from cdp.store.segmentation import Basis, DefinitionVersion, Moved
from cdp.wording import nearest
from segments import catalogue as catalogues
from segments import check, document, served, tree
from segments.catalogue import Catalogue
from segments.definition import SegmentDefinition
from segments.errors import DefinitionError, Problem
from segments.evaluate import Evaluation, evaluate_all
from segments.gate import Gate
from segments.sentence import sentence

# Addresses beside the segments' own; see `api.segments`.
RESERVED_KEYS = frozenset({"schema", "preview", "changes"})


@dataclass(frozen=True)
class Saved:
    """A user segment as it is now; `changed` is False when the definition was the same already."""

    row: SegmentRow
    moved: Moved
    changed: bool


@dataclass(frozen=True)
class Place:
    """Where a segment is saved: the store, the publication, and a connection to its snapshot."""

    store: Store
    connection: duckdb.DuckDBPyConnection
    publication: Publication
    actor: str
    now: datetime
    gate: Gate | None = None
    # The last entry of the consent ledger that the gate knows.
    consents: int = 0
    catalogue: Catalogue | None = None


def create(place: Place, content: Any) -> Saved:
    """Add a segment. Raises DefinitionError, ConflictError when its key is taken, and OutdatedError."""
    definition = _parsed(content, place)
    known = served.collect(place.store.segmentation.definitions())
    last = place.store.segmentation.definition(definition.key)
    _refuse_taken(definition.key, known)
    version = last.version + 1 if last else 1
    return _save(place, known, replace_version(definition, version), expected=None)


def change(place: Place, key: str, content: Any, *, expected: int) -> Saved:
    """Replace the definition of a segment that is at version `expected`.

    Raises DefinitionError, NotFoundError, ConflictError for a shipped one, VersionMismatch and OutdatedError.
    """
    current = _current(place.store, key, expected)
    if isinstance(content, Mapping):
        content = {"key": key, **content}
        if content.get("version", expected) != expected:
            raise VersionMismatch(f"This is version {expected} of segment {key}, the document says another one.")
    definition = _parsed({**content, "version": expected} if isinstance(content, Mapping) else content, place)
    if definition.key != key:
        problem = Problem("key", f"the segment is called {key}; a key stays what it is.")
        raise DefinitionError([problem], subject="The segment")
    known = served.collect(place.store.segmentation.definitions())
    row = next((row for row in place.store.list_segments() if row.key == key), None)
    if row is not None and _same(current, definition):
        return Saved(row, Moved(0, 0), changed=False)
    return _save(place, known, replace_version(definition, expected + 1), expected=expected)


def delete(store: Store, key: str, *, expected: int, actor: str, now: datetime) -> Moved:
    """Delete a segment that is at version `expected`; everybody leaves it. ConflictError while others refer to it."""
    current = _current(store, key, expected)
    known = served.collect(store.segmentation.definitions())
    users = tree.dependents(key, known.definitions)
    if users:
        raise ConflictError(f"Segment {key} is used by {', '.join(users)}; change those first.")
    version = replace(current, version=expected + 1, saved_by=actor, saved_at=now, deleted=True)
    return store.segmentation.delete(version, expected=expected, definitions=known.versions, at=now)


def replace_version(definition: SegmentDefinition, version: int) -> SegmentDefinition:
    """The same definition as another version."""
    return definition.model_copy(update={"version": version})


def _parsed(content: Any, place: Place) -> SegmentDefinition:
    definition = document.parse(content)
    if definition.key in RESERVED_KEYS:
        raise DefinitionError([Problem("key", f"{definition.key} is an address of the API; choose another key.")])
    return definition if definition.author else definition.model_copy(update={"author": place.actor})


def _refuse_taken(key: str, known: served.Known) -> None:
    if key in known.definitions and known.origin(key) == "shipped":
        raise ConflictError(f"{key} is a segment that ships with Wayfinder; choose another key.")
    if key in known.versions:
        raise ConflictError(f"There is already a segment {key}; change that one or choose another key.")


def _current(store: Store, key: str, expected: int) -> DefinitionVersion:
    """The stored version that may be changed or deleted."""
    current = store.segmentation.definition(key)
    if current is None or current.deleted:
        origins = {row.key: row.origin for row in store.list_segments()}
        if origins.get(key) == "shipped":
            raise ConflictError(f"{key} ships with Wayfinder and stays as it is: create one of your own beside it.")
        raise NotFoundError(f"There is no segment with this key.{nearest(key, origins)}")
    if current.version != expected:
        raise VersionMismatch(
            f"Segment {key} is at version {current.version}, not {expected}: read it again, then change it."
        )
    return current


def _same(current: DefinitionVersion, definition: SegmentDefinition) -> bool:
    """Whether nothing but version and author differ."""
    unsaid = {"version", "author"}
    former = {name: value for name, value in json.loads(current.definition).items() if name not in unsaid}
    return former == {name: value for name, value in document.dump(definition).items() if name not in unsaid}


def _save(place: Place, known: served.Known, definition: SegmentDefinition, *, expected: int | None) -> Saved:
    library = {**known.definitions, definition.key: definition}
    names = place.catalogue or catalogues.read(place.connection)
    check.require(definition, names, library)
    keys = [definition.key, *tree.dependents(definition.key, library)]
    evaluation = evaluate_all(
        place.connection,
        library.values(),
        as_of=place.publication.as_of,
        gate=place.gate,
        keys=keys,
        catalogue=names,
    )
    broken_before = {row.key for row in place.store.list_segments() if row.problem}
    _require_sound(evaluation, definition.key, broken_before)
    sound = [one for one in evaluation.segments if one.problem is None]
    rows = [served.row(one, place.publication.as_of, "user") for one in sound]
    version = DefinitionVersion(
        definition.key,
        definition.version,
        json.dumps(document.dump(definition), ensure_ascii=False),
        sentence(definition.where),
        place.actor,
        place.now,
    )
    moved = place.store.segmentation.save(
        version,
        expected=expected,
        basis=Basis(place.publication.seq, known.versions, place.consents),
        segments=rows,
        memberships=memberships(evaluation),
        at=max(place.now, place.publication.as_of),
    )
    evaluation.close()
    return Saved(next(row for row in place.store.list_segments() if row.key == definition.key), moved, changed=True)


def _require_sound(evaluation: Evaluation, key: str, broken_before: Collection[str]) -> None:
    """The segment itself can be evaluated, and it breaks no other one."""
    broken = [one for one in evaluation.segments if one.problem and (one.key == key or one.key not in broken_before)]
    if broken:
        path = "where" if broken[0].key == key else f"where (used by {broken[0].key})"
        raise DefinitionError([Problem(path, broken[0].problem or "")], subject=f"Segment {key}")


def memberships(evaluation: Evaluation) -> Iterator[tuple[str, str, bool]]:
    """All memberships of an evaluation as (segment key, profile id, exportable)."""
    for batch in evaluation.memberships():
        columns = [batch.column(name).to_pylist() for name in ("segment_key", "profile_id", "exportable")]
        yield from zip(*columns, strict=True)
