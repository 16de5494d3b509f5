"""The content of one package, before it is written in any format: parts with columns and rows, and explanations.

A part is one table. Rows keep their shape (a delivered record is a value with fields); `flat` lays them out for tables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any, Literal

Kind = Literal["access", "portability"]


@dataclass(frozen=True)
class Column:
    """A column as declared: its name, its words, and the category of its data."""

    name: str
    title: str
    category: str


@dataclass(frozen=True)
class Part:
    """The person's rows of one table. `name` is unique in the package: `schema.table`, or `store.table`."""

    name: str
    topic: str
    title: str
    about: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Any], ...]
    portable: bool = False


@dataclass(frozen=True)
class Use:
    """What one category of data is used for, on which basis and how long; `origin` in words."""

    category: str
    about: str
    origin: str
    purposes: tuple[str, ...]
    legal_basis: str
    retention: str


@dataclass(frozen=True)
class Statement:
    """A sentence about the data, with a heading."""

    title: str
    text: str


@dataclass(frozen=True)
class Content:
    """Everything that goes into one package. `doubtful` records were left to a person and are not inside.

    `notes` are what has to be known before the rest is read.
    """

    kind: Kind
    request: str
    made_at: datetime
    parts: tuple[Part, ...]
    uses: tuple[Use, ...] = ()
    sources: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    logic: tuple[Statement, ...] = ()
    statements: tuple[Statement, ...] = ()
    left_out: tuple[Statement, ...] = ()
    doubtful: int = 0
    notes: tuple[Statement, ...] = ()
    topics: tuple[tuple[str, str, str], ...] = field(default=())

    @property
    def rows(self) -> int:
        """Rows in all parts."""
        return sum(len(part.rows) for part in self.parts)


def plain(value: Any) -> Any:
    """A value of a database as JSON has it: times in UTC with `Z`, decimals as numbers, the rest as text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (date, Decimal, float)):
        return _measured(value)
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(one) for one in value]
    return str(value)


def _measured(value: date | Decimal | float) -> str | float | None:
    if isinstance(value, datetime):
        utc = value.astimezone(UTC) if value.tzinfo else value
        return utc.replace(tzinfo=None).isoformat(timespec="milliseconds").removesuffix(".000") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    # JSON knows no infinities.
    return float(value) if isfinite(value) else None


def flat(part: Part) -> tuple[list[str], list[dict[str, Any]]]:
    """Names of columns and rows without nesting: the fields of a value stand under their own names, with dots."""
    rows = [_laid_out(row) for row in part.rows]
    return list(dict.fromkeys(name for row in rows for name in row)), rows


def _laid_out(row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in row.items():
        # A delivered record is the row: its fields keep their names as long as nothing else is called so.
        for path, one in _leaves(value):
            key = ".".join(path)
            found[".".join((name, *path)) if not path or key in row or key in found else key] = one
    return found


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Sequence[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping) and value:
        return [leaf for key, one in value.items() for leaf in _leaves(one, (*path, str(key)))]
    if isinstance(value, list):
        nested = any(isinstance(one, (Mapping, list)) for one in value)
        return [(path, json.dumps(value, ensure_ascii=False) if nested else ", ".join(str(one) for one in value))]
    return [(path, value)]
