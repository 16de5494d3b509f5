"""Rows about movement: who is where, what they do next, how long they stay.

Each function draws one row below `y` and returns where the next one may begin.
"""

from __future__ import annotations

import math

from journeys.map import fonts
from journeys.map.content import MOVES
from journeys.map.grid import Column, Grid, row_label
from journeys.map.page import DARK, INK, LIGHT, MID, PALE, RED, RED_PALE, Page
from journeys.map.words import count, percent
from journeys.measures import Measure

BAR_HEIGHT = 104.0
MOVE_LEADING = 22.0
# Durations from a minute to three years share one logarithmic axis.
SHORTEST, LONGEST = 1 / 1440, 1095.0
TICKS = (1 / 24, 1.0, 30.44, 365.25)
GREYS = {
    "forward": DARK, "back": "#8f8f8d", "service": "#adadab", "lapse": LIGHT, "restart": DARK, "stay": LIGHT,
}  # fmt: skip


def hint(measure: Measure) -> str:
    """What hovering over a number tells."""
    parts = [f"n = {measure.n:,}"]
    if measure.low is not None and measure.high is not None:
        scale = 100 if measure.unit.startswith("share") else 1
        parts.append(f"95 %: {measure.low * scale:.1f} – {measure.high * scale:.1f}")
    return " · ".join([*parts, f"query: {measure.query}"])


def people(page: Page, grid: Grid, y: float) -> float:
    """Bars: people who ever reached the stage, dark those who are there; bands: those who went straight on."""
    words = grid.words
    low = row_label(page, y, words("people"), words("people_note"))
    tallest = grid.tallest * (grid.shown.totals.people.value or 1.0)
    base = y + 24 + BAR_HEIGHT
    for column in grid.columns:
        stage = column.stage
        reached = BAR_HEIGHT * (stage.reached.value or 0.0) / tallest
        now = BAR_HEIGHT * (stage.now.value or 0.0) / tallest
        page.rect(column.left, base - reached, column.width, reached, RED_PALE if column.is_bottleneck else PALE)
        dark = DARK if stage.is_path else MID
        page.rect(column.left, base - now, column.width, now, RED if column.is_bottleneck else dark)
        key = f"people.{stage.stage}"
        end = page.text(
            column.left, base + 22, count(stage.reached.value), size=17, bold=True, key=f"{key}.reached",
            hint=hint(stage.reached),
        )  # fmt: skip
        share = (stage.reached.value or 0) / stage.reached.n if stage.reached.n else None
        note = words("reached", share=percent(share))
        if stage.is_path:
            page.text(end + 7, base + 22, note, size=12, fill=MID)
        now_text = words("now", n=count(stage.now.value))
        page.text(column.left, base + 41, now_text, size=13, fill=INK, key=f"{key}.now", hint=hint(stage.now))
    for left, right in zip(grid.path, grid.path[1:], strict=False):
        band = BAR_HEIGHT * (left.stage.steps_on.value or 0.0) / tallest
        page.rect(left.right, base - band, right.left - left.right, band, "#f3f3f1")
        page.line(left.right, base - band, right.left, base - band, stroke=LIGHT, width=0.8)
    return max(low, base + 41) + 16


def moves(page: Page, grid: Grid, y: float) -> float:
    """Shares of what happens first after entering a stage."""
    words = grid.words
    low = row_label(page, y, words("moves"), words("moves_note"))
    # What leads back in is no exit from the path: it stands where "forward" and "back" stand on the path.
    slots = {"forward": 0, "back": 1, "service": 2, "lapse": 3, "restart": 0, "stay": 1}
    bottom = y
    for column in grid.columns:
        known = {move: column.stage.moves[move] for move in MOVES if move in column.stage.moves}
        texts = {move: f"{share} {words(f'move.{move}')}" for move, share in column.percents.items()}
        widest = max((fonts.width(text, 13) for text in texts.values()), default=0.0)
        longest = min(column.width * 0.45, column.width - widest - 8)
        for move, measure in known.items():
            at = y + 25 + slots[move] * MOVE_LEADING
            length = max(longest * (measure.value or 0.0), 1.5)
            fill = RED if move == "forward" and column.is_bottleneck else None
            page.rect(column.left, at - 10, length, 12, fill or GREYS[move])
            key = f"moves.{column.stage.stage}.{move}"
            page.text(column.left + length + 7, at, texts[move], size=13, fill=fill or INK, key=key, hint=hint(measure))
            bottom = max(bottom, at)
    for column in grid.columns:
        total = next((measure.n for measure in column.stage.moves.values()), 0)
        unit = "moves_n" if column.stage.is_path else "stays_n"
        page.text(column.left, bottom + 19, words(unit, n=f"{total:,}"), size=11.5, fill=MID)
    return max(low, bottom + 19) + 16


def time(page: Page, grid: Grid, y: float) -> float:
    """Median and middle half of the days in stage, on one logarithmic axis."""
    words = grid.words
    low = row_label(page, y, words("time"), words("time_note"))
    line = y + 28
    lowest = line + 25
    for column in grid.columns:
        page.line(column.left, line, column.right, line, stroke=PALE, width=1.2)
        for tick in TICKS:
            x = _place(tick, column)
            page.line(x, line - 3, x, line + 3, stroke=LIGHT)
        stay = column.stage.time
        start = _place(stay.p25.value, column)
        end = _place(stay.p75.value, column) if stay.p75.value is not None else column.right
        if stay.p25.value is not None:
            page.rect(start, line - 3, max(end - start, 2.0), 6, LIGHT)
        if stay.p50.value is not None:
            page.dot(_place(stay.p50.value, column), line, 5.5, RED if column.is_bottleneck else INK)
        text = words.span(stay.p50.value) if stay.p50.value is not None else words("never")
        key = f"time.{column.stage.stage}.p50"
        if stay.p50.n == 0:
            page.text(column.left, line + 25, "–", size=13, fill=MID)
            continue
        right = page.text(
            column.left, line + 25, text, size=13 if stay.p50.value is None else 15,
            bold=stay.p50.value is not None, key=key, hint=hint(stay.p50),
        )  # fmt: skip
        if stay.p50.value is not None:
            first = words.span(stay.p25.value)
            last = stay.p75.value
            middle = f"{first} – {words.span(last)}" if last is not None else words("open_end", low=first)
            fits = right + 8 + fonts.width(middle, 12) <= column.right
            page.text(right + 8 if fits else column.left, line + (25 if fits else 42), middle, size=12, fill=MID)
            lowest = max(lowest, line + (25 if fits else 42))
    for column in grid.columns[:1]:
        for tick, label in zip(TICKS, words("ticks").split(","), strict=True):
            page.text(_place(tick, column), line - 8, label, size=9.5, fill=MID, anchor="middle")
    return max(low, lowest) + 16


def _place(days: float | None, column: Column) -> float:
    bounded = min(max(days or SHORTEST, SHORTEST), LONGEST)
    return column.left + column.width * math.log(bounded / SHORTEST) / math.log(LONGEST / SHORTEST)
