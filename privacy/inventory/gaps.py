"""What is there and not declared, or declared and not there: tables, columns, files.

A test calls this on a built state home, and `cdp privacy inventory --check` on the running one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from privacy.inventory.model import FileClass, Inventory, Table


def find_table(inventory: Inventory, place: str, name: str) -> Table | None:
    """The declaration of a table: its own, or that of its schema (`raw.*`)."""
    exact = inventory.tables.get((place, name))
    schema = name.partition(".")[0]
    return exact or (inventory.tables.get((place, f"{schema}.*")) if place == "warehouse" else None)


def find_file(inventory: Inventory, relative: str) -> FileClass | None:
    """The class of a file by its path inside the state home; the first pattern that fits counts."""
    return next((one for one in inventory.files if _fits(relative, one.pattern)), None)


def undeclared_columns(inventory: Inventory, place: str, columns: Mapping[str, Iterable[str]]) -> list[str]:
    """Sentences about tables (name → columns) and columns that nobody declared, and about declared ones that are gone.

    A declared table that is not there yet is no gap; a declared column that its table does not have is one.
    """
    found = []
    for name, present in sorted(columns.items()):
        table = find_table(inventory, place, name)
        if table is None:
            found.append(f"{place}: table {name} is not declared.")
            continue
        if "*" in table.columns:
            continue
        there = set(present)
        found += [f"{place}: {name}.{column} is not declared." for column in sorted(there - set(table.columns))]
        if not table.name.endswith(".*"):
            gone = sorted(set(table.columns) - there)
            found += [f"{place}: {table.declared_in} declares {name}.{column}, which is not there." for column in gone]
    return found


def undeclared_files(inventory: Inventory, home: Path) -> list[str]:
    """Sentences about files under a state home that no class covers; a folder is told once."""
    strange: dict[str, str] = {}
    for path in sorted(path for path in home.rglob("*") if path.is_file()):
        relative = path.relative_to(home).as_posix()
        if find_file(inventory, relative) is None:
            strange.setdefault(relative.rpartition("/")[0] or relative, relative)
    return [f"files: {relative} is of no declared class." for relative in strange.values()]


def _fits(relative: str, pattern: str) -> bool:
    """Whether a path fits; `**` stands for any number of folders, `*` for part of one name."""
    wanted, given = pattern.split("/"), relative.split("/")
    if wanted[-1] == "**":
        head = wanted[:-1]
        return len(given) > len(head) and all(map(fnmatchcase, given, head))
    return len(given) == len(wanted) and all(map(fnmatchcase, given, wanted))
