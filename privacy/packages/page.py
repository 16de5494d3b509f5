"""The page that a person reads: one HTML file that needs nothing else and loads nothing.

First what it comes to, then chapter by chapter: who they are to us, what was concluded, who received it, why and how
long, their rights; the rows as we received them come last. Everything that comes from data is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape
from pathlib import Path

from privacy.packages import tables
from privacy.packages.content import Content, Part, Statement

_TITLES = {"access": "What we hold about you", "portability": "What you gave us, to take along"}
_INTENTS = {
    "access": "This is a copy of the personal data that we hold about you, with the reasons why we hold it.",
    "portability": "This is what you gave us and what we saw you do, as we received it. You may pass it on to others.",
}
# Chapters with single rows, which are long; what explains the data stands before them.
_LONG = frozenset({"activity", "records", "recognition", "more"})
_STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
_ARTICLES = (
    "Articles are those of the General Data Protection Regulation (EU) 2016/679: Art. 6(1)(a) is your consent, (b) a "
    "contract with you, (c) a duty that the law puts on us, (f) our legitimate interest, to which you may object."
)


def render(content: Content) -> str:
    """The whole page."""
    title = _TITLES[content.kind]
    chapters = _chapters(content)
    links = "".join(f'<li><a href="#{key}">{escape(name)}</a></li>' for key, name, _ in chapters)
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p>{_INTENTS[content.kind]}</p><p class="mute">Made on {tables.when(content.made_at)} for request '
        f"{escape(content.request)}. Times are in UTC. The folder <code>csv</code> has every row of every table, for a "
        "spreadsheet; <code>data.json</code>, described by <code>schema.json</code>, has the same for software.</p>",
        tables.listed(_in_short(content)),
        "".join(_note(one) for one in content.notes),
        f"<nav><ul>{links}</ul></nav>",
    ]
    body += [f'<h2 id="{key}">{escape(name)}</h2>{text}' for key, name, text in chapters]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _chapters(content: Content) -> list[tuple[str, str, str]]:
    """Key, heading and text of each chapter that has something to say, in the order of the page."""
    topics: list[tuple[str, str, str]] = []
    details: list[tuple[str, str, str]] = []
    for key, name, about in content.topics:
        parts = [one for one in content.parts if one.topic == key]
        if parts:
            text = f"<p>{escape(about)}</p>" + "".join(tables.part(one) for one in parts)
            (details if key in _LONG else topics).append((key, name, text))
    explained = [
        ("why", "Why we hold it, and for how long", _uses(content) if content.uses else ""),
        ("rights", "Your rights, and how conclusions come about", _rights(content)),
    ]
    left_out = ("left-out", "What is not in here", _items(one.text for one in content.left_out))
    return [one for one in (*topics, *explained, *details, left_out) if one[2]]


def _in_short(content: Content) -> Iterable[tuple[str, str]]:
    """What it comes to."""
    systems = [source.partition(":")[0] for source in content.sources]
    count = f"{content.rows:,} row" + ("" if content.rows == 1 else "s")
    yield "What", f"{count} about you" + (f", from: {escape(', '.join(systems))}" if systems else "")
    if since := _since(content.parts):
        yield "Since when", since
    if groups := _values(content.parts, "store.memberships", "segment_title"):
        yield "Groups you are in", escape(", ".join(groups))
    if content.kind == "access":
        yield "Who received it", escape(", ".join(content.recipients)) or "Nobody outside of us."
        yield "What you can do", '<a href="#rights">Your rights</a>' if content.statements else ""


def _since(parts: Iterable[Part]) -> str:
    """When the person was first seen, where their profile says so."""
    seen = _values(parts, "marts.profiles", "first_seen_at")
    return escape(tables.day(datetime.fromisoformat(min(seen)))) if seen else ""


def _values(parts: Iterable[Part], name: str, column: str) -> list[str]:
    found = (str(row[column]) for one in parts if one.name == name for row in one.rows if row.get(column))
    return list(dict.fromkeys(found))


def _note(one: Statement) -> str:
    return f'<div class="note"><p><strong>{escape(one.title)}</strong></p><p>{escape(one.text)}</p></div>'


def _uses(content: Content) -> str:
    lines = (
        [escape(text) for text in (
            use.about, use.origin, " ".join(use.purposes), use.legal_basis, use.retention
        )]
        for use in content.uses
    )  # fmt: skip
    heads = ("What", "From whom", "What for", "On which basis", "How long")
    said = [tables.table(heads, lines), f'<p class="mute">{_ARTICLES}</p>', "<h3>Where records came from</h3>"]
    said.append(_items(content.sources) or "<p>No system delivered records.</p>")
    if content.kind == "access":
        said.append("<h3>Who received data of yours</h3>")
        said.append(_items(content.recipients) or "<p>Nobody outside of us, as far as our records go.</p>")
    return "".join(said)


def _rights(content: Content) -> str:
    if not content.statements:
        return ""
    told = (*content.statements, *content.logic)
    asked = f"<p>To use a right, write to whoever sent you this copy, and name request {escape(content.request)}.</p>"
    return asked + "".join(f"<h3>{escape(one.title)}</h3><p>{escape(one.text)}</p>" for one in told)


def _items(texts: Iterable[str]) -> str:
    lines = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>{lines}</ul>" if lines else ""
