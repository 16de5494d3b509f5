"""Which records of a file are about erased people or have outlived a rule of retention, before or after it is landed.

A file is read by the same readers as in a load, so every format, encoding and mapping is covered. Lines that are no
records count too: an id in them is enough. What is found becomes `Changes` for `rewriting`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from cdp.settings import Settings
from cdp.spill import spill_folder
from pipelines.ingest import stage
from pipelines.ingest.landing_file import LandedFile
from pipelines.ingest.limits import Limits, Marked, aged_sql
from pipelines.ingest.people import MAIL, TRAITS, Normalise, speak_of
from pipelines.ingest.reading_csv import csv_columns
from pipelines.ingest.records import mapped_sql
from pipelines.ingest.rewriting import Changes, Layout
from pipelines.sources.entity import Entity
from pipelines.sources.mapping import EntityMapping
from pipelines.sources.registry import format_of
from privacy.keys import TokenKeys
from privacy.matching import Keys, match

# What stands where the number of an erased person stood beside others'.
ERASED = "erased"


@dataclass
class Found:
    """Records of a file that do not stay; `rows` counts those about erased people that go as a whole, by request.

    `expired` counts those that only a rule of retention takes out.
    """

    layout: Layout
    changes: Changes = field(default_factory=Changes)
    rows: dict[int, int] = field(default_factory=dict)
    cut: dict[int, int] = field(default_factory=dict)
    expired: int = 0

    @property
    def gone(self) -> int:
        """Records that go as a whole, each once."""
        return len(self.changes.gone)


class Screen:
    """Looks at files, one after the other, on a database of its own."""

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        normalise: Normalise,
        hashing: TokenKeys | None = None,
        *,
        limits: Limits | None = None,
        marked: Marked | None = None,
    ) -> None:
        """With `hashing` the keys are tokens; `limits` say which records have outlived a rule, given `marked` ones."""
        self._normalise = normalise
        self._hashing = hashing
        # Phones, names and addresses count together only.
        self._normal = TRAITS if keys.combined else MAIL
        self._limits = limits or {}
        self._for_all = bool(keys)
        settings.tmp.mkdir(parents=True, exist_ok=True)
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "threads": settings.threads,
                "memory_limit": settings.memory_limit,
                "temp_directory": str(spill_folder(settings.tmp)),
                "max_temp_directory_size": settings.max_spill,
            },
        )
        self._connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        keys.install(self._connection)
        (marked or Marked()).install(self._connection)

    def close(self) -> None:
        """Give back memory and spill."""
        self._connection.close()

    def concerns(self, entity: Entity) -> bool:
        """Whether any record of an entity can be one that does not stay."""
        return self._for_all or entity.name in self._limits

    def look(self, entity: Entity, mapping: EntityMapping, path: Path, file: str) -> Found:
        """What of a file does not stay. Raises InputError when it cannot be read."""
        stage.clear(self._connection)
        landed = LandedFile(entity.source, entity.entity, file, "", "", "", 0, "")
        staged = stage.stage_file(
            self._connection, entity, mapping, landed, path=path, number=0, first_row=1, may_be_blank=True
        )
        found = Found(self.layout(entity, mapping, path, file))
        mapped = mapped_sql(mapping.nesting(staged.flat))
        records = f"(select row_no, coalesce({mapped}, payload) as record from staged where code is null)"
        broken = "(select row_no, payload from staged where code is not null)"
        speak_of(self._connection, entity, records, self._normalise, broken=broken, normal=self._normal)
        match(self._connection, self._hashing)
        self._collect(entity, mapping, found)
        if entity.name in self._limits:
            self._collect_aged(entity, records, found)
        return found

    def rows(self, entity: Entity, records: pa.Table) -> list[int]:
        """The numbers of those `records` (row_no, canonical record as JSON) that do not stay."""
        self._connection.register("given_records", records)
        speak_of(self._connection, entity, "given_records", self._normalise, normal=self._normal)
        match(self._connection, self._hashing)
        aged = aged_sql(entity, self._limits.get(entity.name, "false"), "given_records")
        found = self._connection.execute(f"select row_no from matched union {aged} order by row_no").fetchall()
        self._connection.unregister("given_records")
        return [int(row[0]) for row in found]

    def layout(self, entity: Entity, mapping: EntityMapping, path: Path, file: str) -> Layout:
        """How a file is to be read. Raises InputError when that cannot be told."""
        kind = mapping.format or format_of(file) or "csv"
        if kind != "csv":
            return Layout(kind, mapping.encoding)
        known = frozenset({*entity.column_names, *mapping.renamed.values()})
        header = csv_columns(path, file, known=known, delimiter=mapping.delimiter, encoding=mapping.encoding)
        return Layout(kind, mapping.encoding, header.delimiter, tuple(header.names), header.lines)

    def _collect(self, entity: Entity, mapping: EntityMapping, found: Found) -> None:
        query = """
            with spans as (select row_no, line, lead(line) over (order by line) - line as span from staged)
            select s.line, s.span, m.request, m.whole from matched as m join spans as s using (row_no)
        """
        rows = self._connection.execute(query).fetchall()
        whole = {line for line, _, _, is_whole in rows if is_whole}
        for line, span, request, _ in rows:
            counts = found.rows if line in whole else found.cut
            counts[request] = counts.get(request, 0) + 1
            if line in whole:
                # The last record of a file goes with whatever follows it.
                lines = span if span is not None else 1 << 40
                found.changes.gone[line] = lines if found.layout.format == "csv" else 1
        for line, value in self._cut(entity, whole):
            column = mapping.theirs(entity.person.record or "")
            if column is not None:
                found.changes.values[line] = {column: value}

    def _collect_aged(self, entity: Entity, records: str, found: Found) -> None:
        """The last record of a file goes with whatever follows it."""
        query = f"""
            with spans as (select row_no, line, lead(line) over (order by line) - line as span from staged),
            aged as ({aged_sql(entity, self._limits[entity.name], records)})
            select line, span from spans semi join aged using (row_no)
        """
        for line, span in self._connection.execute(query).fetchall():
            if line not in found.changes.gone:
                found.expired += 1
                lines = span if span is not None else 1 << 40
                found.changes.gone[line] = lines if found.layout.format == "csv" else 1
                found.changes.values.pop(line, None)

    def _cut(self, entity: Entity, whole: set[int]) -> Iterator[tuple[int, str]]:
        """Records about several people of whom some are erased: their ids, without those."""
        if entity.person.separator is None:
            return
        named = self._connection.execute(
            """
            select s.line, p.ids, list(distinct m.id) from matched_ids as m
            join people as p using (row_no) join staged as s using (row_no) group by s.line, p.ids
            """
        ).fetchall()
        for line, ids, erased in named:
            if line not in whole:
                yield line, cut_ids(ids, set(erased), entity.person.separator)


def cut_ids(ids: list[str], erased: set[str], separator: str) -> str:
    """The ids (source:id) of a record, with a mark in the place of erased ones: places have a meaning."""
    kept = [f"{ERASED}-{place}" if one in erased else one.partition(":")[2] for place, one in enumerate(ids, start=1)]
    return separator.join(kept)


@contextmanager
def open_screen(
    settings: Settings,
    keys: Keys,
    normalise: Normalise,
    hashing: TokenKeys | None = None,
    *,
    limits: Limits | None = None,
) -> Iterator[Screen]:
    """A screen that is closed after the block; see `Screen`."""
    screen = Screen(settings, keys, normalise, hashing, limits=limits)
    try:
        yield screen
    finally:
        screen.close()


def by_request(counts: list[dict[int, int]]) -> dict[int, int]:
    """Counts of several files in one."""
    total: dict[int, int] = defaultdict(int)
    for one in counts:
        for request, rows in one.items():
            total[request] += rows
    return dict(total)
