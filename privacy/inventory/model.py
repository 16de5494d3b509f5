"""What the inventory says: categories of personal data, and for every table, column and file class its declaration.

Values only. Where the declarations stand is the loader's business, whether something is missing is told by `gaps`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Origin = Literal["given", "observed", "derived", "technical"]
Erasure = Literal["rewritten", "removed", "scrubbed", "kept"]


@dataclass(frozen=True)
class Category:
    """A kind of data with what the law asks about it; `origin` says whether the person gave it."""

    key: str
    about: str
    origin: Origin
    personal: bool
    purposes: tuple[str, ...]
    legal_basis: str
    retention: str


@dataclass(frozen=True)
class Rows:
    """How the rows of a person are found in a table.

    `by` is one of the finders of `privacy.erasure.finders`; `columns` are its arguments. A table without personal rows
    has the finder `none`.
    """

    by: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table with the category of every column; `retention` replaces that of the categories when given."""

    place: Literal["warehouse", "store"]
    name: str
    columns: Mapping[str, str]
    rows: tuple[Rows, ...]
    about: str = ""
    retention: str | None = None
    declared_in: str = ""

    @property
    def schema(self) -> str:
        """The schema of a warehouse table; empty in the store."""
        return self.name.partition(".")[0] if self.place == "warehouse" else ""

    @property
    def is_personal(self) -> bool:
        """Whether rows of a person can be found in it."""
        return any(one.by != "none" for one in self.rows)


@dataclass(frozen=True)
class FileClass:
    """Files of one kind under the state home: a pattern, what they hold, and what becomes of them in an erasure."""

    key: str
    pattern: str
    categories: tuple[str, ...]
    erasure: Erasure
    about: str
    retention: str


@dataclass(frozen=True)
class Inventory:
    """Everything that is declared."""

    categories: Mapping[str, Category]
    purposes: Mapping[str, str]
    tables: Mapping[tuple[str, str], Table] = field(default_factory=dict)
    files: tuple[FileClass, ...] = ()

    def warehouse(self) -> list[Table]:
        """The warehouse's tables by name."""
        return [table for (place, _), table in sorted(self.tables.items()) if place == "warehouse"]

    def store(self) -> list[Table]:
        """The store's tables by name."""
        return [table for (place, _), table in sorted(self.tables.items()) if place == "store"]

    def entries(self) -> list[dict[str, Any]]:
        """One row per column and per category of a file class, with all that the records of processing need."""
        rows = [
            self._entry(table.place, table.name, column, category, table.retention)
            for table in self.tables.values()
            for column, category in table.columns.items()
        ]
        rows += [
            self._entry("files", one.pattern, "", category, one.retention) | {"about": one.about}
            for one in self.files
            for category in one.categories
        ]
        return rows

    def _entry(self, place: str, name: str, column: str, category: str, retention: str | None) -> dict[str, Any]:
        kind = self.categories[category]
        return {
            "place": place,
            "name": name,
            "column": column,
            "category": category,
            "about": kind.about,
            "personal": kind.personal,
            "origin": kind.origin,
            "purposes": list(kind.purposes),
            "legal_basis": kind.legal_basis,
            "retention": retention or kind.retention,
        }
