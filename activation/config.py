"""Destinations as people write them: typed, validated, with one sentence per mistake."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from cdp.errors import InputError
from cdp.outbound import Guard
from cdp.wording import foremost, nearest, reason

KEY = r"^[a-z][a-z0-9_]{0,63}$"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_COLUMN = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_PATH = re.compile(r"(traits|stage|journey|identity)(\.[a-z_]+){1,3}")
MOST_FIELDS = 50
# What a row of a table or file always has.
RESERVED = frozenset({"profile_id", "former_profile_id", "segment", "member", "change", "message_id", "at"})


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    fields: dict[str, str] = Field(
        default_factory=dict, description="Name at the receiver → path in the profile, for example traits.email."
    )
    per_minute: int | None = Field(None, ge=1, le=60_000, description="At most so many messages a minute.")

    @field_validator("fields")
    @classmethod
    def _known_shape(cls, value: dict[str, str]) -> dict[str, str]:
        if len(value) > MOST_FIELDS:
            raise ValueError(f"at most {MOST_FIELDS} fields")
        for name, path in value.items():
            if not _NAME.fullmatch(name) or name in RESERVED:
                raise ValueError(f"{name[:40]!r} cannot be the name of a field")
            if not _PATH.fullmatch(path):
                raise ValueError(f"{path[:60]!r} is no path in a profile, such as traits.email or stage.current")
        return value


class Webhook(_Config):
    """A request per message, signed with HMAC-SHA256 as Standard Webhooks describe it."""

    kind: Literal["webhook"] = "webhook"
    url: str
    body: Literal["wayfinder", "audience"] = Field(
        "wayfinder",
        description="audience: identify and track as Segment's Audience Entered and Audience Exited.",
    )

    @field_validator("url")
    @classmethod
    def _well_formed(cls, value: str) -> str:
        try:
            Guard().check(value)
        except InputError as error:
            raise ValueError(str(error)) from None
        return value


class Files(_Config):
    """A file per batch of messages in a folder or object store; each file appears whole or not at all."""

    kind: Literal["files"] = "files"
    folder: str = Field(min_length=1, max_length=1000, description="A path, or an address that fsspec understands.")
    format: Literal["ndjson", "csv"] = "ndjson"

    @field_validator("folder")
    @classmethod
    def _a_place(cls, value: str) -> str:
        if "://" not in value and not PurePosixPath(value).is_absolute():
            raise ValueError("the folder is an absolute path or an address such as s3://bucket/folder")
        return value


class Table(_Config):
    """Rows of a PostgreSQL table, one per person and segment; the address is the secret, for it holds a password."""

    kind: Literal["table"] = "table"
    table: str = Field(pattern=rf"^({_COLUMN.pattern}\.)?{_COLUMN.pattern}$", description="table, or schema.table")

    @field_validator("fields")
    @classmethod
    def _columns(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not _COLUMN.fullmatch(name):
                raise ValueError(f"{name[:40]!r} cannot be a column: lower-case letters, digits, underscores")
        return value


Config = Annotated[Webhook | Files | Table, Field(discriminator="kind")]
_KINDS: dict[str, type[Webhook | Files | Table]] = {"webhook": Webhook, "files": Files, "table": Table}
_CONFIG: TypeAdapter[Webhook | Files | Table] = TypeAdapter(Config)


def parse(content: Mapping[str, Any]) -> Webhook | Files | Table:
    """A configuration from what a person wrote. InputError names the field and repeats no value but names and paths."""
    try:
        return _CONFIG.validate_python(dict(content))
    except ValidationError as error:
        first = foremost(error.errors(include_url=False, include_input=False))
        kind, *path = first["loc"] or ("",)
        place = ".".join(str(part) for part in path) or "kind"
        fields = _KINDS[str(kind)].model_fields if kind in _KINDS else ()
        raise InputError(f"Destination, {place}: {reason(first, fields=fields)}") from None


def require_paths(config: Webhook | Files | Table, document: Mapping[str, Any]) -> None:
    """InputError with the nearest path when a field's path is not in a profile's document."""
    known = _paths(document)
    for name, path in config.fields.items():
        if path not in known:
            raise InputError(f"Destination, fields.{name}: profiles have no {path}.{nearest(path, sorted(known))}")


def value_at(document: Mapping[str, Any], path: str) -> Any:
    """What a document says at a path; None when it says nothing."""
    found: Any = document
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _paths(document: Mapping[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for name, value in document.items():
        found.add(f"{prefix}{name}")
        if isinstance(value, Mapping):
            found |= _paths(value, f"{prefix}{name}.")
    return found
