"""Whether a definition fits the data: every name known, every comparison possible, every reference sound.

All faults are collected, each with the path of its node and the allowed values; an unknown name comes with the nearest
known one. Shape and types of the document itself are checked before, by the models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import singledispatch
from typing import Any

from cdp.wording import nearest
from segments import moments
from segments.catalogue import OPERATORS, Catalogue, Kind
from segments.definition import (
    Ago,
    Compared,
    Event,
    Experiment,
    Match,
    Prediction,
    Rank,
    SegmentDefinition,
    Sequence,
    Stage,
    Trait,
    Transition,
)
from segments.errors import DefinitionError, Problem
from segments.tree import Library, references, require_expandable, walk


def require(definition: SegmentDefinition, catalogue: Catalogue, library: Library) -> None:
    """DefinitionError with every fault of the definition and the first fault of what it refers to."""
    require_expandable(definition, library)
    found = [*problems(definition, catalogue), *_broken_references(definition, catalogue, library)]
    if found:
        raise DefinitionError(found, subject=f"Segment {definition.key}")


def _broken_references(definition: SegmentDefinition, catalogue: Catalogue, library: Library) -> Iterator[Problem]:
    """References that end, through however many segments, at one that cannot be evaluated itself."""
    looked_at: set[str] = set()
    for path, key in references(definition):
        pending = [key]
        while pending:
            current = pending.pop()
            if current in looked_at:
                continue
            looked_at.add(current)
            faults = problems(library[current], catalogue)
            if faults:
                yield Problem(path, f"segment {current} cannot be evaluated itself ({faults[0].sentence()}).")
                break
            pending.extend(inner for _, inner in references(library[current]))


def problems(definition: SegmentDefinition, catalogue: Catalogue) -> list[Problem]:
    """Every fault of the definition's own tree against the catalogue."""
    return [problem for path, node in walk(definition.where) for problem in _faults(node, path, catalogue)]


def event_kind(node: Event, properties: Mapping[str, Kind]) -> Kind | None:
    """What the measure of an event condition is compared as; None when its property is unknown."""
    if node.measure in ("first", "last"):
        return Kind.MOMENT if node.of_property is None else properties.get(node.of_property)
    return Kind.NUMBER


@singledispatch
def _faults(node: Any, path: str, catalogue: Catalogue) -> Iterator[Problem]:
    """Faults of one condition; those below it are looked at by the walk. Most kinds need no names."""
    yield from ()


@_faults.register
def _(node: Trait, path: str, catalogue: Catalogue) -> Iterator[Problem]:
    yield from _named(node.trait, catalogue.traits, f"{path}.trait", "trait")
    yield from _compared(node, catalogue.traits.get(node.trait), path)


@_faults.register
def _(node: Prediction, path: str, catalogue: Catalogue) -> Iterator[Problem]:
    if not catalogue.predictions:
        yield Problem(f"{path}.prediction", "no predictions are published yet.")
        return
    yield from _named(node.prediction, catalogue.predictions, f"{path}.prediction", "prediction")
    yield from _compared(node, catalogue.predictions.get(node.prediction), path)


@_faults.register
def _(node: Sequence, path: str, catalogue: Catalogue) -> Iterator[Problem]:
    for number, step in enumerate(node.steps):
        yield from _match(step, f"{path}.steps[{number}]", catalogue)
        if step.without is not None:
            yield from _match(step.without, f"{path}.steps[{number}].without", catalogue)
    if node.then_no is not None:
        yield from _match(node.then_no, f"{path}.then_no", catalogue)


@_faults.register
def _(node: Stage, path: str, catalogue: Catalogue) -> Iterator[Problem]:
    for number, stage in enumerate(node.stages):
        yield from _named(stage, catalogue.stages, f"{path}.stages[{number}]", "stage")


@_faults.register
def _(node: Transition, path: str, catalogue: Catalogue) -> Iterator[Problem]:
    for name, value in (("from", node.from_stage), ("to", node.to_stage)):
        if value is not None:
            yield from _named(value, catalogue.stages, f"{path}.{name}", "stage")


