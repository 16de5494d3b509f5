"""Mapping files: how a user points a source at their own files and column names without writing code.

One YAML file per source; the shipped ones (`mappings/`) describe the presets' own names and serve as templates. A file
in `CDP_MAPPING_DIR` replaces the shipped one of the same `source`. Everything a mapping says is checked here, so that
readers need not doubt it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from cdp.errors import ConfigurationError
from cdp.ids import digest
from pipelines.sources.entity import SUFFIXES, Entity, Format
from pipelines.sources.registry import ENTITIES, SOURCES

SHIPPED = Path(__file__).parent / "mappings"
_OPTIONS = ("files", "format", "delimiter", "encoding", "columns", "constants")


@dataclass(frozen=True)
class EntityMapping:
    """What one mapping file says about one entity.

    `renamed` holds canonical → theirs where the two differ; `absent` the canonical columns that this export does not
    have; `constants` canonical values that hold for every record.
    """

    origin: str
    patterns: tuple[str, ...]
    format: Format | None = None
    delimiter: str | None = None
    encoding: str | None = None
    renamed: dict[str, str] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    constants: dict[str, str] = field(default_factory=dict)

    @property
    def changes_records(self) -> bool:
        """Whether mapped records differ from the received ones."""
        return bool(self.renamed or self.constants or self.absent)

    @property
    def fingerprint(self) -> str:
        """Digest of what changes records; empty when nothing does. A new one means: read the same file again."""
        if not self.changes_records:
            return ""
        return digest(json.dumps([self.renamed, sorted(self.absent), self.constants], sort_keys=True))

    def nesting(self, columns: frozenset[str]) -> EntityMapping:
        """The same, with these dotted columns, which a table names flat, put into the objects they belong to."""
        return replace(self, renamed={**{name: name for name in columns}, **self.renamed})

    def theirs(self, canonical: str) -> str | None:
        """The column of the file that holds a canonical one; None when it is a constant or absent."""
        if canonical in self.absent or canonical in self.constants:
            return None
        return self.renamed.get(canonical, canonical)


def load_mappings(mapping_dir: Path | None) -> dict[str, EntityMapping]:
    """The mapping of every entity by `source.entity`; ConfigurationError names file, entity, column, allowed names."""
    if mapping_dir is not None and not mapping_dir.is_dir():
        raise ConfigurationError(f"CDP_MAPPING_DIR names {mapping_dir}, which is not a folder.")
    files = _by_source(SHIPPED) | ({} if mapping_dir is None else _by_source(mapping_dir))
    found: dict[str, EntityMapping] = {}
    for source in SOURCES:
        found |= _read(*files[source], source)
    return found


def _by_source(folder: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        content = _yaml(path)
        source = content.get("source")
        if source not in SOURCES:
            allowed = ", ".join(SOURCES)
            raise ConfigurationError(f"Mapping file {path.name}: source is {source!r}; use one of {allowed}.")
        if source in found:
            raise ConfigurationError(f"Mapping files {found[source][0].name} and {path.name} both describe {source}.")
        found[source] = (path, content)
    return found


def _yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        # The C parser is tenfold faster, and this is read at each start; it is missing from some builds.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506  # both loaders are safe ones
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(f"Mapping file {path.name} is not readable YAML: {reason}.") from None
    except OSError as error:
        raise ConfigurationError(f"Mapping file {path.name} cannot be read: {error.strerror}.") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"Mapping file {path.name} must hold `source:` and `entities:`.")
    return content


def _read(path: Path, content: dict[str, Any], source: str) -> dict[str, EntityMapping]:
    known = {entity.entity: entity for entity in ENTITIES if entity.source == source}
    described = _mapping_of(content.get("entities"), path, "entities")
    for name in described:
        if name not in known:
            raise ConfigurationError(
                f"Mapping file {path.name}: {source} has no entity {name!r}; use one of {', '.join(known)}."
            )
    return {
        entity.name: _entity_mapping(path, entity, _mapping_of(described.get(name), path, name))
        for name, entity in known.items()
    }


def _mapping_of(value: Any, path: Path, what: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigurationError(f"Mapping file {path.name}: {what} must be a list of `name: value` pairs.")
    return {str(key): item for key, item in value.items()}


def _entity_mapping(path: Path, entity: Entity, said: dict[str, Any]) -> EntityMapping:
    where = f"Mapping file {path.name}, entity {entity.entity}"
    for option in said:
        if option not in _OPTIONS:
            raise ConfigurationError(f"{where}: {option!r} is no option; use one of {', '.join(_OPTIONS)}.")
    columns = _mapping_of(said.get("columns"), path, f"{entity.entity}.columns")
    constants = _mapping_of(said.get("constants"), path, f"{entity.entity}.constants")
    for name in [*columns, *constants]:
        if name not in entity.column_names:
            allowed = ", ".join(entity.column_names)
            raise ConfigurationError(f"{where}: column {name!r} is not known; use one of {allowed}.")
    for name in constants:
        if name in columns:
            raise ConfigurationError(f"{where}: column {name!r} is both mapped and constant; keep one.")
    for name in [*columns, *constants]:
        outer = name.rpartition(".")[0]
        if outer in columns or outer in constants:
            raise ConfigurationError(f"{where}: columns {outer!r} and {name!r} overlap; map one of them.")
    absent = frozenset(name for name, theirs in columns.items() if theirs is None)
    for name in entity.key:
        if name in absent or name in constants:
            raise ConfigurationError(f"{where}: column {name!r} is the record's key and must be in the file.")
    return EntityMapping(
        origin=path.name,
        patterns=_patterns(where, said.get("files")) or entity.patterns,
        format=_format(where, said.get("format")) or entity.format,
        delimiter=_delimiter(where, said.get("delimiter")),
        encoding=_encoding(where, said.get("encoding")),
        renamed={name: str(theirs) for name, theirs in columns.items() if theirs is not None and str(theirs) != name},
        absent=absent,
        constants={name: str(value) for name, value in constants.items()},
    )


def _patterns(where: str, value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value or []
    if not isinstance(listed, list) or any(not isinstance(item, str) or not item for item in listed):
        raise ConfigurationError(f"{where}: files must be file patterns such as `sales/contacts*`.")
    for item in listed:
        if Path(item).is_absolute() or ".." in Path(item).parts:
            raise ConfigurationError(f"{where}: file pattern {item!r} must stay inside the delivered folder.")
    return tuple(listed)


def _format(where: str, value: Any) -> Format | None:
    formats = sorted(set(SUFFIXES.values()))
    if value is not None and value not in formats:
        raise ConfigurationError(f"{where}: format {value!r} is not known; use one of {', '.join(formats)}.")
    return cast("Format | None", value)


def _delimiter(where: str, value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or len(value) != 1):
        raise ConfigurationError(f"{where}: delimiter must be one character.")
    return value


def _encoding(where: str, value: Any) -> str | None:
    import codecs

    if value is None:
        return None
    try:
        return codecs.lookup(str(value)).name
    except LookupError:
        raise ConfigurationError(f"{where}: encoding {value!r} is not known; use for example utf-8.") from None
