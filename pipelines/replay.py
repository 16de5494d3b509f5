"""`cdp quarantine replay`: judge quarantined rows again, as the only writer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cdp.engine.duckdb import open_engine
from cdp.settings import Settings
from pipelines.lock import writer_lock

if TYPE_CHECKING:
    from pipelines.ingest.quarantine import ReplayReport


def replay_quarantine(settings: Settings, *, ids: list[str] | None, corrections: Path | None) -> ReplayReport:
    """Replay all open rows, or those of `ids`, with corrected values where a file gives them."""
    from pipelines.ingest import quarantine

    with writer_lock(settings.writer_lock):
        return quarantine.replay(
            settings, open_engine(settings), now=settings.clock.now(), ids=ids, corrections=corrections
        )
