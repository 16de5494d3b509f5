"""Rules about copies and traces: exports, logs and packages that are older than their period go, with a receipt.

Their age is that by the clock. Nothing is derived from them, so nothing else changes, and no legal hold keeps them:
holds keep records. A sealed plan counts first what goes, so a kill anywhere is resumed and ends with one receipt.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdp.clock import wall_now
from cdp.settings import Settings
from pipelines.context import Progress, quiet
from pipelines.erasing.settling import let_go
from pipelines.ingest.limits import load_rules
from pipelines.lock import writer_lock
from pipelines.packaging import making
from pipelines.retaining import run_history
from pipelines.retaining.concluding import conclude
from privacy.receipts import Receipt, StoreLine
from privacy.retention.rules import EXPORTS, FilesRule
from privacy.work import Work

PREFIX = "fi-"
PACKAGES = "packages"


@dataclass(frozen=True)
class Counted:
    """What is there of one kind and what of it has outlived its period; `runs` are those of Dagster's history."""

    rule: str
    files: str
    period: str
    before: datetime
    there: int
    paths: tuple[Path, ...] = ()
    runs: tuple[str, ...] = ()
    packages: int = 0

    @property
    def goes(self) -> int:
        """How many go: files, runs or packages."""
        return len(self.paths) + len(self.runs) + self.packages


def look(settings: Settings, now: datetime) -> list[Counted]:
    """What has outlived its period at a moment of the clock."""
    found = [_count(settings, rule, rule.period.before(now)) for rule in load_rules(settings).about_files]
    ended, there = making.vault_of(settings).ending(now)
    period = f"{settings.privacy_package_days} days"
    return [*found, Counted(PACKAGES, PACKAGES, period, _naive(now), there, packages=len(ended))]


def run(settings: Settings, progress: Progress = quiet) -> dict[str, Any] | None:
    """Remove what is too old, or go on where a kill came between; the signed receipt, or None when nothing goes."""
    with writer_lock(settings.writer_lock):
        names = [name for name in Work.open_ones(settings.privacy) if name.startswith(PREFIX)]
        work = Work.resume(settings.privacy, names[0]) if names else _plan(settings)
        if work is None:
            return None
        now = datetime.fromisoformat(work.content["as_of"])
        notes = _remove(settings, now)
        planned = sum(one["goes"] for one in work.content["rules"])
        progress(f"retention: {planned:,} exports, logs and packages are older than their period and go")
        left = {one.files: one.goes for one in look(settings, now)}
        return conclude(settings, work, _receipt(work, left, [*notes, *let_go(settings)]))


def _plan(settings: Settings) -> Work | None:
    now = wall_now()
    found = [one for one in look(settings, now) if one.goes]
    if not found:
        return None
    rules = [
        {"rule": one.rule, "files": one.files, "before": one.before.isoformat(), "goes": one.goes} for one in found
    ]
    return Work.begin(
        settings.privacy,
        f"{PREFIX}{now:%Y%m%d}-{secrets.token_hex(6)}",
        {"requested_at": now.isoformat(), "as_of": now.isoformat(), "rules": rules},
    )


def _remove(settings: Settings, now: datetime) -> list[str]:
    """Sentences about what could not be done. Only what is old still: a file may have been written anew meanwhile."""
    notes = []
    for one in look(settings, now):
        for path in one.paths:
            path.unlink(missing_ok=True)
        if one.runs:
            try:
                run_history.delete(settings, one.runs)
            except sqlite3.OperationalError:
                notes.append("Dagster's run history is in use by another process")
    making.expire(settings)
    return notes


def _count(settings: Settings, rule: FilesRule, before: datetime) -> Counted:
    if rule.files == EXPORTS:
        there, old = _files(settings.exports, before)
        return Counted(rule.name, rule.files, str(rule.period), before, there, old)
    there, old = _files(settings.dbt_artifacts / "logs", before)
    runs, of_all = run_history.outlived(settings, before)
    return Counted(rule.name, rule.files, str(rule.period), before, there + of_all, old, tuple(runs))


def _files(folder: Path, before: datetime) -> tuple[int, tuple[Path, ...]]:
    limit = before.replace(tzinfo=UTC).timestamp()
    found = list(_written(folder))
    return len(found), tuple(path for path, written in found if written < limit)


def _written(folder: Path) -> Iterator[tuple[Path, float]]:
    """Files with the time at which they were last written."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        try:
            if path.is_file():
                yield path, path.stat().st_mtime
        except FileNotFoundError:
            # It was removed by whoever wrote it.
            continue


def _receipt(work: Work, left: dict[str, int], notes: list[str]) -> Receipt:
    rules = work.content["rules"]
    remaining = [f"{left[one['files']]} of {one['files']} are left" for one in rules if left.get(one["files"])]
    now = wall_now().isoformat()
    told = [*notes, *remaining]
    return Receipt(
        request=work.request,
        kind="retention",
        status="partial" if told else "completed",
        subjects=0,
        doubtful=0,
        requested_at=work.content["requested_at"],
        erased_at=now,
        verified_at=now,
        tokens=0,
        stores=tuple(
            StoreLine(
                one["files"], one["goes"], one["goes"] - left.get(one["files"], 0),
                reason=f"{one['rule']}: before {one['before'][:10]}",
            )
            for one in rules
        ),
        notes=tuple(told),
    )  # fmt: skip


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
