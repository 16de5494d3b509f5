"""What a source module declares: an `Entity` is one kind of record in one kind of file.

Column names are canonical: exactly those of the presets' own exports. A dot leads into a nested JSON object
(`via.channel`). A mapping file translates other names into these before anything else looks at a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Format = Literal["csv", "jsonl", "parquet"]

SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}


@dataclass(frozen=True)
class Column:
    """A canonical column; a required one must be in the file (in a JSON file: in at least one record)."""

    name: str
    required: bool = False


@dataclass(frozen=True)
class Person:
    """How a record says whom it is about: columns, under their canonical names.

    `record` holds the id of a person record of the same source, several when there is a `separator`, in lower case when
    `folded`; `device` counts where no record is named; `traits` are what the record states of the person itself, by the
    names that normalisation reads.
    """

    record: str | None = None
    separator: str | None = None
    folded: bool = False
    device: str | None = None
    traits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entity:
    """One kind of record: where it is found, how it is keyed and judged.

    `contract` maps the columns of the typed contract view to SQL over the texts of columns (`fields.text`) and the
    column `horizon`, beyond which nothing can have happened; `happened_at` is the SQL of the time the record speaks of
    (NULL for kinds without one). `immutable` records are events: one row per
    key for ever, any other content under the same key is an error. Other records keep every version.
    `changed_at` is that of the time the record was last changed, where that is another one (a person's record).
    `volatile` keys are set anew on each transmission and are left out of the content hash. `needs` names the entity of
    the same source that this one refers to. An `optional` entity may never be delivered though its source is.
    `person` says whom a record is about.
    """

    source: str
    entity: str
    patterns: tuple[str, ...]
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    contract: Mapping[str, str]
    person: Person
    happened_at: str = "cast(null as timestamp)"
    changed_at: str | None = None
    immutable: bool = False
    volatile: tuple[str, ...] = ()
    needs: str | None = None
    optional: bool = False
    format: Format | None = field(default=None)

    @property
    def name(self) -> str:
        """`source.entity`, the name in ledgers and messages."""
        return f"{self.source}.{self.entity}"

    @property
    def table(self) -> str:
        """The raw table."""
        return f"raw.{self.source}_{self.entity}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """All canonical columns."""
        return tuple(column.name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """The canonical columns a file must have."""
        return tuple(column.name for column in self.columns if column.required)


def columns(*, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> tuple[Column, ...]:
    """Required and optional canonical columns."""
    return (*(Column(name, required=True) for name in required), *(Column(name) for name in optional))
