"""Putting a world together: the parts of its chunks one after the other, then the bad rows and the facts."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.archive import MONTHS, file_name
from demo.archive import part_name as month_part
from demo.chunk import build
from demo.plan import Plan
from demo.spoilt import BadRows
from demo.tally import Tally
from demo.tickets import SLOW_HOURS
from demo.truth import observe
from demo.writers import FILES, Written, part_name, write_chunk

FOLDERS = frozenset({"sales", "support", "web", "pos", "marketing", "truth"})
# Where each part of a chunk goes, by the name of the part.
_TARGETS = {part_name(name): name for name in FILES} | {month_part(month): file_name(month) for month in MONTHS}


@dataclass(frozen=True)
class Part:
    """A chunk to be made, and the folder for its parts."""

    plan: Plan
    folder: Path


@dataclass(frozen=True)
class PartReport:
    """What a chunk wrote, and its share of the truth."""

    written: Written
    planted: Tally
    observed: Tally


def make_part(part: Part) -> PartReport:
    """Build a chunk and write its parts; runs in any process."""
    chunk = build(part.plan)
    written = write_chunk(chunk, part.folder)
    observed = observe(
        tickets=chunk.tickets,
        assigned=chunk.assigned,
        visits=chunk.visits,
        clicks=chunk.clicks,
        buyer=chunk.purchases.actor,
        bought=chunk.purchases.at,
    )
    return PartReport(written, chunk.journey.planted, observed)


class Assembly:
    """The files of a world while it grows, chunk by chunk in order."""

    def __init__(self, folder: Path) -> None:
        self.counts: Counter[str] = Counter()
        self._folder = folder
        self._planted, self._observed = Tally(), Tally()
        self._bad: BadRows = []
        self._duplicates = 0
        for name in sorted(FOLDERS):
            (folder / name).mkdir(parents=True)
        for name, header in FILES.items():
            (folder / name).write_bytes(f"{header}\r\n".encode() if header else b"")

    def add(self, part: Part, report: PartReport) -> None:
        """Append a chunk's parts to the files and remove them."""
        for path in sorted(part.folder.iterdir()):
            with path.open("rb") as piece, (self._folder / _TARGETS[path.name]).open("ab") as whole:
                shutil.copyfileobj(piece, whole, 1 << 20)
        shutil.rmtree(part.folder)
        self.counts.update(report.written.counts)
        self._bad += report.written.bad
        self._duplicates += report.written.duplicates
        self._planted.add(report.planted)
        self._observed.add(report.observed)

    def finish(self, scenario: str, seed: int) -> None:
        """Write the list of bad rows and the facts."""
        self.counts["bad_rows"] = len(self._bad)
        lines = ["problem,record_id", *(f"{problem},{key}" for problem, key in sorted(self._bad))]
        (self._folder / "truth/bad_rows.csv").write_bytes("".join(f"{line}\r\n" for line in lines).encode())
        facts: dict[str, Any] = {
            "seed": seed,
            "scenario": scenario,
            "slow_hours": SLOW_HOURS,
            "planted": self._planted.facts(),
            "observable": self._observed.facts(),
            "duplicates_web": self._duplicates,
            "counts": dict(self.counts),
        }
        (self._folder / "truth/facts.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
