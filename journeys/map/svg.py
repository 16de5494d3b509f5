"""Draws a journey map as one page of SVG.

Composes the rows; every number comes from the `JourneyMap`. The page is as tall as its content.
"""

from __future__ import annotations

from journeys.map import action_rows, flow_rows, fonts, voice_rows
from journeys.map.content import JourneyMap
from journeys.map.grid import MARGIN, WIDTH, Grid, lay_out
from journeys.map.page import INK, MID, RED, Page
from journeys.map.words import Words, count

TITLE_SIZE = 30.0
# Of the description of a stage; what is longer ends in an ellipsis.
MOST_LINES = 3


def render(journey_map: JourneyMap, compare: JourneyMap | None = None, *, beside: JourneyMap | None = None) -> str:
    """The page as an SVG document; the size is in user units, so it scales to any resolution.

    With `compare` both maps stand on one page; `beside` only takes over the scale of a map that is drawn elsewhere.
    """
    page, height = compose(journey_map, compare, beside=beside)
    return page.svg(height, title=journey_map.headline.sentence, lang=journey_map.lang)


def compose(
    journey_map: JourneyMap, compare: JourneyMap | None = None, *, beside: JourneyMap | None = None
) -> tuple[Page, float]:
    """The drawn page with the boxes of its texts, and its height. Compared maps stand below each other on one scale."""
    page = Page(WIDTH)
    height = _draw(page, lay_out(journey_map, Words(journey_map.lang), compare or beside), 0.0)
    if compare is not None:
        page.line(0, height + 4, WIDTH, height + 4, stroke=INK, width=2)
        height = _draw(page, lay_out(compare, Words(compare.lang), journey_map), height + 8)
    return page, height


def _draw(page: Page, grid: Grid, y: float) -> float:
    y = _head(page, grid, y)
    for row in (
        flow_rows.people,
        flow_rows.moves,
        flow_rows.time,
        voice_rows.feeling,
        voice_rows.touchpoints,
        voice_rows.service,
        action_rows.pain_points,
        action_rows.interventions,
        action_rows.footer,
    ):
        y = row(page, grid, y)
    return y


def _head(page: Page, grid: Grid, top: float) -> float:
    shown, words = grid.shown, grid.words
    y = top + MARGIN + 18
    for line in fonts.wrap(shown.headline.sentence, TITLE_SIZE, WIDTH - 2 * MARGIN, bold=True)[:3]:
        page.text(MARGIN, y, line, size=TITLE_SIZE, bold=True)
        y += TITLE_SIZE * 1.22
    end = page.text(MARGIN, y - 4, fonts.shorten(words.who(shown), 14, 0.6 * WIDTH, bold=True), size=14, bold=True)
    subtitle = words(
        "subtitle_anonymous" if shown.totals.anonymous.value else "subtitle",
        people=count(shown.totals.people.value),
        anonymous=count(shown.totals.anonymous.value),
        touchpoints=count(shown.totals.touchpoints.value),
        period=words.period(shown),
    )
    page.text(end + 12, y - 4, fonts.shorten(subtitle, 14, WIDTH - MARGIN - end - 12), size=14, fill=MID)
    y += 40
    bottom = y
    for column in grid.columns:
        fill = RED if column.is_bottleneck else INK
        end = page.text(
            column.left, y, fonts.shorten(column.label, 20, column.width, bold=True), size=20, bold=True, fill=fill
        )
        if column.is_bottleneck and end + 10 + fonts.width(words("bottleneck"), 12) <= column.right:
            page.text(end + 10, y, words("bottleneck"), size=12, fill=RED)
        lines = fonts.wrap(column.description, 12.5, column.width)
        if len(lines) > MOST_LINES:
            rest = " ".join(lines[MOST_LINES - 1 :])
            lines = [*lines[: MOST_LINES - 1], fonts.shorten(rest, 12.5, column.width)]
        bottom = max(bottom, page.lines(column.left, y + 19, lines, size=12.5, leading=15, fill=MID))
    return bottom + 2
