"""Whether anything could come out differently than last time.

The fingerprint covers what a run depends on, in three parts: what it works with (the loaded batches, what was put
right in them, our code, rules and models), the data's now, and what people decided or agreed to. Equal fingerprints
mean that a new run would publish what is already served, so none is started; when only the last two parts differ,
nothing before identity can come out differently.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import duckdb

from cdp.domain.corrections import InForce
from cdp.domain.decisions import Rulings
from cdp.settings import PROJECT_ROOT, Settings
from pipelines import corrections as received
from pipelines.derive import INTERVENTIONS, PERSONAS

_PACKAGES = ("cdp", "pipelines", "identity", "segments", "privacy", "expectations", "journeys", "dbt_project")
_SUFFIXES = {".py", ".sql", ".yml", ".yaml", ".csv", ".json"}
_SEPARATOR = "."


def fingerprint(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    as_of: datetime,
    rulings: Rulings | None = None,
    *,
    corrections: Iterable[InForce] | None = None,
    consents: int = 0,
) -> str:
    """Three hex SHA-256: of batches, corrections, the home's rules and project files; of now; of what people say.

    What people say is `rulings` and the consent ledger up to the entry `consents`. Without `rulings` or `corrections`
    those count that the last run carried out. With `CDP_AS_OF` set, now counts to the microsecond; else to the day, so
    that a run without news is repeated once a day and people lapse on time.
    """
    batches = connection.execute(
        "select batch_seq, source, entity, file, sha256 from ops.batches order by batch_seq"
    ).fetchall()
    now = as_of.isoformat() if settings.as_of else as_of.date().isoformat()
    decided = _of_rulings(rulings) if rulings is not None else _carried_out(connection)
    corrected = received.carried_out(connection) if corrections is None else received.named(corrections)
    inputs = [*map(repr, [*batches, *corrected]), settings.stage_set, *_own_rules(settings), project_digest()]
    return _SEPARATOR.join((_digest(inputs), _digest([now]), _digest([decided, str(consents)])))


def _own_rules(settings: Settings) -> list[str]:
    """Digests of the rules that people keep in the home."""
    paths = [settings.home / name for name in (PERSONAS, INTERVENTIONS)]
    return [hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "none" for path in paths]


def same_inputs(one: str, other: str) -> bool:
    """Whether two fingerprints differ at most in now and in what people decided."""
    return one.partition(_SEPARATOR)[0] == other.partition(_SEPARATOR)[0]


def with_inputs_of(old: str, new: str) -> str:
    """The second fingerprint, with the inputs of the first."""
    return old.partition(_SEPARATOR)[0] + _SEPARATOR + new.partition(_SEPARATOR)[2]


def project_digest() -> str:
    """Digest of our code, rules, models and seeds."""
    state = hashlib.sha256()
    for path in _project_files():
        state.update(str(path.relative_to(PROJECT_ROOT)).encode())
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()


def _of_rulings(rulings: Rulings) -> str:
    edits = [(str(edit.kind), edit.value, str(edit.action)) for edit in rulings.hub_edits]
    return _of_decided([(link.decision_id, link.kind, link.record_a, link.record_b) for link in rulings.links], edits)


def _carried_out(connection: duckdb.DuckDBPyConnection) -> str:
    from identity import rulings

    links = [(link.decision_id, link.kind, link.record_a, link.record_b) for link in rulings.carried_out(connection)]
    return _of_decided(links, rulings.edits_carried_out(connection))


def _of_decided(links: Iterable[tuple[str, ...]], edits: Iterable[tuple[str, ...]]) -> str:
    return _digest([*map(repr, sorted(links)), *map(repr, sorted(edits))])


def _digest(parts: Iterable[str]) -> str:
    state = hashlib.sha256()
    for part in parts:
        state.update(part.encode())
    return state.hexdigest()


def _project_files() -> list[Path]:
    return sorted(
        path
        for package in _PACKAGES
        for path in (PROJECT_ROOT / package).rglob("*")
        if path.suffix in _SUFFIXES and not {"target", "logs", ".cache", "__pycache__"} & set(path.parts)
    )
