"""Where things stand on the page: margins, the label column, one column per stage.

Off-path stages (lapsed) get a narrower column at the right, set off from the path.
"""

from __future__ import annotations

from dataclasses import dataclass

from journeys.map import fonts
from journeys.map.content import JourneyMap, StageColumn
from journeys.map.page import INK, LIGHT, MID, Page
from journeys.map.words import Words, whole_percents

WIDTH = 1760.0
MARGIN = 52.0
LABELS = 186.0
GUTTER = 30.0
APART = 46.0
NARROW = 0.62


@dataclass(frozen=True)
class Column:
    """One stage and the room it has."""

    stage: StageColumn
    label: str
    description: str
    left: float
    width: float
    is_bottleneck: bool

    @property
    def right(self) -> float:
        """The right edge."""
        return self.left + self.width

    @property
    def percents(self) -> dict[str, str]:
        """Shares of the moves as whole percents that sum to 100."""
        return whole_percents({move: measure.value or 0.0 for move, measure in self.stage.moves.items()})


@dataclass(frozen=True)
class Grid:
    """The page's columns and texts."""

    shown: JourneyMap
    columns: tuple[Column, ...]
    words: Words
    tallest: float

    @property
    def left(self) -> float:
        """Left edge of the first column."""
        return MARGIN + LABELS

    @property
    def right(self) -> float:
        """Right edge of the page's content."""
        return WIDTH - MARGIN

    @property
    def path(self) -> tuple[Column, ...]:
        """The columns of the path."""
        return tuple(column for column in self.columns if column.stage.is_path)


def lay_out(shown: JourneyMap, words: Words, beside: JourneyMap | None = None) -> Grid:
    """Equal columns for the path, narrower ones for what lies off it; one scale with the map it is compared to.

    Compared maps share the scale of shares, not of counts, so that a small segment can be read beside everybody.
    """
    on, off = shown.path, shown.off_path
    gaps = GUTTER * max(len(on) - 1, 0) + APART * len(off)
    room = WIDTH - 2 * MARGIN - LABELS - gaps
    width = room / (len(on) + NARROW * len(off))
    columns = []
    left = MARGIN + LABELS
    for index, stage in enumerate((*on, *off)):
        if index:
            left += GUTTER if stage.is_path else APART
        own = width if stage.is_path else width * NARROW
        label, description = words.stage(stage.stage, stage.label, stage.description)
        columns.append(Column(stage, label, description, left, own, stage.stage == shown.bottleneck))
        left += own
    maps = (shown, beside) if beside else (shown,)
    tallest = max((reached_share(stage, each) for each in maps for stage in each.stages), default=0.0)
    return Grid(shown, tuple(columns), words, tallest or 1.0)


def reached_share(stage: StageColumn, shown: JourneyMap) -> float:
    """Of the people on a map, the share that ever reached a stage."""
    everybody = shown.totals.people.value or 0.0
    return (stage.reached.value or 0.0) / everybody if everybody else 0.0


def row_label(page: Page, y: float, title: str, note: str, *, room: float = 0.0) -> float:
    """The heading of a row in the label column, under a hairline; returns the lowest y used. `room` stays free."""
    page.line(MARGIN, y, WIDTH - MARGIN, y, stroke=LIGHT, width=0.8)
    page.text(MARGIN, y + 24, title, size=15, bold=True, fill=INK)
    lines = fonts.wrap(note, 11.5, LABELS - 22 - room)
    return page.lines(MARGIN, y + 42, lines, size=11.5, leading=15, fill=MID)
