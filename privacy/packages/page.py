"""The page that a person reads: one HTML file that needs nothing else and loads nothing.

Everything in it that comes from data is escaped. Technical columns are left to the JSON and CSV files beside it; of
long tables the page shows the newest rows and says how many more there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from html import escape
from typing import Any

from privacy.packages.content import Content, Part, Statement, flat

MOST_ROWS = 100
# Categories of columns that only machines read; keys that tell something have their own words.
_TECHNICAL = frozenset({"key", "none", "staff"})
# Categories whose texts are codes of ours, not something that a person wrote.
_CODED = frozenset({"none", "derived", "behaviour", "consent"})
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")
_CODE = re.compile(r"[a-z]+([._][a-z]+)+")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TITLES = {"access": "What we hold about you", "portability": "What you gave us, to take along"}
_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--mute:#767676}
body{font:16px/1.55 system-ui,sans-serif;max-width:62rem;margin:0 auto;padding:2rem 1.25rem 4rem;text-wrap:pretty}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .5rem}h2{font-size:1.35rem;margin:3rem 0 .25rem;padding-top:1rem;
border-top:2px solid var(--line)}h3{font-size:1.05rem;margin:2rem 0 .25rem}p{margin:.4rem 0 .8rem;max-width:44rem}
.mute{color:var(--mute);font-size:.9rem}nav ul{padding-left:1.1rem}nav li{margin:.15rem 0}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:.5rem}
table{border-collapse:collapse;width:100%;font-size:.88rem}th,td{text-align:left;vertical-align:top;padding:.4rem .7rem;
border-bottom:1px solid var(--line)}th{background:var(--soft);font-weight:600;white-space:nowrap}
tr:last-child td{border-bottom:0}td{min-width:5rem;max-width:26rem;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:minmax(9rem,16rem) 1fr;margin:.5rem 0;border:1px solid var(--line);
border-radius:.5rem;padding:.5rem .9rem}dt{color:var(--mute);padding:.2rem 1rem .2rem 0}dd{margin:0;padding:.2rem 0;
overflow-wrap:anywhere}
@media print{nav{display:none}.scroll{overflow:visible}}@media(max-width:34rem){dl{grid-template-columns:1fr}}
"""


def render(content: Content) -> str:
    """The whole page."""
    title = _TITLES[content.kind]
    topics = [
        (key, name, about, [part for part in content.parts if part.topic == key]) for key, name, about in content.topics
    ]
    filled = [one for one in topics if one[3]]
    chapters = [(key, name) for key, name, _, _ in filled]
    chapters += [("why", "Why we hold it, and for how long")] if content.uses else []
    chapters += [("rights", "How conclusions come about, and your rights")] if content.statements else []
    chapters += [("left-out", "What is not in here")] if content.left_out else []
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>Made on {_when(content.made_at)} for request {escape(content.request)}. The same data is in "
        "<code>data.json</code> (described by <code>schema.json</code>) and, a file a table, in the folder "
        "<code>csv</code>. Times are in UTC.</p>",
        "<nav><ul>"
        + "".join(f'<li><a href="#{key}">{escape(name)}</a></li>' for key, name in chapters)
        + "</ul></nav>",
    ]
    for key, name, about, parts in filled:
        body.append(f'<h2 id="{key}">{escape(name)}</h2><p>{escape(about)}</p>')
        body += [_part(part) for part in parts]
    body += _explanations(content)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _part(part: Part) -> str:
    names, rows = flat(part)
    titles = {one.name: one.title for one in part.columns}
    technical = {one.name for one in part.columns if one.category in _TECHNICAL}
    coded = {one.name for one in part.columns if one.category in _CODED}
    shown = [
        name for name in names
        if _is_shown(name, names, technical, part) and any(_filled(row.get(name)) for row in rows)
    ]  # fmt: skip
    # What tells when comes first; the fields of a delivered record stay as they are.
    shown.sort(key=lambda name: name not in _FIRST or part.topic == "records")
    said = [f"<h3>{escape(part.title)}</h3>"]
    if part.about:
        said.append(f"<p>{escape(part.about)}</p>")
    if not shown:
        said.append(f'<p class="mute">{_counted(len(rows))}, in numbers only: see csv/{escape(part.name)}.csv.</p>')
    elif len(rows) == 1:
        cells = "".join(
            f"<dt>{escape(titles.get(name, name))}</dt><dd>{_cell(rows[0].get(name), name in coded)}</dd>"
            for name in shown if _filled(rows[0].get(name))
        )  # fmt: skip
        said.append(f"<dl>{cells}</dl>")
    else:
        said.append(_table(shown, titles, coded, _newest(rows, shown)))
        if len(rows) > MOST_ROWS:
            more = len(rows) - MOST_ROWS
            said.append(f'<p class="mute">And {_counted(more, "more ")}: see csv/{escape(part.name)}.csv.</p>')
    return "".join(said)


