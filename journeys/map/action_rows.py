"""Rows about what to do: pain points with their comparison, the ranked interventions, how to read the page."""

from __future__ import annotations

from journeys.findings import words as finding_words
from journeys.interventions.model import Intervention
from journeys.map import fonts
from journeys.map.content import PainPoint
from journeys.map.grid import MARGIN, WIDTH, Column, Grid, row_label
from journeys.map.page import DARK, INK, LIGHT, MID, RED, Page
from journeys.map.words import count, percent

MOST_POINTS = 2
MOST_INTERVENTIONS = 5
# Left edges of the table's columns as shares of its width.
TABLE = (("title", 0.0), ("stage", 0.335), ("people", 0.425), ("gap", 0.49), ("worth", 0.575), ("basis", 0.735),
         ("investment", 0.81), ("difficulty", 0.88), ("period", 0.945))  # fmt: skip


def pain_points(page: Page, grid: Grid, y: float) -> float:
    """Up to two pain points a stage: a finding with its comparison, or the stage's exit."""
    words = grid.words
    bottom = row_label(page, y, words("pain"), words("pain_note"))
    for column in grid.columns:
        at = y + 24.0
        if column.stage.is_path and not column.stage.pain_points:
            page.text(column.left, at, words("pain_none"), size=12, fill=MID)
            at += 17
        for point in column.stage.pain_points[:MOST_POINTS] if column.stage.is_path else ():
            at = _pain_point(page, grid, column, point, at) + 10
        bottom = max(bottom, at - 10)
    return bottom + 8


def _pain_point(page: Page, grid: Grid, column: Column, point: PainPoint, y: float) -> float:
    words = grid.words
    headline = point.key == grid.shown.headline.key
    fill = RED if headline or (point.key == "leaves" and column.is_bottleneck) else INK
    if point.finding is not None and point.finding.effect is not None:
        effect = point.finding.effect
        head = finding_words.name(point.finding, grid.shown.lang)
        body = " ".join(
            (
                words(
                    "pain_rates",
                    exposed=percent(effect.rate_exposed),
                    compared=percent(effect.rate_compared),
                    days=words.days(int(point.finding.details.get("days") or 0)),
                ),
                words("pain_n", n_exposed=f"{effect.n_exposed:,}", n_compared=f"{effect.n_compared:,}"),
            )
        )
        like = point.finding.adjusted
        if like is not None and round(100 * like.value) != round(100 * effect.value):
            ends = {"low": _points(like.low), "high": _points(like.high)}
            body = "\n".join((body, words("pain_adjusted", n=_points(like.value), **ends)))
    else:
        share, gone = point.share, point.people
        head = words("leaves_head", share=column.percents.get("lapse", "–"))
        n = share.n if share else 0
        body = words("leaves_line", people=count(gone.value if gone else None), n=f"{n:,}")
    for line in fonts.wrap(head, 13.5, column.width, bold=True):
        page.text(column.left, y, line, size=13.5, bold=True, fill=fill, key=f"pain.{column.stage.stage}.{point.key}")
        y += 17
    lines = [line for text in body.split("\n") for line in fonts.wrap(text, 12, column.width)]
    return page.lines(column.left, y, lines, size=12, leading=15.5, fill=DARK)


def interventions(page: Page, grid: Grid, y: float) -> float:
    """The table of what to do first."""
    words = grid.words
    low = row_label(page, y, words("interventions"), words("interventions_note"))
    rows = grid.shown.interventions[:MOST_INTERVENTIONS]
    room = grid.right - grid.left
    edges = {name: grid.left + share * room for name, share in TABLE}
    for index, (name, share) in enumerate(TABLE):
        following = TABLE[index + 1][1] if index + 1 < len(TABLE) else 1.0
        limit = (following - share) * room - 10
        page.text(edges[name], y + 24, fonts.shorten(words(f"head.{name}"), 11.5, limit), size=11.5, fill=MID)
    at = y + 50
    if not rows:
        page.text(edges["title"], at, words("none"), size=13, fill=MID)
        at += 28
    stages = {column.stage.stage: column.label for column in grid.columns}
    for rank, row in enumerate(rows, start=1):
        page.line(grid.left, at - 18, grid.right, at - 18, stroke=LIGHT, width=0.6)
        _intervention(page, grid, edges, row, rank=rank, y=at, stage=stages.get(row.stage, row.stage))
        at += 28
    return max(low, at - 10) + 6


def _intervention(
    page: Page, grid: Grid, edges: dict[str, float], row: Intervention, *, rank: int, y: float, stage: str
) -> None:
    words = grid.words
    page.text(edges["title"], y, str(rank), size=13, fill=MID)
    status = "" if row.status == "open" else words(f"status.{row.status}")
    room = edges["stage"] - edges["title"] - 34 - fonts.width(status, 12)
    title = fonts.shorten(row.title, 13.5, room, bold=True)
    key = f"intervention.{row.key}"
    end = page.text(edges["title"] + 20, y, title, size=13.5, bold=True, key=key, hint=row.wording)
    page.text(end + 8, y, status, size=12, fill=MID)
    page.text(edges["stage"], y, fonts.shorten(stage, 13, edges["people"] - edges["stage"] - 8), size=13)
    page.text(edges["people"], y, f"{row.people:,}", size=13)
    page.text(edges["gap"], y, words("points", n=f"{100 * row.effect.value:.0f}"), size=13)
    worth = row.worth
    if worth.value is None or worth.low is None or worth.high is None:
        stake = words("worth_unknown")
    elif round(worth.value) <= 0:
        stake = words("worth_none", low=_signed(worth.low), high=_signed(worth.high))
    else:
        stake = words("worth", value=_signed(worth.value), low=_signed(worth.low), high=_signed(worth.high))
    page.text(edges["worth"], y, stake, size=13)
    page.text(edges["basis"], y, words(f"basis.{row.basis}"), size=13)
    filled = {
        "investment": row.investment,
        "difficulty": words("difficulty", n=row.difficulty) if row.difficulty else None,
        "period": words.days(row.period_days) if row.period_days else None,
    }
    ends = {"investment": edges["difficulty"], "difficulty": edges["period"], "period": grid.right + 10}
    for name, text in filled.items():
        shown = fonts.shorten(text or words("fill"), 12, ends[name] - edges[name] - 8)
        page.text(edges[name], y, shown, size=12, fill=INK if text else LIGHT)


def footer(page: Page, grid: Grid, y: float) -> float:
    """How to read the page, its source and window."""
    words, shown = grid.words, grid.shown
    page.line(MARGIN, y, WIDTH - MARGIN, y, stroke=LIGHT, width=0.8)
    page.text(MARGIN, y + 24, words("how"), size=12, bold=True, fill=MID)
    source = words(
        "how.3",
        sources=words.sources(shown.totals.sources),
        period=words.period(shown),
        as_of=f"{shown.as_of:%Y-%m-%d}",
    )
    at = y + 24
    for text in (words("how.1"), words("how.2"), source.rstrip(" ·")):
        at = page.lines(grid.left, at, fonts.wrap(text, 12, grid.right - grid.left), size=12, leading=17, fill=MID)
    return at + 20


def _points(share: float) -> str:
    return _signed(100 * share)


def _signed(value: float) -> str:
    return f"−{abs(value):,.0f}" if round(value) < 0 else f"{value:,.0f}"
