"""Corrections of quarantined rows, written by a person: JSON lines or CSV, keyed by `quarantine_id`.

A correction holds fields under the names that the source uses. They are laid over the record as it was received, or
are the whole record when the line could not be read. In CSV an empty cell leaves the field as it was.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from cdp.errors import InputError

KEY = "quarantine_id"


def read_corrections(path: Path | None) -> dict[str, str]:
    """JSON text of the corrected fields by quarantine id. Raises InputError naming file and line."""
    if path is None:
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"The corrections file {path.name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InputError(f"The corrections file {path.name} is not UTF-8 text.") from None
    rows = _from_csv(path, text) if path.suffix.lower() in (".csv", ".tsv") else _from_json(path, text)
    found: dict[str, str] = {}
    for line, row in rows:
        key = row.pop(KEY, None)
        if not isinstance(key, str) or not key:
            raise InputError(f"{path.name}, line {line}: no {KEY}; `cdp quarantine list --json` shows it.")
        if key in found:
            raise InputError(f"{path.name}, line {line}: {KEY} {key} is corrected twice.")
        if not row:
            raise InputError(f"{path.name}, line {line}: no corrected field.")
        found[key] = json.dumps(row, ensure_ascii=False)
    return found


def _from_json(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise InputError(f"{path.name}, line {number}: not a JSON object.")
        rows.append((number, row))
    return rows


def _from_csv(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    lines = text.splitlines(keepends=True)
    head = lines[0] if lines else ""
    delimiter = max((",", ";", "\t"), key=head.count)
    reader = csv.DictReader(lines, delimiter=delimiter)
    if KEY not in (reader.fieldnames or []):
        raise InputError(f"{path.name}, line 1: no column {KEY}.")
    return [
        (reader.line_num, {name: value for name, value in row.items() if name is not None and value not in (None, "")})
        for row in reader
    ]
