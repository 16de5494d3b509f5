"""Load what landed: read, judge, settle and commit, file by file, with bounded memory.

Files of one entity are staged in groups of a few hundred thousand rows, so that contracts are judged in few large
chunks, and committed one transaction each. A file that cannot be read at all is left out and told at the end; the
others are taken in. Killed anywhere, the next load goes on where this one was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from cdp.engine.base import Engine
from cdp.errors import InputError, ResourceError
from cdp.settings import Settings
from pipelines.ingest import contract, fates, landing, records, stage, tables
from pipelines.ingest.commit import BatchCounts, commit_file
from pipelines.ingest.landing_file import LandedFile
from pipelines.ingest.ledger import COUNTS
from pipelines.sources.mapping import EntityMapping, load_mappings
from pipelines.sources.registry import ENTITIES, entity_of

GROUP_ROWS = 250_000
GROUP_FILES = 200

Progress = Callable[[str], None]


@dataclass
class LoadReport:
    """What this load took in, by `source.entity`: received, raw, duplicates, quarantined, suppressed, files."""

    entities: dict[str, dict[str, int]] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)

    def add(self, name: str, counts: BatchCounts) -> None:
        """Count one batch."""
        entry = self.entities.setdefault(name, dict.fromkeys((*COUNTS, "files"), 0))
        for key in COUNTS:
            entry[key] += getattr(counts, key)
        entry["files"] += 1
        self.batches.append(counts.batch_seq)


def load(
    settings: Settings,
    engine: Engine,
    pending: list[LandedFile],
    *,
    now: datetime,
    progress: Progress | None = None,
) -> LoadReport:
    """Take in the pending files; all nine raw tables exist afterwards.

    Raises CheckFailed when a ledger does not hold, ResourceError when the machine ran out of something, and InputError
    after everything else is loaded when files could not be read; the message names each with its reason.
    """
    report = LoadReport()
    unreadable: list[str] = []
    mappings = load_mappings(settings.mapping_dir)
    with engine.writer() as connection, _out_of_resources():
        # Writing the log into the file after every few batches would write most pages several times.
        connection.execute("set checkpoint_threshold = '256MB'")
        tables.ensure(connection)
        waiting = _not_loaded(settings, connection, pending)
        for entity in ENTITIES:
            files = [landed for landed in waiting if landed.name == entity.name]
            group = _Group(settings, connection, mappings[entity.name], now, report, unreadable)
            for part in _turns(files):
                group.load(part)
            if files and progress is not None:
                counts = report.entities.get(entity.name, {})
                progress(f"raw: {entity.name}, {counts.get('received', 0):,} rows of {len(files)} file(s)")
    if unreadable:
        raise InputError(" ".join(unreadable))
    return report


@dataclass
class _Group:
    """Loads files of one entity in groups of bounded size."""

    settings: Settings
    connection: duckdb.DuckDBPyConnection
    mapping: EntityMapping
    now: datetime
    report: LoadReport
    unreadable: list[str]

    def load(self, files: list[LandedFile]) -> None:
        """Stage files until the group is full, then settle it, until none is left."""
        staged: list[stage.StagedFile] = []
        rows = 0
        for landed in files:
            if not staged:
                stage.clear(self.connection)
            found = self._stage(landed, len(staged), rows)
            if found is not None:
                staged.append(found)
                rows += found.received
            if rows >= GROUP_ROWS or len(staged) >= GROUP_FILES:
                self._settle(staged)
                staged, rows = [], 0
        if staged:
            self._settle(staged)

    def _stage(self, landed: LandedFile, number: int, first_row: int) -> stage.StagedFile | None:
        entity = entity_of(landed.source, landed.entity)
        path = self.settings.landing / landed.landed_path
        try:
            return stage.stage_file(
                self.connection,
                entity,
                self.mapping,
                landed,
                path=path,
                number=number,
                first_row=first_row,
                may_be_blank=landed.suppressed > 0,
            )
        except InputError as error:
            self.unreadable.append(error.message)
            landing.forget(self.settings, landed, keep_copy=_is_referred(self.connection, landed))
            return None

    def _settle(self, staged: list[stage.StagedFile]) -> None:
        entity = entity_of(staged[0].landed.source, staged[0].landed.entity)
        self.connection.execute("create or replace temp table group_files (file_no integer, file varchar)")
        self.connection.executemany(
            "insert into group_files values (?, ?)", [(one.number, one.landed.file) for one in staged]
        )
        flat = frozenset[str]().union(*(one.flat for one in staged))
        records.enrich(self.connection, entity, self.mapping.nesting(flat))
        contract.check_group(self.connection, entity, self.now)
        fates.decide(self.connection, entity)
        for one in staged:
            self.report.add(entity.name, commit_file(self.connection, entity, one, self.now))
            landing.forget(self.settings, one.landed, keep_copy=True)


def _turns(files: list[LandedFile]) -> Iterator[list[LandedFile]]:
    """Versions of one file go into groups one after the other."""
    for turn in sorted({landed.turn for landed in files}):
        yield [landed for landed in files if landed.turn == turn]


def _not_loaded(
    settings: Settings, connection: duckdb.DuckDBPyConnection, pending: list[LandedFile]
) -> list[LandedFile]:
    done = {row[0] for row in connection.execute("select landing_id from ops.batches").fetchall()}
    for landed in pending:
        if landed.landing_id in done:
            landing.forget(settings, landed, keep_copy=True)
    return [landed for landed in pending if landed.landing_id not in done]


def _is_referred(connection: duckdb.DuckDBPyConnection, landed: LandedFile) -> bool:
    query = "select 1 from ops.batches where landed_path = ?"
    return connection.execute(query, [landed.landed_path]).fetchone() is not None


@contextmanager
def _out_of_resources() -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise ResourceError("Loading ran out of memory or spill space; raise CDP_MEMORY_LIMIT and run again.") from None