@_faults.register
def _(node: Rank, path: str, catalogue: Catalogue) -> Iterator[Problem]:
    yield from _named(node.trait, catalogue.traits, f"{path}.trait", "trait")
    if catalogue.traits.get(node.trait, Kind.NUMBER) is not Kind.NUMBER:
        numbers = tuple(name for name, kind in catalogue.traits.items() if kind is Kind.NUMBER)
        yield Problem(f"{path}.trait", f"{node.trait} is no number, so nobody ranks by it.", numbers)


@_faults.register
def _(node: Event, path: str, catalogue: Catalogue) -> Iterator[Problem]:
    yield from _match(node, path, catalogue)
    if node.of_property is not None:
        yield from _named(node.of_property, catalogue.properties, f"{path}.property", "event property")
        kind = catalogue.properties.get(node.of_property, Kind.NUMBER)
        if node.measure in ("sum", "average", "minimum", "maximum") and kind is not Kind.NUMBER:
            numbers = tuple(name for name, known in catalogue.properties.items() if known is Kind.NUMBER)
            yield Problem(f"{path}.property", f"{node.measure} needs a number, {node.of_property} is {kind}.", numbers)
            return
    yield from _compared(node, event_kind(node, catalogue.properties), path)


def _match(match: Match, path: str, catalogue: Catalogue) -> Iterator[Problem]:
    if not catalogue.open_events:
        if match.event is not None:
            yield from _named(match.event, catalogue.events, f"{path}.event", "event")
        if match.touchpoint is not None:
            yield from _named(match.touchpoint, catalogue.touchpoints, f"{path}.touchpoint", "touchpoint type")
    for number, filter_ in enumerate(match.where):
        place = f"{path}.where[{number}]"
        yield from _named(filter_.property, catalogue.properties, f"{place}.property", "event property")
        yield from _compared(filter_, catalogue.properties.get(filter_.property), place)


@_faults.register
def _(node: Experiment, path: str, catalogue: Catalogue) -> Iterator[Problem]:
    if catalogue.open_events:
        return
    yield from _named(node.experiment, catalogue.experiments, f"{path}.experiment", "experiment")
    arms = catalogue.experiments.get(node.experiment)
    if node.arm is not None and arms is not None:
        yield from _named(node.arm, arms, f"{path}.arm", "arm")


def _named(name: str, known: Iterable[str], path: str, word: str) -> Iterator[Problem]:
    names = tuple(known)
    if name not in names:
        yield Problem(path, f"there is no {word} {_short(name)}.{nearest(name, names)}", tuple(sorted(names)))


def _compared(node: Compared, kind: Kind | None, path: str) -> Iterator[Problem]:
    if kind is None:
        return
    if node.op not in OPERATORS[kind]:
        yield Problem(f"{path}.op", f"{node.op} cannot be asked of a {kind}.", OPERATORS[kind])
        return
    values = node.value if isinstance(node.value, tuple) else (node.value,) if node.value is not None else ()
    for number, value in enumerate(values):
        place = f"{path}.value[{number}]" if isinstance(node.value, tuple) else f"{path}.value"
        reason = _FITS[kind](value)
        if reason is not None:
            yield Problem(place, reason)
            return
        if node.op in ("contains", "starts with", "ends with") and value == "":
            yield Problem(place, f"{node.op} needs at least one character.")


def _is_text(value: Any) -> str | None:
    return None if isinstance(value, str) else "a text in quotes is needed here."


def _is_number(value: Any) -> str | None:
    return None if isinstance(value, int | float) and not isinstance(value, bool) else "a number is needed here."


def _is_flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false is needed here."


def _is_moment(value: Any) -> str | None:
    if isinstance(value, Ago):
        return None
    if not isinstance(value, str):
        return 'a moment is needed here: 2025-01-31, 2025-01-31T12:00:00Z or {"ago": "30d"}.'
    try:
        moments.moment(value)
    except ValueError as error:
        return f"{error}."
    return None


_FITS: Mapping[Kind, Callable[[Any], str | None]] = {
    Kind.TEXT: _is_text,
    Kind.NUMBER: _is_number,
    Kind.FLAG: _is_flag,
    Kind.MOMENT: _is_moment,
    Kind.DATE: _is_moment,
    Kind.TEXTS: _is_text,
}


def _short(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:60]}…"
