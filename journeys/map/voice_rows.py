"""Rows about experience: how people feel, what they touch, how service answers them.

Feeling is drawn as measured: one point per stage with its interval, straight lines between neighbours that both have
one, nothing where nobody rated or wrote.
"""

from __future__ import annotations

from journeys.map import fonts
from journeys.map.content import Touchpoint
from journeys.map.flow_rows import hint
from journeys.map.grid import Column, Grid, row_label
from journeys.map.page import DARK, INK, LIGHT, MID, PALE, RED, Page, clear_of
from journeys.map.words import Words, count, percent
from journeys.measures import Measure

CURVE_HEIGHT = 92.0
# Room that the scale of the curve takes from the row's heading.
SCALE = 34.0
TOP = 5


def feeling(page: Page, grid: Grid, y: float) -> float:
    """Share of good ratings with its interval and n; labels keep clear of the lines."""
    words = grid.words
    low = row_label(page, y, words("feeling"), words("feeling_note"), room=SCALE)
    base = y + 24 + CURVE_HEIGHT

    def height(share: float) -> float:
        return base - CURVE_HEIGHT * share

    for share in (0.0, 0.5, 1.0):
        page.line(grid.left, height(share), grid.right, height(share), stroke=PALE, width=1)
        page.text(grid.left - 8, height(share) + 3.5, percent(share), size=9.5, fill=MID, anchor="end")
    centres = {column.stage.stage: column.left + column.width / 2 for column in grid.columns}
    lines: list[tuple[float, float, float, float]] = []
    for left, right in zip(grid.path, grid.path[1:], strict=False):
        a, b = left.stage.feeling.value, right.stage.feeling.value
        if a is not None and b is not None:
            lines.append((centres[left.stage.stage], height(a), centres[right.stage.stage], height(b)))
    for x1, y1, x2, y2 in lines:
        page.line(x1, y1, x2, y2, stroke=LIGHT, width=1.4)
    for column in grid.columns:
        measure, middle = column.stage.feeling, centres[column.stage.stage]
        low = max(low, _feeling_basis(page, column, base + 18, words))
        if measure.value is None:
            page.text(middle, height(0.75) + 4, words("no_ratings"), size=11.5, fill=MID, anchor="middle")
            continue
        whisker = (middle, height(measure.high or 0), middle, height(measure.low or 0))
        page.line(*whisker, stroke=DARK, width=1.6)
        page.dot(middle, height(measure.value), 5, RED if column.is_bottleneck else INK)
        at = (middle, height(measure.value))
        _feeling_label(page, column.stage.stage, measure, at=at, lines=[*lines, whisker], lowest=base + 4)
    return low + 14


def _feeling_basis(page: Page, column: Column, y: float, words: Words) -> float:
    """Below the scale: how many ratings and texts stand behind the point, and how many texts say nothing."""
    stage, basis = column.stage, column.stage.feeling_from
    texts, rated = int(basis.from_text.value or 0), int(basis.rated.value or 0)
    if texts:
        told = words("feeling_from", n=f"{stage.feeling.n:,}", rated=f"{rated:,}", text=f"{texts:,}")
    else:
        told = words("feeling_rated", n=f"{stage.feeling.n:,}") if stage.feeling.n else ""
    for part, text in (("text_share", told), ("no_verdict", _silent(basis.no_verdict, words))):
        for line in fonts.wrap(text, 11, column.width):
            measure = getattr(basis, part)
            page.text(column.left, y, line, size=11, fill=MID, key=f"feeling.{stage.stage}.{part}", hint=hint(measure))
            y += 14
    return y - 14


def _silent(measure: Measure, words: Words) -> str:
    return words("feeling_silent", n=count(measure.value)) if measure.value else ""


