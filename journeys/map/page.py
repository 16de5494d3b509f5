"""A page of SVG: rectangles, straight lines and text whose boxes are known.

Coordinates are user units, y grows downwards, text is placed by its baseline. The page remembers the box of every text
so that overlaps can be found (`overlaps`) and labels can be moved apart before they are drawn (`spread`). It knows
nothing about journeys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Literal

from journeys.map import fonts

Anchor = Literal["start", "middle", "end"]

INK = "#1b1b1b"
DARK = "#4d4d4d"
MID = "#767676"
LIGHT = "#bdbdbb"
PALE = "#e7e7e4"
PAPER = "#fefefc"
RED = "#b3261e"
RED_PALE = "#eac3bf"

# Above the baseline and below it, as shares of the size; the ink of digits and letters with their descenders.
ASCENT, DESCENT = 0.76, 0.22


@dataclass(frozen=True)
class Box:
    """A text and the rectangle it covers."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    def hits(self, other: Box) -> bool:
        """Whether the two rectangles share area."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


@dataclass
class Page:
    """Collects shapes from top to bottom."""

    width: float
    elements: list[str] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 13,
        bold: bool = False,
        fill: str = INK,
        anchor: Anchor = "start",
        key: str | None = None,
        hint: str | None = None,
    ) -> float:
        """One line at baseline `y`; returns its right edge. `key` and `hint` serve the interactive page."""
        text = fonts.fold(text)
        if not text.strip():
            return x
        wide = fonts.width(text, size, bold=bold)
        left = {"start": x, "middle": x - wide / 2, "end": x - wide}[anchor]
        self.boxes.append(Box(text, left, y - ASCENT * size, left + wide, y + DESCENT * size))
        attributes = f'x="{left:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{fill}"'
        if bold:
            attributes += ' font-weight="bold"'
        title = f"<title>{escape(hint)}</title>" if hint else ""
        spans = _spans(text, left, bold=bold, fill=fill, size=size)
        data = f' data-key="{escape(key)}"' if key else ""
        self.elements.append(f"<text {attributes}{data}>{title}{spans}</text>")
        return left + wide

    def lines(self, x: float, y: float, texts: list[str], *, size: float, leading: float, fill: str = INK) -> float:
        """Lines below each other; returns the baseline after the last one."""
        for text in texts:
            self.text(x, y, text, size=size, fill=fill)
            y += leading
        return y

    def rect(self, x: float, y: float, width: float, height: float, fill: str, *, radius: float = 0) -> None:
        """A filled rectangle; nothing when it has no area."""
        if width > 0 and height > 0:
            corner = f' rx="{radius:g}"' if radius else ""
            self.elements.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"{corner}/>'
            )

    def line(
        self, x1: float, y1: float, x2: float, y2: float, *, stroke: str = LIGHT, width: float = 1, dash: str = ""
    ) -> None:
        """A straight line."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.elements.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" '
            f'stroke-width="{width:g}"{dashed}/>'
        )

    def dot(self, x: float, y: float, radius: float, fill: str = INK) -> None:
        """A filled circle."""
        self.elements.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{fill}"/>')

    def overlaps(self) -> list[tuple[Box, Box]]:
        """Pairs of texts that cover each other."""
        ordered = sorted(self.boxes, key=lambda box: box.top)
        found = []
        for index, box in enumerate(ordered):
            for other in ordered[index + 1 :]:
                if other.top >= box.bottom:
                    break
                if box.hits(other):
                    found.append((box, other))
        return found

    def svg(self, height: float, *, title: str, lang: str, wide: float | None = None) -> str:
        """The whole document, drawn `wide` across (the page's own width by default)."""
        scale = (wide or self.width) / self.width
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" '
            f'width="{self.width * scale:g}" height="{height * scale:g}" '
            f'viewBox="0 0 {self.width:g} {height:g}" font-family="{fonts.LATIN_FAMILY}" xml:lang="{lang}" '
            'xml:space="preserve" role="img">\n'
            f"<title>{escape(title)}</title>\n"
            f'<rect width="{self.width:g}" height="{height:g}" fill="{PAPER}"/>\n'
            + "\n".join(self.elements)
            + "\n</svg>\n"
        )


def clear_of(box: tuple[float, float, float, float], lines: list[tuple[float, float, float, float]]) -> bool:
    """Whether no straight line (x1, y1, x2, y2, left to right) crosses the box (left, top, right, bottom)."""
    left, top, right, bottom = box
    for x1, y1, x2, y2 in lines:
        if x2 < left or x1 > right:
            continue
        slope = (y2 - y1) / (x2 - x1) if x2 > x1 else 0.0
        ends = [y1, y2] if x2 == x1 else [y1 + slope * (max(x1, left) - x1), y1 + slope * (min(x2, right) - x1)]
        if min(ends) < bottom and max(ends) > top:
            return False
    return True


def spread(centres: list[float], gap: float) -> list[float]:
    """Positions at least `gap` apart, in the given order of values, as near to `centres` as that allows.

    Pool-adjacent-violators on the shifted targets: the least-squares solution of the label-offset problem.
    """
    order = sorted(range(len(centres)), key=lambda index: centres[index])
    blocks: list[list[float]] = []
    for rank, index in enumerate(order):
        blocks.append([centres[index] - rank * gap, 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            value, count = blocks.pop()
            merged, size = blocks.pop()
            blocks.append([(merged * size + value * count) / (size + count), size + count])
    shifted = [value for value, count in blocks for _ in range(int(count))]
    placed = [0.0] * len(centres)
    for rank, index in enumerate(order):
        placed[index] = shifted[rank] + rank * gap
    return placed


def _spans(text: str, left: float, *, bold: bool, fill: str, size: float) -> str:
    """The text's runs, each placed by itself: a renderer must not pick one font for a line that needs two."""
    pieces = fonts.runs(text)
    if len(pieces) == 1 and not pieces[0][0]:
        return escape(text)
    parts = []
    for cjk, part in pieces:
        family = fonts.CJK_FAMILY if cjk else fonts.LATIN_FAMILY
        # The Chinese font comes in one weight: a hairline of the same colour makes it bold without widening it.
        thick = f' stroke="{fill}" stroke-width="{size * 0.028:.2f}" font-weight="normal"' if bold and cjk else ""
        parts.append(f'<tspan x="{left:.1f}" font-family="{family}"{thick}>{escape(part)}</tspan>')
        left += fonts.width(part, size, bold=bold)
    return "".join(parts)
