"""Records of processing activities (GDPR Art. 30), from the inventory: Markdown for people, CSV and JSON for tools."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from privacy.inventory.model import Inventory

_COLUMNS = (
    "place",
    "name",
    "column",
    "category",
    "about",
    "personal",
    "origin",
    "purposes",
    "legal_basis",
    "retention",
)


def to_json(inventory: Inventory) -> dict[str, Any]:
    """Purposes, categories and one entry per column and file class."""
    return {
        "purposes": dict(inventory.purposes),
        "categories": {key: vars(one) for key, one in inventory.categories.items()},
        "entries": inventory.entries(),
        "files": [vars(one) for one in inventory.files],
    }


def to_csv(inventory: Inventory) -> str:
    """One row per column and file class; purposes are joined by semicolons."""
    target = io.StringIO()
    writer = csv.DictWriter(target, _COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for entry in inventory.entries():
        writer.writerow(entry | {"purposes": "; ".join(entry["purposes"])})
    return target.getvalue()


def to_markdown(inventory: Inventory) -> str:
    """A document: purposes, categories with where they are held, file classes with what an erasure does to them."""
    lines = ["# Records of processing activities", "", "Made from the declarations beside the data.", "", "## Purposes"]
    lines += ["", *(f"- **{key}**: {text}" for key, text in inventory.purposes.items())]
    lines += ["", "## Categories of personal data", ""]
    lines += _table(
        ("category", "what", "origin", "purposes", "legal basis", "retention"),
        [
            (one.key, one.about, one.origin, ", ".join(one.purposes), one.legal_basis, one.retention)
            for one in inventory.categories.values()
            if one.personal
        ],
    )
    lines += ["", "## Where they are held", ""]
    lines += _table(("place", "table", "category", "columns", "retention"), _held(inventory))
    lines += ["", "## Files under the state home", ""]
    lines += _table(
        ("files", "what", "categories", "in an erasure", "retention"),
        [(f"`{f.pattern}`", f.about, ", ".join(f.categories), f.erasure, f.retention) for f in inventory.files],
    )
    return "\n".join(lines) + "\n"


def _held(inventory: Inventory) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for table in [*inventory.warehouse(), *inventory.store()]:
        by_category: dict[str, list[str]] = defaultdict(list)
        for column, category in table.columns.items():
            by_category[category].append(column)
        for category, columns in by_category.items():
            kind = inventory.categories[category]
            if kind.personal:
                kept = table.retention or kind.retention
                rows.append((table.place, f"`{table.name}`", category, ", ".join(columns), kept))
    return rows


def _table(headers: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(headers)} |", f"|{' --- |' * len(headers)}"]
    return lines + [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
