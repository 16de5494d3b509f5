"""The web archive: one gzipped file of lines a month, in order of arrival.

A few events arrive late or twice; a few lines are cut off or say nothing about whom and when, and are listed as bad
rows. Each chunk appends one gzip member to each month, so the bytes do not depend on the number of processes.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from demo.clicks import IDENTIFY
from demo.dice import Bools, Dice, chance
from demo.lines import MS_PER_DAY, content, random_ids
from demo.plan import Plan
from demo.spoilt import BadRows
from demo.visits import EPOCH_MS
from demo.weblines import Composer

END_MS = EPOCH_MS + 731 * MS_PER_DAY
MONTHS = [f"{year}-{month:02d}" for year in (2024, 2025) for month in range(1, 13)]
_MONTH_STARTS = np.array([np.datetime64(f"{month}-01", "ms").astype(np.int64) for month in MONTHS] + [END_MS])
# A cut-off line ends somewhere after its message id and before its time.
_LEAST_CUT, _MOST_CUT = 60, 120


@dataclass
class WebCounts:
    """What a chunk wrote to the archive."""

    events: int = 0
    duplicates: int = 0
    bad: BadRows = field(default_factory=list)


def file_name(month: str) -> str:
    """The month's file, relative to the world."""
    return f"web/events-{month}.jsonl.gz"


def part_name(month: str) -> str:
    """The file of a chunk's part of the month."""
    return f"web-{month}.gz"


def write_archive(plan: Plan, folder: Path, composer: Composer) -> WebCounts:
    """Write the chunk's member of each month's file into `folder`; months without events get none."""
    dice, rules, clicks = plan.dice("archive"), plan.scenario.corruptions, composer.clicks
    size = len(clicks.visit)
    received = clicks.at + dice.integers(0, 5_000, size)
    late = chance(dice, rules.late_event, size)
    received = np.where(late, received + dice.exponential(1.5 * MS_PER_DAY, size).astype(np.int64), received)
    received = np.minimum(received, END_MS - 1)
    order = np.argsort(received, kind="stable")
    twice = chance(dice, rules.duplicate_web_delivery, size)[order]
    ids = random_ids(dice, size)
    rows = np.repeat(order, 1 + twice)
    lines = composer.lines(rows, ids[rows], received[rows])
    counts = WebCounts(events=len(rows), duplicates=int(twice.sum()))
    # Only plain events are cut off: traits may hold letters of several bytes.
    spoiler = _Spoiler(dice, plan, lines, clicks.code[rows] != IDENTIFY, counts.bad)
    bounds = np.searchsorted(received[rows], _MONTH_STARTS).tolist()
    for month, first, last in zip(MONTHS, bounds[:-1], bounds[1:], strict=True):
        if last > first:
            _write_member(folder / part_name(month), lines, first, last, spoiler.lines_for(month, first, last))
    return counts


@dataclass
class _Spoiler:
    """Makes bad lines and lists them; the first chunk has one of each kind in every month that has events."""

    dice: Dice
    plan: Plan
    lines: Any
    plain: Bools
    bad: BadRows
    lost: int = 0

    def lines_for(self, month: str, first: int, last: int) -> list[tuple[int, bytes]]:
        """Bad lines of a month, each with the row before which it stands."""
        rules = self.plan.scenario.corruptions
        cut, lost = (self._number(rate, last - first) for rate in (rules.truncated_json, rules.event_without_person))
        candidates = first + np.flatnonzero(self.plain[first:last])
        rows = self.dice.choice(candidates, cut) if len(candidates) else np.zeros(0, np.int64)
        lines = [(int(row), self._cut_off(int(row))) for row in rows]
        lines += [(int(row), self._nobody(month)) for row in self.dice.integers(first, last, lost)]
        self.bad += [(f"{file_name(month)}: truncated JSON line", "")] * len(rows)
        return sorted(lines)

    def _number(self, rate: float, events: int) -> int:
        least = 1 if self.plan.chunk == 0 and rate else 0
        return max(int(self.dice.binomial(events, rate)), least)

    def _cut_off(self, row: int) -> bytes:
        line = content(self.lines.slice(row, 1)).decode()
        # A message of its own, not a second copy of a good one.
        start = line.index('"messageId":"') + 13
        message = random_ids(self.dice, 1).tobytes().decode()
        place = int(self.dice.integers(_LEAST_CUT, _MOST_CUT))
        return (line[:start] + message + line[start + 36 :])[:place].encode() + b"\n"

    def _nobody(self, month: str) -> bytes:
        self.lost += 1
        message = f"badm{self.plan.chunk * 10_000 + self.lost}"
        self.bad.append((f"{file_name(month)}: no id and impossible timestamp", message))
        event = f'{{"type": "track", "messageId": "{message}", "event": "Cart Viewed", "properties": {{}}'
        return f'{event}, "timestamp": "{month[:4]}-99-01T00:00:00Z"}}\n'.encode()


def _write_member(path: Path, lines: Any, first: int, last: int, bad: list[tuple[int, bytes]]) -> None:
    """One gzip member without name and time, so that equal lines are equal bytes."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    with path.open("wb") as file:
        start = first
        for row, line in bad:
            file.write(packer.compress(content(lines.slice(start, row - start))))
            file.write(packer.compress(line))
            start = row
        file.write(packer.compress(content(lines.slice(start, last - start))))
        file.write(packer.flush())
