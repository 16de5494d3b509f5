"""Landing: immutable copies of delivered files, each waiting to be loaded exactly once.

A file is copied when its content differs from what was last taken in under the same name, so a version that comes back
later (A, B, A) lands again. Beside the copy a marker in `landing/pending/` says that it waits; the marker goes when the
ledger holds its landing id. Whoever kills the process in between loses and doubles nothing: markers are the truth about
what waits, the ledger about what is done.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from cdp.engine.duckdb import open_engine
from cdp.errors import InputError
from cdp.ids import digest
from cdp.settings import Settings
from pipelines.ingest import files
from pipelines.ingest.gate import open_gate
from pipelines.ingest.landing_file import LandedFile
from pipelines.ingest.rewriting import rewrite
from pipelines.ingest.screening import Screen
from pipelines.sources.entity import Entity
from pipelines.sources.mapping import EntityMapping, load_mappings
from pipelines.sources.registry import ENTITIES, entity_of, format_of

__all__ = ["LandedFile", "Survey", "forget", "land", "survey", "waiting"]

_log = logging.getLogger("wayfinder.ingest")


@dataclass(frozen=True)
class Survey:
    """What a delivered folder holds: files of each entity, and files nobody reads."""

    known: dict[str, list[Path]]
    ignored: list[str]


@dataclass(frozen=True)
class _Ledger:
    latest: dict[tuple[str, str], tuple[str, str, int]]
    landing_ids: frozenset[str]
    delivered: frozenset[str]


@dataclass(frozen=True)
class _Arrival:
    """A delivered file that differs from what was last taken in under its name (in batch `last_batch`, 0 for none)."""

    entity: Entity
    path: Path
    file: str
    mapping: str
    turn: int
    last_batch: int


def land(settings: Settings, delivered: Path, *, whole: bool = False) -> list[LandedFile]:
    """Copy what is new to landing; the files that wait to be loaded, in the order in which to load them.

    With `whole`, a source that is delivered must have brought all its files by now, in this delivery or before.

    Raises InputError when the folder or a file in it cannot be what was meant, before anything is copied;
    ConfigurationError for a wrong mapping; ResourceError when the disk is full.
    """
    mappings = load_mappings(settings.mapping_dir)
    found = survey(delivered, mappings)
    ledger = _read_ledger(settings)
    _require_referred(found, ledger)
    if whole:
        _require_whole(delivered, found, ledger, mappings)
    for name in found.ignored:
        _log.info("ignored %s: no source reads a file of this name", name)
    waiting = _waiting(settings, ledger)
    known = {key: (sha256, mapping) for key, (sha256, mapping, _) in ledger.latest.items()}
    known |= {(item.name, item.file): (item.sha256, item.mapping) for item in waiting}
    with open_gate(settings) as gate:
        for entity in ENTITIES:
            fingerprint = "" if entity.immutable else mappings[entity.name].fingerprint
            for path in found.known[entity.name]:
                file = path.relative_to(delivered).as_posix()
                if known.get((entity.name, file)) != (files.sha256(path), fingerprint):
                    turn = sum(1 for item in waiting if (item.name, item.file) == (entity.name, file))
                    *_, last_batch = ledger.latest.get((entity.name, file), ("", "", 0))
                    arrival = _Arrival(entity, path, file, fingerprint, turn, last_batch)
                    waiting.append(_copy(settings, arrival, gate, mappings[entity.name]))
    return sorted(waiting, key=_order)


def absent(settings: Settings, delivered: Path) -> list[tuple[str, str]]:
    """Entities that came before and not in this delivery, of sources that are in it: name and pattern of the file."""
    mappings = load_mappings(settings.mapping_dir)
    found, ledger = survey(delivered, mappings), _read_ledger(settings)
    brought = {entity.source for entity in ENTITIES if found.known[entity.name]}
    return [
        (entity.source, mappings[entity.name].patterns[0])
        for entity in ENTITIES
        if entity.source in brought and entity.name in ledger.delivered and not found.known[entity.name]
    ]


def waiting(settings: Settings) -> list[LandedFile]:
    """The files that were landed and not loaded yet, in the order in which to load them; looks at landing only."""
    return sorted(_waiting(settings, _read_ledger(settings)), key=_order)


def survey(delivered: Path, mappings: dict[str, EntityMapping]) -> Survey:
    """The delivered files by entity, sorted by path. Raises InputError for a folder that cannot be read from."""
    if not delivered.exists():
        raise InputError(f"The folder {delivered} does not exist.")
    if not delivered.is_dir():
        raise InputError(f"{delivered} is a file; name the folder that holds the sources' folders.")
    known: dict[str, list[Path]] = {}
    owner: dict[Path, str] = {}
    for entity in ENTITIES:
        mapping = mappings[entity.name]
        matches = {path for pattern in mapping.patterns for path in delivered.glob(pattern) if _readable(path, mapping)}
        known[entity.name] = sorted(matches)
        for path in known[entity.name]:
            if path in owner:
                file = path.relative_to(delivered).as_posix()
                raise InputError(f"{file} matches the file patterns of both {owner[path]} and {entity.name}.")
            owner[path] = entity.name
            if path.stat().st_size == 0:
                raise InputError(f"{path.relative_to(delivered).as_posix()} is empty; deliver it again.")
    if not owner:
        expected = ", ".join(mappings[entity.name].patterns[0] for entity in ENTITIES[:3])
        raise InputError(f"The folder {delivered} holds none of the files that sources deliver ({expected}, …).")
    others = (path for path in delivered.rglob("*") if path.is_file() and path not in owner)
    return Survey(known, sorted(path.relative_to(delivered).as_posix() for path in others))


def _readable(path: Path, mapping: EntityMapping) -> bool:
    hidden = path.name.startswith((".", "~"))
    return path.is_file() and not hidden and (mapping.format is not None or format_of(path) is not None)


def _require_referred(found: Survey, ledger: _Ledger) -> None:
    for entity in ENTITIES:
        if not entity.needs or not found.known[entity.name]:
            continue
        needed = entity_of(entity.source, entity.needs)
        if not found.known[needed.name] and needed.name not in ledger.delivered:
            raise InputError(
                f"{entity.source}/ has {entity.entity} but no {needed.entity} file, and none was delivered before;"
                f" deliver {needed.source}/{needed.entity} too."
            )


def _require_whole(delivered: Path, found: Survey, ledger: _Ledger, mappings: dict[str, EntityMapping]) -> None:
    """Raise InputError for the files that a delivered source lacks; a later delivery may bring only what is new."""
    brought = {entity.source for entity in ENTITIES if found.known[entity.name]}
    missing = [
        mappings[entity.name].patterns[0]
        for entity in ENTITIES
        if not (entity.optional or found.known[entity.name] or entity.name in ledger.delivered)
        and (entity.source in brought or (delivered / entity.source).is_dir())
    ]
    if missing:
        raise InputError(
            f"{delivered} has no file like {' or '.join(missing)}, and none was delivered before;"
            " deliver it too, or run with --partial to go on without it."
        )


def _read_ledger(settings: Settings) -> _Ledger:
    if not settings.warehouse.exists():
        return _Ledger({}, frozenset(), frozenset())
    with open_engine(settings).reader() as connection:
        if not connection.execute("from duckdb_tables() where table_name = 'batches'").fetchone():
            return _Ledger({}, frozenset(), frozenset())
        rows = connection.execute(
            """
            select source || '.' || entity, file, sha256, mapping, batch_seq, landing_id
            from ops.batches where kind = 'file' order by batch_seq
            """
        ).fetchall()
    return _Ledger(
        {(name, file): (sha256, mapping, batch) for name, file, sha256, mapping, batch, _ in rows},
        frozenset(row[5] for row in rows),
        frozenset(row[0] for row in rows),
    )


def _waiting(settings: Settings, ledger: _Ledger) -> list[LandedFile]:
    """Files that an earlier process landed and did not load; markers of loaded ones are cleared away."""
    waiting = []
    for marker in sorted(_markers(settings).glob("*.json")):
        landed = LandedFile(**json.loads(marker.read_text(encoding="utf-8")))
        if landed.landing_id in ledger.landing_ids or not (settings.landing / landed.landed_path).exists():
            marker.unlink()
        else:
            waiting.append(landed)
    return sorted(waiting, key=_order)


def _copy(settings: Settings, arrival: _Arrival, gate: Screen | None, mapping: EntityMapping) -> LandedFile:
    """Keep a copy without the records that the gate leaves out, and a marker that it waits."""
    entity = arrival.entity
    folder = settings.landing / entity.source / entity.entity
    looks = gate is not None and gate.concerns(entity)
    found = gate.look(entity, mapping, arrival.path, arrival.file) if gate is not None and looks else None
    if found is not None and found.changes:
        write = partial(rewrite, layout=found.layout, changes=found.changes)
        sha256, copy = files.copy_changed(arrival.path, folder, write)
    else:
        sha256, copy = files.copy_into(arrival.path, folder)
    identity = (entity.name, arrival.file, sha256, arrival.mapping, str(arrival.last_batch), str(arrival.turn))
    landed = LandedFile(
        source=entity.source,
        entity=entity.entity,
        file=arrival.file,
        sha256=sha256,
        landed_path=copy.relative_to(settings.landing).as_posix(),
        mapping=arrival.mapping,
        turn=arrival.turn,
        landing_id=digest(*identity)[:24],
        suppressed=found.gone if found is not None else 0,
        expired=found.expired if found is not None else 0,
    )
    marker = json.dumps(asdict(landed), ensure_ascii=False, indent=1)
    files.write_whole(_markers(settings) / f"{landed.landing_id}.json", marker.encode())
    return landed


def forget(settings: Settings, landed: LandedFile, *, keep_copy: bool) -> None:
    """Remove the marker of a file that was loaded (`keep_copy`) or that cannot be read at all."""
    (_markers(settings) / f"{landed.landing_id}.json").unlink(missing_ok=True)
    if not keep_copy:
        (settings.landing / landed.landed_path).unlink(missing_ok=True)


def _markers(settings: Settings) -> Path:
    return settings.landing / "pending"


def _order(landed: LandedFile) -> tuple[int, str, int]:
    return ENTITIES.index(entity_of(landed.source, landed.entity)), landed.file, landed.turn
