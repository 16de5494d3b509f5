"""From an outside document (JSON, YAML) to a definition and back, with faults told by path.

The size and depth of the tree are looked at before anything recurses. `where` may be the tree or its text form. The
JSON Schema that is published comes from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from cdp.wording import nearest
from segments.definition import Node, SegmentDefinition
from segments.errors import DefinitionError, Problem
from segments.text_parser import parse_text
from segments.tree import raw_problem

_CONDITIONS: Mapping[str, type[BaseModel]] = {
    one.model_fields["type"].default: one for one in get_args(get_args(Node)[0])
}
_REASONS = {
    "missing": "is missing.",
    "union_tag_not_found": "a condition needs its `type`.",
}


def parse(document: Any, *, subject: str = "The segment") -> SegmentDefinition:
    """The definition that a document describes; DefinitionError with every fault and its path."""
    if not isinstance(document, Mapping):
        raise DefinitionError(
            [Problem("segment", "a segment is an object with key, title and where.")], subject=subject
        )
    if isinstance(document.get("where"), str):
        document = {**document, "where": _parsed(document["where"], subject)}
    found = raw_problem(document.get("where"))
    if found is not None:
        raise DefinitionError([found], subject=subject)
    try:
        return SegmentDefinition.model_validate(dict(document))
    except ValidationError as error:
        raise DefinitionError(list(_problems(error, document)), subject=subject) from None


def content(text: str, *, subject: str = "The segment") -> dict[str, Any]:
    """What a person wrote, as a document: YAML or JSON of a segment or of a condition, or the text form of a condition.

    DefinitionError with line and column when it is none of them.
    """
    import yaml

    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        found = None
    if isinstance(found, Mapping) and "type" in found:
        return {"where": dict(found)}
    if isinstance(found, Mapping) and {"key", "title", "where"} & set(found):
        return dict(found)
    quoted = isinstance(found, str) and text.strip()[:1] in ("'", '"')
    return {"where": _parsed(str(found) if quoted else text, subject)}


def _parsed(text: str, subject: str) -> Any:
    try:
        return parse_text(text)
    except DefinitionError as error:
        raise DefinitionError(error.problems, subject=subject) from None


def dump(definition: SegmentDefinition) -> dict[str, Any]:
    """The document of a definition: plain JSON values, nothing that is not set."""
    document: dict[str, Any] = _without_empty(definition.model_dump(mode="json", by_alias=True, exclude_none=True))
    return document


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a segment document."""
    schema = SegmentDefinition.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_empty(item) for name, item in value.items() if item != []}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value


def _problems(error: ValidationError, document: Any) -> Iterator[Problem]:
    faults = error.errors(include_url=False, include_context=True)
    # A mistyped field explains why the one that was meant is missing.
    for fault in sorted(faults, key=lambda fault: fault["type"] != "extra_forbidden"):
        place = fault["loc"]
        # A list with one faulty condition is also told to be too short; the condition itself is the news.
        if fault["type"] == "too_short" and any(
            other["loc"][: len(place)] == place and len(other["loc"]) > len(place) for other in faults
        ):
            continue
        path = _path(place, document)
        context = fault.get("ctx", {})
        if fault["type"] == "literal_error":
            allowed = _expected(context.get("expected", ""))
            yield Problem(path, f"is none of the allowed values.{_near(fault['input'], allowed)}", allowed)
        elif fault["type"] == "union_tag_invalid":
            allowed = _expected(context.get("expected_tags", ""))
            yield Problem(f"{path}.type", f"there is no such condition.{_near(context.get('tag'), allowed)}", allowed)
        elif fault["type"] == "extra_forbidden":
            yield Problem(path, f"is not a field here.{_near(place[-1], _fields(place))}", _fields(place))
        elif fault["type"] == "string_pattern_mismatch":
            yield Problem(path, _pattern(context.get("pattern", "")))
        else:
            yield Problem(path, _REASONS.get(fault["type"], _sentence(fault["msg"])))


def _path(place: tuple[int | str, ...], document: Any) -> str:
    """The path in the document: without the names that only tell which kind of condition was tried."""
    path, here, entered = "", document, False
    for part in place:
        if isinstance(part, int):
            path += f"[{part}]"
            here, entered = (here[part] if isinstance(here, list | tuple) and part < len(here) else None), False
        elif not entered and isinstance(here, Mapping) and here.get("type") == part:
            entered = True
        else:
            path += f".{part}"
            here, entered = (here.get(part) if isinstance(here, Mapping) else None), False
    return path.lstrip(".") or "segment"


def _fields(place: tuple[int | str, ...]) -> tuple[str, ...]:
    """The fields of the segment, or of the condition, in which there is none of this place."""
    model = SegmentDefinition if len(place) == 1 else _CONDITIONS.get(str(place[-2]))
    return tuple(field.alias or name for name, field in model.model_fields.items()) if model else ()


def _near(given: Any, allowed: tuple[str, ...]) -> str:
    return nearest(given, allowed) if isinstance(given, str) else ""


def _expected(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("'") for part in text.replace(" or ", ", ").split(",") if part.strip())


def _pattern(pattern: str) -> str:
    if "min" in pattern:
        return "a duration is a whole number with min, h, d or w, for example 90min, 36h, 30d or 2w."
    return "a key is made of lower-case letters, digits and underscores."


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:] + "."
