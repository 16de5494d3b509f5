"""The segments that ship with Wayfinder: one YAML file each, read by `load`.

A file's name is the segment's key. `where` holds the text form or the tree. Nothing is read at import.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from cdp.errors import ConfigurationError, InputError
from segments.definition import SegmentDefinition
from segments.document import parse

SHIPPED = Path(__file__).resolve().parent


def load(path: Path | None = None) -> list[SegmentDefinition]:
    """The definitions in a folder of YAML files (the shipped ones without `path`), ordered by key.

    ConfigurationError names the file that cannot be read, holds a wrong definition or is not named after its key.
    """
    folder = path or SHIPPED
    if not folder.is_dir():
        raise ConfigurationError(f"There is no folder {folder} of segment definitions.")
    return [_read(file) for file in sorted(folder.glob("*.yaml"))]


def _read(file: Path) -> SegmentDefinition:
    try:
        definition = parse(yaml.safe_load(file.read_text(encoding="utf-8")), subject=f"The segment in {file.name}")
    except InputError as error:
        raise ConfigurationError(error.message) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        place = getattr(error, "problem_mark", None)
        where = f", line {place.line + 1}" if place is not None else ""
        raise ConfigurationError(f"{file.name}{where} is no readable YAML.") from None
    if definition.key != file.stem:
        raise ConfigurationError(f"{file.name} holds the segment {definition.key}; name the file after the key.")
    return definition
