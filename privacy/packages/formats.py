"""One ZIP of a content: `data.json` with `schema.json`, a CSV file per table, and `index.html` for reading.

All of it is made in memory: a person's data is small, and nothing of it may stand on a disk in plain text. The same
content gives the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cdp.domain.cells import safe
from privacy.packages import page
from privacy.packages.content import Content, Part, flat, plain

VERSION = 1
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}


def archive(content: Content) -> bytes:
    """The ZIP file."""
    target = io.BytesIO()
    files = {
        "index.html": page.render(content),
        "data.json": _json(document(content)),
        "schema.json": _json(schema(content)),
        **{f"csv/{part.name}.csv": to_csv(part) for part in content.parts},
    }
    moment = content.made_at.utctimetuple()[:6]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files.items():
            packed.writestr(zipfile.ZipInfo(name, moment), text.encode(), zipfile.ZIP_DEFLATED)
    return target.getvalue()


def document(content: Content) -> dict[str, Any]:
    """`data.json`: the rows by table, with what every table and column means, and the explanations."""
    return {
        "format": "wayfinder-package",
        "version": VERSION,
        "kind": content.kind,
        "request": content.request,
        "made_at": plain(content.made_at),
        "tables": {part.name: _table(part) for part in content.parts},
        "uses": [asdict(one) for one in content.uses],
        "sources": list(content.sources),
        "recipients": list(content.recipients),
        "logic": [asdict(one) for one in content.logic],
        "notes": [asdict(one) for one in content.notes],
        "statements": [asdict(one) for one in content.statements],
        "left_out": [asdict(one) for one in content.left_out],
    }


def schema(content: Content) -> dict[str, Any]:
    """JSON Schema (2020-12) of this `data.json`: its tables with their columns."""
    texts = {"type": "array", "items": {"type": "string"}}
    said = _object({"title": {"type": "string"}, "text": {"type": "string"}})
    use = _object(
        {name: {"type": "string"} for name in ("category", "about", "origin", "legal_basis", "retention")}
        | {"purposes": texts}
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Personal data of one person",
        **_object(
            {
                "format": {"const": "wayfinder-package"},
                "version": {"const": VERSION},
                "kind": {"enum": ["access", "portability"]},
                "request": {"type": "string"},
                "made_at": {"type": "string", "format": "date-time"},
                "tables": _object({part.name: _table_schema(part) for part in content.parts}),
                "uses": {"type": "array", "items": use},
                "sources": texts,
                "recipients": texts,
                **{name: {"type": "array", "items": said} for name in ("notes", "logic", "statements", "left_out")},
            }
        ),
    }


def to_csv(part: Part) -> str:
    """A table with its nested fields laid out; no cell is taken for a formula."""
    names, rows = flat(part)
    target = io.StringIO()
    writer = csv.DictWriter(target, [safe(name) for name in names], restval="", lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({safe(name): _cell(value) for name, value in row.items()})
    # With a mark, so that spreadsheets read it as UTF-8.
    return "\ufeff" + target.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return safe(value)
    return "" if value is None else value if isinstance(value, (int, float)) else safe(json.dumps(value))


def _table(part: Part) -> dict[str, Any]:
    return {
        "title": part.title,
        "topic": part.topic,
        "about": part.about,
        "columns": {one.name: {"title": one.title, "category": one.category} for one in part.columns},
        "rows": [dict(row) for row in part.rows],
    }


def _table_schema(part: Part) -> dict[str, Any]:
    text = {"type": "string"}
    column = _object({"title": text, "category": text})
    row = {one.name: {"title": one.title, "type": _types(part, one.name)} for one in part.columns}
    return _object(
        {
            "title": {"const": part.title},
            "topic": text,
            "about": text,
            "columns": _object({one.name: column for one in part.columns}),
            "rows": {"type": "array", "items": {"type": "object", "properties": row, "additionalProperties": False}},
        }
    )


def _types(part: Part, name: str) -> list[str]:
    found = {_TYPES[type(row[name])] for row in part.rows if row.get(name) is not None}
    return ["null", *sorted(found)]


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object", "properties": dict(properties), "required": list(properties), "additionalProperties": False
    }  # fmt: skip


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)
