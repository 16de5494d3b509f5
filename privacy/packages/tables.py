"""Rows of a package as a person reads them: one as a list, a few columns as a table, many as cards.

Everything that comes from data is escaped. Technical columns and what nothing is in are left to the JSON and CSV files;
of many rows the newest are in view and others can be unfolded, up to `MOST_ROWS`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from privacy.packages.content import Part, flat

MOST_ROWS = 100
# So many rows are in view, and a few more rather than folding them away.
IN_VIEW, NEARLY = 12, 16
# A table of more columns cannot be read; its rows become cards.
MOST_COLUMNS = 7
# Categories of columns that only machines read; keys that tell something have their own words.
_TECHNICAL = frozenset({"key", "none", "staff"})
# Categories whose texts are codes of ours, not something that a person wrote.
_CODED = frozenset({"none", "derived", "behaviour", "consent"})
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")
_CODE = re.compile(r"[a-z]+([._][a-z]+)+")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
# What tells when, or what it is about, comes first.
_FIRST = ("occurred_at", "at", "entered_at", "created_at", "trait", "segment_title", "destination_title")
# What is told only of whom it is true.
_ONLY_IF_SO = frozenset({"is_anonymous", "provisional", "name_only"})
# Technical columns that a person does read, by topic.
_TOLD = {
    "records": ("loaded_at", "reason"),
    "profile": ("source", "trait", "rule", "type"),
    "consent": ("source",),
    "activity": ("source", "channel", "touchpoint_type"),
    "sent": ("action", "state"),
    "recognition": ("source", "source_record_id", "record_a", "record_b", "basis", "kind", "at", "reason"),
    "derived": ("state",),
}


def part(one: Part) -> str:
    """A part with its heading."""
    names, rows = flat(one)
    titles = {column.name: column.title for column in one.columns}
    technical = {column.name for column in one.columns if column.category in _TECHNICAL}
    coded = {column.name for column in one.columns if column.category in _CODED}
    shown = [
        name for name in names
        if _is_shown(name, names, technical, one)
        and any(row.get(name) if name in _ONLY_IF_SO else is_filled(row.get(name)) for row in rows)
    ]  # fmt: skip
    if one.topic != "records":
        # The fields of a delivered record stay as they are.
        shown.sort(key=lambda name: name not in _FIRST)
    said = [f"<h3>{escape(one.title)}</h3>"]
    if one.about:
        said.append(f"<p>{escape(one.about)}</p>")
    heads = [(name, titles.get(name, name), name in coded) for name in shown]
    if not shown:
        said.append(f'<p class="mute">{_counted(len(rows))}, in numbers only: see csv/{escape(one.name)}.csv.</p>')
    elif len(rows) == 1:
        said.append(_list(heads, rows[0]))
    else:
        said.append(_folded(heads, _newest(rows, shown)))
        if len(rows) > MOST_ROWS:
            more = len(rows) - MOST_ROWS
            said.append(f'<p class="mute">And {_counted(more, "more ")}: see csv/{escape(one.name)}.csv.</p>')
    return "".join(said)


def table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML; on a phone each row stands alone and every cell names its column."""
    head = "".join(f"<th>{escape(title)}</th>" for title in heads)
    body = "".join(
        "<tr>"
        + "".join(f'<td data-of="{escape(title)}">{cell}</td>' for title, cell in zip(heads, line, strict=True))
        + "</tr>"
        for line in lines
    )
    # An empty cell has no mark of its column, so that a phone can leave it out.
    body = re.sub(r'<td data-of="[^"]*"></td>', "<td></td>", body)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def listed(facts: Iterable[tuple[str, str]]) -> str:
    """Names and values, both HTML, one below the other."""
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts) + "</dl>"


def when(moment: datetime) -> str:
    """A day and a time in words."""
    return f"{day(moment)}, {moment:%H:%M}"


def day(moment: datetime) -> str:
    """A day in words."""
    return f"{moment.day} {moment:%B %Y}"


def cell(value: Any, *, is_code: bool = False) -> str:
    """A value as HTML; empty for one that says nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not is_filled(value):
        return ""
    if isinstance(value, float):
        return f"{value:,.{2 if abs(value) >= 1 else 4}f}".rstrip("0").rstrip(".")
    return escape(_text(str(value), is_code=is_code))


def is_filled(value: Any) -> bool:
    """Whether a value says anything."""
    return value is not None and value not in ("", "[]", "{}", [], {})


def _folded(heads: list[tuple[str, str, bool]], rows: list[dict[str, Any]]) -> str:
    if len(rows) <= NEARLY:
        return _rows(heads, rows)
    rest = rows[IN_VIEW:]
    return (
        f"{_rows(heads, rows[:IN_VIEW])}<details><summary>Show {_counted(len(rest), 'more ')}</summary>"
        f"{_rows(heads, rest)}</details>"
    )


def _rows(heads: list[tuple[str, str, bool]], rows: list[dict[str, Any]]) -> str:
    if len(heads) > MOST_COLUMNS:
        return '<div class="cards">' + "".join(_list(heads, row) for row in rows) + "</div>"
    lines = ([cell(row.get(name), is_code=is_code) for name, _, is_code in heads] for row in rows)
    return table([title for _, title, _ in heads], lines)


def _list(heads: list[tuple[str, str, bool]], row: Mapping[str, Any]) -> str:
    return listed(
        (escape(title), cell(row.get(name), is_code=is_code))
        for name, title, is_code in heads
        if is_filled(row.get(name))
    )


def _newest(rows: list[dict[str, Any]], shown: list[str]) -> list[dict[str, Any]]:
    """At most `MOST_ROWS` rows, newest first where a column of moments says which those are."""
    for name in shown:
        if all(isinstance(row.get(name), str) and _MOMENT.fullmatch(row[name]) for row in rows):
            rows = sorted(rows, key=lambda row: str(row[name]), reverse=True)
            break
    return rows[:MOST_ROWS]


def _is_shown(name: str, names: list[str], technical: set[str], one: Part) -> bool:
    """Fields of delivered records are shown; of declared columns those that tell a person something."""
    if f"{name.removesuffix('_key')}_title" in names:
        return False
    return name not in technical or name in _TOLD.get(one.topic, ())


def _text(text: str, *, is_code: bool) -> str:
    if _MOMENT.fullmatch(text):
        return _bounded(datetime.fromisoformat(text))
    if _DAY.fullmatch(text):
        return day(datetime.fromisoformat(text))
    # Codes of ours are words with lines between them.
    return _reasons(text) or (re.sub("[._]", " ", text) if is_code and _CODE.fullmatch(text) else text)


def _bounded(moment: datetime) -> str:
    """The ends of time stand for "from the first" and "up to now"."""
    return {1: "the beginning", 9999: "today"}.get(moment.year) or when(moment)


def _reasons(text: str) -> str:
    """The sentences of a list of reasons, each of which has `words` beside its numbers."""
    if not text.startswith("[{"):
        return ""
    try:
        found = [str(one["words"]) for one in json.loads(text)]
    except (ValueError, TypeError, KeyError):
        return ""
    return "; ".join(found)


def _counted(rows: int, more: str = "") -> str:
    return f"{rows:,} {more}row" + ("" if rows == 1 else "s")