def _table(shown: list[str], titles: Mapping[str, str], coded: set[str], rows: Iterable[Mapping[str, Any]]) -> str:
    head = "".join(f"<th>{escape(titles.get(name, name))}</th>" for name in shown)
    lines = "".join(
        "<tr>" + "".join(f"<td>{_cell(row.get(name), name in coded)}</td>" for name in shown) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def _newest(rows: list[dict[str, Any]], shown: list[str]) -> list[dict[str, Any]]:
    """At most `MOST_ROWS` rows, newest first where a column of moments says which those are."""
    for name in shown:
        if all(isinstance(row.get(name), str) and _MOMENT.fullmatch(row[name]) for row in rows):
            rows = sorted(rows, key=lambda row: str(row[name]), reverse=True)
            break
    return rows[:MOST_ROWS]


def _is_shown(name: str, names: list[str], technical: set[str], part: Part) -> bool:
    """Fields of delivered records are shown; of declared columns those that tell a person something."""
    if f"{name.removesuffix('_key')}_title" in names:
        return False
    return name not in technical or name in _TOLD.get(part.topic, ())


_FIRST = ("occurred_at", "at", "entered_at", "trait", "segment_title", "destination_title")
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


def _explanations(content: Content) -> list[str]:
    said: list[str] = []
    if content.uses:
        heads = ("What", "From whom", "What for", "On which basis", "How long")
        lines = "".join(
            f"<tr><td>{escape(use.about)}</td><td>{escape(use.origin)}</td><td>{escape(' '.join(use.purposes))}</td>"
            f"<td>{escape(use.legal_basis)}</td><td>{escape(use.retention)}</td></tr>"
            for use in content.uses
        )
        said.append(
            '<h2 id="why">Why we hold it, and for how long</h2><div class="scroll"><table><thead><tr>'
            + "".join(f"<th>{head}</th>" for head in heads)
            + f"</tr></thead><tbody>{lines}</tbody></table></div>"
        )
        said.append(_listed("Where records came from", content.sources, "No system delivered records."))
        if content.kind == "access":
            said.append(_listed("Who received data of yours", content.recipients, "No receiver outside is noted."))
    if content.statements:
        said.append('<h2 id="rights">How conclusions come about, and your rights</h2>')
        said += [_statement(one) for one in (*content.logic, *content.statements)]
    if content.left_out:
        said.append('<h2 id="left-out">What is not in here</h2><ul>')
        # Which tables these are stands in data.json.
        said += [f"<li>{escape(one.text)}</li>" for one in content.left_out]
        said.append("</ul>")
    return said


def _listed(title: str, texts: Iterable[str], nothing: str) -> str:
    lines = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<h3>{title}</h3>" + (f"<ul>{lines}</ul>" if lines else f"<p>{nothing}</p>")


def _statement(one: Statement) -> str:
    return f"<h3>{escape(one.title)}</h3><p>{escape(one.text)}</p>"


def _cell(value: Any, is_code: bool) -> str:
    if value is None or value == "":
        return '<span class="mute">-</span>'
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    text = str(value)
    if _MOMENT.fullmatch(text):
        return escape(_when(datetime.fromisoformat(text)))
    if _DAY.fullmatch(text):
        return escape(_day(datetime.fromisoformat(text)))
    # Codes of ours are words with lines between them.
    return escape(re.sub("[._]", " ", text) if is_code and _CODE.fullmatch(text) else text)


def _filled(value: Any) -> bool:
    return value is not None and value not in ("", "[]", [], {})


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _when(moment: datetime) -> str:
    if moment.year in (1, 9999):
        return "open"
    return f"{_day(moment)}, {moment:%H:%M}"


def _counted(rows: int, more: str = "") -> str:
    return f"{rows:,} {more}row" + ("" if rows == 1 else "s")
