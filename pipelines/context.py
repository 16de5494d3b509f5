"""What every step of a run shares: settings, engine, run id, the data's now, and where progress goes.

`open_run` prepares the state home for one run and is the only place that does: it takes the writer lock, waits for a
model build that an interrupted run left behind, looks whether the disk has room, empties the scratch folder and writes
`ops.run_context`.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cdp.clock import stopwatch
from cdp.engine.duckdb import DuckDBEngine, open_engine
from cdp.errors import DISK_FULL, BusyError, ResourceError
from cdp.settings import Settings
from cdp.spill import in_use
from pipelines.lock import writer_lock

Progress = Callable[[str], None]

ORPHAN_WAIT_SECONDS = 120.0
# What the smallest run writes; a run also writes anew much of the warehouse and of what it publishes.
LEAST_ROOM_BYTES = 64 << 20
# Given back when the run ends: whoever serves needs a little room (SQLite's log, the audit trail) on a disk we filled.
RESERVE_BYTES = 4 << 20


def quiet(_: str) -> None:
    """Progress that goes nowhere."""


@dataclass(frozen=True)
class StepReport:
    """One line of the account: what a step did, rows it handled, seconds it took."""

    step: str
    rows: int
    seconds: float
    detail: str = ""


@dataclass
class RunContext:
    """One run of the pipeline; without a delivered folder it works on what has landed."""

    settings: Settings
    engine: DuckDBEngine
    run_id: str
    as_of: datetime
    delivered: Path | None = None
    full_refresh: bool = False
    renew_model: bool = False
    progress: Progress = quiet
    steps: list[StepReport] = field(default_factory=list)

    def has_done(self, name: str) -> bool:
        """Whether a step ended well in this run."""
        return any(report.step == name for report in self.steps)

    @contextmanager
    def step(self, name: str) -> Iterator[_StepTimer]:
        """Time a step, tell progress, and add its line to the account when it ends well."""
        self.progress(f"{name} …")
        timer = _StepTimer(started=stopwatch())
        yield timer
        report = StepReport(name, timer.rows, round(stopwatch() - timer.started, 2), timer.detail)
        self.steps.append(report)
        self.progress(f"{name}: {report.rows:,} rows in {report.seconds:.1f} s {report.detail}".rstrip())


@dataclass
class _StepTimer:
    started: float
    rows: int = 0
    detail: str = ""


@contextmanager
def open_run(
    settings: Settings,
    run_id: str,
    *,
    delivered: Path | None = None,
    full_refresh: bool = False,
    renew_model: bool = False,
    progress: Progress = quiet,
) -> Iterator[RunContext]:
    """Prepare the state home for one run and hold the writer lock until it ends.

    Raises BusyError when another run is going.
    """
    from pipelines.ingest import tables

    with writer_lock(settings.writer_lock):
        engine = open_engine(settings)
        as_of = settings.clock.now()
        wait_until_free(engine, progress)
        _clear(settings.tmp)
        require_room(settings)
        with engine.writer() as connection:
            tables.ensure(connection)
            connection.execute("begin")
            connection.execute("delete from ops.run_context")
            naive = as_of.astimezone(UTC).replace(tzinfo=None)
            connection.execute("insert into ops.run_context (run_id, as_of) values (?, ?)", [run_id, naive])
            connection.execute("commit")
        with _reserve(settings.tmp / "reserve"):
            yield RunContext(settings, engine, run_id, as_of, delivered, full_refresh, renew_model, progress)


def require_room(settings: Settings) -> None:
    """ResourceError when the disk is too full for any run; better told before than in the middle."""
    settings.home.mkdir(parents=True, exist_ok=True)
    held = settings.warehouse.stat().st_size if settings.warehouse.exists() else 0
    needed, free = LEAST_ROOM_BYTES + 2 * held, shutil.disk_usage(settings.home).free
    if free < needed:
        raise ResourceError(
            f"Only {free >> 20:,} MiB are free under {settings.home} and a run needs {needed >> 20:,}; free space and"
            " run again, nothing is lost."
        )


def _clear(tmp: Path) -> None:
    """Remove what killed processes left in the scratch folder; what others spill to now stays."""
    tmp.mkdir(parents=True, exist_ok=True)
    for path in tmp.iterdir():
        if in_use(path):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def _reserve(path: Path) -> Iterator[None]:
    try:
        path.write_bytes(bytes(RESERVE_BYTES))
    except OSError:
        path.unlink(missing_ok=True)
        raise ResourceError(DISK_FULL) from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def wait_until_free(engine: DuckDBEngine, progress: Progress, *, seconds: float = ORPHAN_WAIT_SECONDS) -> None:
    """Wait for a child process of a killed run (a dbt build) to let go of the warehouse.

    We hold the writer lock, so whoever still has the file open is an orphan that ends by itself; BusyError when it does
    not within `seconds`.
    """
    deadline = stopwatch() + seconds
    pause = threading.Event()
    told = False
    while True:
        try:
            with engine.writer():
                return
        except BusyError:
            if stopwatch() > deadline:
                raise
            if not told:
                progress("waiting for the model build of an interrupted run to end")
                told = True
            pause.wait(0.5)
