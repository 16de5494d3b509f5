"""The mapping file of the standalone command: which column of a table plays which role.

    record_id: id
    source: system                     # optional; several inputs in one file
    fields: {first_name: fname, street: [number, street], birth_date: dob}
    extra: {occupation: text, gender: exact}
    one_record_per_source: [crm]

A role may name several columns; their values are joined by a space. Mistakes are told with the file, the key and what
is known instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdp.errors import ConfigurationError, InputError

ROLES = (
    "full_name",
    "first_name",
    "middle_name",
    "last_name",
    "birth_date",
    "email",
    "phone",
    "street",
    "city",
    "region",
    "postcode",
    "country",
    "national_id",
)
KINDS = ("exact", "text")
_KEYS = ("record_id", "source", "fields", "extra", "one_record_per_source", "country")


@dataclass(frozen=True)
class Mapping:
    """A checked mapping; `fields` gives each role its columns, `extra` each column its kind."""

    record_id: str
    source: str | None
    fields: dict[str, tuple[str, ...]]
    extra: dict[str, str]
    one_record_per_source: tuple[str, ...]
    country: str

    def check_columns(self, columns: list[str], name: str) -> None:
        """InputError when a column that the mapping names is not in the table called `name`."""
        wanted = [self.record_id, *([self.source] if self.source else []), *self.extra]
        wanted += [column for listed in self.fields.values() for column in listed]
        missing = sorted({column for column in wanted if column not in columns})
        if missing:
            raise InputError(f"{name} has no column {', '.join(missing)}; it has {', '.join(columns)}.")


def read_mapping(path: Path) -> Mapping:
    """Read and check a mapping file; ConfigurationError names what is wrong."""
    import yaml

    if not path.is_file():
        raise InputError(f"There is no mapping file {path}.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f" line {line + 1}" if line is not None else ""
        raise ConfigurationError(f"{path.name}{where} is not readable as YAML.") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path.name} must hold keys such as record_id and fields.")
    return _checked({str(key): value for key, value in content.items()}, path.name)


def _checked(content: dict[str, Any], name: str) -> Mapping:
    _known(sorted(content), _KEYS, f"{name} has the unknown key")
    record_id, source = content.get("record_id"), content.get("source")
    if not isinstance(record_id, str):
        raise ConfigurationError(f"{name} must name the column that identifies a record: record_id: COLUMN.")
    if source is not None and not isinstance(source, str):
        raise ConfigurationError(f"{name}: source must be the name of one column.")
    fields, extra = content.get("fields"), content.get("extra") or {}
    if not isinstance(fields, dict) or not fields:
        raise ConfigurationError(f"{name} must give at least one field a role, for example fields: {{email: mail}}.")
    if not isinstance(extra, dict):
        raise ConfigurationError(f"{name}: extra must give each column a kind, exact or text.")
    _known([str(role) for role in fields], ROLES, f"{name} has the unknown role")
    _known([str(kind) for kind in extra.values()], KINDS, f"{name}: extra has the unknown kind")
    unique = content.get("one_record_per_source") or []
    if not isinstance(unique, list):
        raise ConfigurationError(f"{name}: one_record_per_source must be a list of sources.")
    if unique and source is None:
        raise ConfigurationError(f"{name}: one_record_per_source needs a source column.")
    return Mapping(
        record_id=record_id,
        source=source,
        fields={str(role): _listed(columns, str(role), name) for role, columns in fields.items()},
        extra={str(column): str(kind) for column, kind in extra.items()},
        one_record_per_source=tuple(str(value) for value in unique),
        country=str(content.get("country", "US")),
    )


def _listed(columns: object, role: str, name: str) -> tuple[str, ...]:
    listed = columns if isinstance(columns, list) else [columns]
    if not listed or not all(isinstance(column, str) for column in listed):
        raise ConfigurationError(f"{name}: fields.{role} must be a column name or a list of them.")
    return tuple(listed)


def _known(values: list[str], known: tuple[str, ...], complaint: str) -> None:
    for value in values:
        if value not in known:
            raise ConfigurationError(f"{complaint} {value}; known are {', '.join(known)}.")