def _feeling_label(
    page: Page,
    stage: str,
    measure: Measure,
    *,
    at: tuple[float, float],
    lines: list[tuple[float, float, float, float]],
    lowest: float,
) -> None:
    """The share beside the point, at the first height where no line runs through it."""
    share = percent(measure.value)
    wide = fonts.width(share, 15, bold=True)
    left = at[0] + 11
    tries = [y for step in range(24) for way in (-1, 1) if (y := at[1] + 5 + way * step * 4) <= lowest]
    free = (y for y in tries if clear_of((left - 2, y - 14, left + wide + 2, y + 4), lines))
    y = next(free, tries[-1])
    page.text(left, y, share, size=15, bold=True, key=f"feeling.{stage}", hint=hint(measure))


def touchpoints(page: Page, grid: Grid, y: float) -> float:
    """The most travelled touchpoints of each stage as bars on one scale."""
    words = grid.words
    shown = {
        column.stage.stage: [each for each in column.stage.touchpoints if each.lane == "path"][:TOP]
        for column in grid.columns
    }
    deepest = max((len(rows) for rows in shown.values()), default=0)
    low = row_label(page, y, words("touchpoints"), words("touchpoints_note", n=TOP))
    tallest = max((row.people.value or 0.0 for rows in shown.values() for row in rows), default=1.0) or 1.0
    for column in grid.columns:
        room = _label_room(grid, column, shown[column.stage.stage])
        for index, row in enumerate(shown[column.stage.stage]):
            at = y + 25 + 21 * index
            label = fonts.shorten(words.touchpoint(row.type, row.label), 12.5, room - 8)
            page.text(column.left, at, label, size=12.5)
            number = count(row.people.value)
            length = 0.0
            if column.stage.is_path:
                longest = column.width - room - fonts.width(number, 12) - 8
                length = max(longest * (row.people.value or 0.0) / tallest, 1.5)
                page.rect(column.left + room, at - 9.5, length, 11, "#9a9a98")
            key = f"touchpoint.{column.stage.stage}.{row.type}"
            page.text(column.left + room + length + 6, at, number, size=12, fill=DARK, key=key, hint=hint(row.people))
    return max(low, y + 25 + 21 * max(deepest - 1, 0)) + 18


def _label_room(grid: Grid, column: Column, rows: list[Touchpoint]) -> float:
    """Room for the labels of a column: what the longest needs, within bounds that leave the bars some."""
    needed = max((fonts.width(grid.words.touchpoint(row.type, row.label), 12.5) for row in rows), default=0.0) + 10
    least, most = (0.5, 0.66) if column.stage.is_path else (0.5, 0.72)
    return min(max(needed, least * column.width), most * column.width)


def service(page: Page, grid: Grid, y: float) -> float:
    """The lane beside the path: who contacts service from each stage and how it answers."""
    words = grid.words
    page.rect(grid.left - 14, y + 12, grid.right - grid.left + 14, 72, "#f1f1ee", radius=5)
    low = row_label(page, y, words("service"), words("service_note"))
    for column in grid.columns:
        cell = column.stage.service
        if not cell.people.value:
            page.text(column.left, y + 33, words("no_contacts"), size=12, fill=MID)
            continue
        key = f"service.{column.stage.stage}"
        number = count(cell.people.value)
        text = words("service_people", n=number, share=percent(cell.share.value))
        page.text(column.left, y + 33, text, size=13, bold=True, key=f"{key}.people", hint=hint(cell.share))
        if cell.tickets.value and column.stage.is_path:
            hours = cell.hours.value
            answered = words("service_hours", hours=words.span(hours / 24 if hours is not None else None))
            page.text(column.left, y + 53, answered, size=12, fill=DARK, key=f"{key}.hours", hint=hint(cell.hours))
            late = words("service_slow", share=percent(cell.slow.value), n=count(cell.tickets.value))
            page.text(column.left, y + 71, late, size=12, fill=DARK, key=f"{key}.slow", hint=hint(cell.slow))
    return max(low, y + 88) + 14
