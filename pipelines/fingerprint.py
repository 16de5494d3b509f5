"""Whether anything could come out differently than last time.

The fingerprint covers what a run depends on: the loaded batches, the data's now, our code, rules and models. Equal
fingerprints mean that a new run would publish what is already served, so none is started.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

import duckdb

from cdp.settings import PROJECT_ROOT, Settings

_PACKAGES = ("cdp", "pipelines", "identity", "segments", "expectations", "journeys", "dbt_project")
_SUFFIXES = {".py", ".sql", ".yml", ".yaml", ".csv", ".json"}


def fingerprint(settings: Settings, connection: duckdb.DuckDBPyConnection, as_of: datetime) -> str:
    """Hex SHA-256 over batches, now, decisions and project files.

    With `CDP_AS_OF` set, now counts to the microsecond; else to the day, so that a run without news is repeated once a
    day and people lapse on time.
    """
    state = hashlib.sha256()
    state.update((as_of.isoformat() if settings.as_of else as_of.date().isoformat()).encode())
    for row in connection.execute(
        "select batch_seq, source, entity, file, sha256 from ops.batches order by batch_seq"
    ).fetchall():
        state.update(repr(row).encode())
    state.update(decisions_digest(connection).encode())
    state.update(project_digest().encode())
    return state.hexdigest()


def decisions_digest(connection: duckdb.DuckDBPyConnection) -> str:
    """Digest of people's identity decisions, which change the outcome without any new data."""
    found = connection.execute(
        "select 1 from information_schema.tables where table_schema = 'identity' and table_name = 'decisions'"
    ).fetchall()
    if not found:
        return ""
    rows = connection.execute("select decision_id, active from identity.decisions order by decision_id").fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def project_digest() -> str:
    """Digest of our code, rules, models and seeds."""
    state = hashlib.sha256()
    for path in _project_files():
        state.update(str(path.relative_to(PROJECT_ROOT)).encode())
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()


def _project_files() -> list[Path]:
    return sorted(
        path
        for package in _PACKAGES
        for path in (PROJECT_ROOT / package).rglob("*")
        if path.suffix in _SUFFIXES and not {"target", "logs", ".cache", "__pycache__"} & set(path.parts)
    )
