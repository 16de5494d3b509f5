"""Around the writing anew of a home: a checkpoint before it; after it the bytes of the store, and readers let go."""

from __future__ import annotations

import threading
from typing import Any

from cdp.engine.duckdb import open_engine
from cdp.settings import Settings
from cdp.spill import spill_folder
from cdp.store.erasing import SqlEraser
from pipelines.context import Progress, wait_until_free
from pipelines.ingest import tables
from privacy.verify import processes

READER_SECONDS = 20.0


def engine_config(settings: Settings) -> dict[str, Any]:
    """For a database beside the warehouse that a file is written anew from."""
    return {
        "threads": settings.threads,
        "memory_limit": settings.memory_limit,
        "temp_directory": str(spill_folder(settings.tmp)),
        "max_temp_directory_size": settings.max_spill,
    }


def checkpoint(settings: Settings, progress: Progress) -> None:
    """Bring the warehouse's log into its file; all of our own tables are there afterwards."""
    engine = open_engine(settings)
    wait_until_free(engine, progress)
    with engine.writer() as connection:
        tables.ensure(connection)
        connection.execute("checkpoint")


def settle(settings: Settings) -> list[str]:
    """Sentences about what could not be done or asked; none when all is done."""
    notes = []
    unsettled = SqlEraser(settings.database_url).settle()
    if unsettled:
        notes.append(unsettled)
    return [*notes, *let_go(settings)]


def let_go(settings: Settings) -> list[str]:
    """Wait until nobody has a removed file of the home open; sentences about who still does or could not be asked."""
    notes = []
    pause = threading.Event()
    for _ in range(int(READER_SECONDS / 0.5)):
        held, _complete = processes.held_open(settings.home)
        if not held:
            break
        pause.wait(0.5)
    held, complete = processes.held_open(settings.home)
    if held:
        notes.append(f"{held} former file(s) are still open in another process")
    if not complete:
        notes.append("not every process could be asked which files it has open")
    return notes
