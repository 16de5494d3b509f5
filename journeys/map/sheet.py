"""A journey map as a spreadsheet: the page as a matrix, every number with its n and interval, the SQL behind them.

Text cells are written as text, so that nothing from the data can become a formula.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from journeys.map.content import FEELING_PARTS, JourneyMap
from journeys.map.words import Words
from journeys.measures import Measure


class Share(float):
    """A share of one, shown as a percentage."""


def _cell(measure: Measure | None, name: str = "value") -> Any:
    """A value, or an end of the interval, as the spreadsheet shows it."""
    value = None if measure is None else getattr(measure, name)
    is_share = measure is not None and measure.unit.startswith("share") and name != "n"
    return Share(value) if is_share and value is not None else value


def workbook(shown: JourneyMap, compare: JourneyMap | None = None) -> bytes:
    """An .xlsx file with the sheets Map, Numbers, Interventions and Queries; of a comparison also those of the other.

    The numbers of two maps stand side by side, the sheets of the second one end in 2.
    """
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.worksheets[0])
    maps = [shown] if compare is None else [shown, compare]
    for number, each in enumerate(maps):
        mark = f" {number + 1}" if number else ""
        _fill(book.create_sheet(f"Map{mark}"), _matrix(each), widths=(24, 18), frozen="B3")
    _fill(book.create_sheet("Numbers"), _numbers(maps), widths=(40, 14), frozen="A2")
    for number, each in enumerate(maps):
        mark = f" {number + 1}" if number else ""
        _fill(book.create_sheet(f"Interventions{mark}"), _interventions(each), widths=(44, 16), frozen="A2")
        _fill(book.create_sheet(f"Queries{mark}"), _queries(each), widths=(24, 40), frozen="A2")
    stream = BytesIO()
    book.save(stream)
    return stream.getvalue()


def _numbers(maps: list[JourneyMap]) -> list[list[Any]]:
    """One row a number, the columns of each map beside each other."""
    columns = ("value", "n", "low", "high")
    marks = [f" {number + 1}" if number else "" for number in range(len(maps))]
    rows: list[list[Any]] = [
        ["number", "unit", "query", *(f"{name}{mark}" for mark in marks for name in columns), "method", "cell"]
    ]
    known = [dict(each.numbers()) for each in maps]
    for key in dict.fromkeys(key for numbers in known for key in numbers):
        cells = [numbers.get(key) for numbers in known]
        first = next(cell for cell in cells if cell is not None)
        values = [_cell(cell, name) for cell in cells for name in columns]
        trace = next(each for each, numbers in zip(maps, known, strict=True) if key in numbers).trace(key, first)
        rows.append([key, first.unit, first.query, *values, trace.method, trace.cell])
    return rows


def _queries(shown: JourneyMap) -> list[list[Any]]:
    rows: list[list[Any]] = [["query", "models", "parameters", "sql"]]
    for name, query in shown.queries.items():
        bound = "; ".join(f"{key} = {value}" for key, value in query.parameters.items())
        rows.append([name, ", ".join(query.models), bound, query.sql])
    return rows


def _matrix(shown: JourneyMap) -> list[list[Any]]:
    words = Words(shown.lang)
    columns = shown.stages
    who = f"{words.who(shown)} · {words.period(shown)}"
    rows: list[list[Any]] = [[shown.headline.sentence], [who, *(words.stage(c.stage, c.label)[0] for c in columns)]]
    rows.append([words("people"), *(column.reached.value for column in columns)])
    rows.append([words("now", n="").strip(), *(column.now.value for column in columns)])
    for move in dict.fromkeys(move for column in columns for move in column.moves):
        cells = (_cell(column.moves.get(move)) for column in columns)
        rows.append([f"{words('moves')}: {words(f'move.{move}')}", *cells])
    rows += [
        [f"{words('time')} {mark}", *(getattr(column.time, mark).value for column in columns)]
        for mark in ("p25", "p50", "p75")
    ]
    rows.append([words("feeling"), *(_cell(column.feeling) for column in columns)])
    rows.append([f"{words('feeling')}: n", *(column.feeling.n for column in columns)])
    for part in FEELING_PARTS:
        cells = (_cell(getattr(column.feeling_from, part)) for column in columns)
        rows.append([f"{words('feeling')}: {part.replace('_', ' ')}", *cells])
    rows.append([words("service"), *(column.service.people.value for column in columns)])
    kinds = dict.fromkeys((each.type, each.label) for column in columns for each in column.touchpoints)
    for kind, label in kinds:
        found = [{each.type: each.people.value for each in column.touchpoints}.get(kind) for column in columns]
        rows.append([f"{words('touchpoints')}: {words.touchpoint(kind, label)}", *found])
    return rows


def _interventions(shown: JourneyMap) -> list[list[Any]]:
    names = ["title", "key", "stage", "people", "basis", "outcome", "gap", "gap low", "gap high", "n", "at stake",
             "at stake low", "at stake high", "investment", "difficulty", "period (days)", "priority",
             "wording"]  # fmt: skip
    rows: list[list[Any]] = [list(names)]
    for row in shown.interventions:
        effect, worth = row.effect, row.worth
        rows.append([row.title, row.key, row.stage, row.people, row.basis, effect.outcome, effect.value, effect.low,
                     effect.high, effect.n, worth.value, worth.low, worth.high, row.investment, row.difficulty,
                     row.period_days, row.priority, row.wording])  # fmt: skip
    return rows


def _fill(sheet: Any, rows: list[list[Any]], *, widths: tuple[int, int], frozen: str) -> None:
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    for y, row in enumerate(rows, start=1):
        for x, value in enumerate(row, start=1):
            if value is None:
                continue
            cell = sheet.cell(row=y, column=x, value=value)
            if isinstance(value, str):
                cell.data_type = "s"
            elif isinstance(value, Share):
                cell.number_format = "0.0 %"
            if y <= int(frozen[1:]) - 1:
                cell.font = Font(bold=True)
    for x in range(1, max((len(row) for row in rows), default=1) + 1):
        sheet.column_dimensions[get_column_letter(x)].width = widths[0] if x == 1 else widths[1]
    sheet.freeze_panes = frozen
