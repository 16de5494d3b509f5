"""The word lists beside the code, read once on first use.

A CSV has a header; cells may hold several words separated by spaces or `|`. Lines that start with `#` are comments.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "data"


def rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of `data/<name>.csv`."""
    with (_FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(line for line in file if not line.startswith("#"))


@cache
def words(name: str, kind: str | None = None) -> frozenset[str]:
    """The `word` column of `data/<name>.csv`, whole or of the rows whose `kind` is the given one."""
    return frozenset(row["word"] for row in rows(name) if kind is None or row["kind"] == kind)
