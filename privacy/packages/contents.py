"""What `contents.yaml` says: titles and topics of tables, what is left out and why, and words for columns.

Read once per package. ConfigurationError names an entry that is about a table the inventory does not know, so that a
renamed table does not lose its reason silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdp.errors import ConfigurationError
from privacy.inventory.gaps import find_table
from privacy.inventory.model import Inventory, Table

HERE = Path(__file__).parent
MORE = "more"


@dataclass(frozen=True)
class Topic:
    """A heading of the page."""

    key: str
    title: str
    about: str


@dataclass(frozen=True)
class Entry:
    """How a table is presented; `portable`: received as the person gave it."""

    topic: str
    title: str
    about: str = ""
    portable: bool = False


@dataclass(frozen=True)
class Contents:
    """The whole file, checked against an inventory."""

    topics: tuple[Topic, ...]
    tables: Mapping[str, Entry]
    left_out: Mapping[str, str]
    hidden_categories: frozenset[str]
    hidden_columns: frozenset[str]
    hidden_why: str
    fields_of_others: tuple[str, ...]
    systems: Mapping[str, str]
    columns: Mapping[str, str]
    logic: Mapping[str, str]
    statements: Mapping[str, str]

    def entry(self, table: Table, name: str) -> Entry:
        """How a table called `name` is presented: by its own entry, its schema's, or as what nobody gave a place."""
        found = self.tables.get(name) or self.tables.get(table.name)
        title = found.title if found and found.title else _worded(name.rpartition(".")[2])
        if found is None:
            return Entry(MORE, title, table.about)
        return Entry(found.topic, title, found.about, found.portable)

    def place(self, name: str) -> int:
        """Where a table stands among the others: in the order of the file, what is not named comes last."""
        names = list(self.tables)
        return names.index(name) if name in names else len(names)

    def shows(self, column: str, category: str) -> bool:
        """Whether a column goes into packages."""
        return column not in self.hidden_columns and category not in self.hidden_categories

    def title_of(self, column: str) -> str:
        """A column in words."""
        return self.columns.get(column) or _worded(column)


def load(inventory: Inventory) -> Contents:
    """The contents, for this inventory."""
    import yaml

    said: dict[str, Any] = yaml.safe_load((HERE / "contents.yaml").read_text(encoding="utf-8"))
    topics = tuple(Topic(key, one["title"], one["about"]) for key, one in said["topics"].items())
    tables = {
        name: Entry(one["topic"], one.get("title", ""), one.get("about", ""), bool(one.get("portable")))
        for name, one in said["tables"].items()
    }
    left_out = {name: group["why"] for group in said["left_out"] for name in group["tables"]}
    for name in (*tables, *left_out):
        if not any(find_table(inventory, place, name) for place in ("warehouse", "store")):
            raise ConfigurationError(f"contents.yaml names {name}, which the inventory does not declare.")
        if name in tables and tables[name].topic not in said["topics"]:
            raise ConfigurationError(f"contents.yaml, {name}: there is no topic {tables[name].topic!r}.")
    hidden = said["left_out_columns"]
    return Contents(
        topics, tables, left_out,
        hidden_categories=frozenset(hidden["categories"]), hidden_columns=frozenset(hidden["columns"]),
        hidden_why=hidden["why"], fields_of_others=tuple(said["fields_of_others"]),
        systems=said["systems"], columns=said["columns"], logic=said["logic"], statements=said["statements"],
    )  # fmt: skip


def _worded(name: str) -> str:
    words = name.replace("_", " ").replace(".", " ").strip()
    return words[:1].upper() + words[1:]
