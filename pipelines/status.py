"""Facts for the command line: status, one profile, quarantine, identity evaluation.

They are read from where they live: the store for what is served, the warehouse for what was taken in. A run that is
going has the warehouse to itself; what is served is told all the same, for the rest the sentence says so.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cdp.clock import stopwatch, wall_now
from cdp.engine.duckdb import open_engine
from cdp.errors import BusyError, InputError, NotFoundError
from cdp.settings import Settings
from pipelines.auditing import note_down
from pipelines.lock import is_held

MOST_DECISIONS = 100_000
PATIENCE_SECONDS = 3.0

# Counts by name, by source.entity.
Ledger = dict[str, dict[str, int]]


def read_status(settings: Settings) -> dict[str, Any]:
    """Profiles, source records, the cumulative row ledger per entity, people per stage, requests, the last publication.

    `freshness` is how old the newest record of each source is at the data's now. `running` tells whether some process
    writes; while it has the warehouse, the ledger, the freshness and the stage rules are None.
    """
    from cdp.store import open_store
    from privacy.register import Register

    running = is_held(settings.writer_lock)
    taken_in = _taken_in(settings)
    with open_store(settings.database_url) as store:
        current = store.current_publication()
    counts = current.counts if current else {}
    return {
        "profiles": counts.get("profiles", 0),
        "people": counts.get("people", 0),
        "source_records": counts.get("source_records", 0),
        "raw": taken_in[0] if taken_in else None,
        "stages": {name.removeprefix("stage."): n for name, n in counts.items() if name.startswith("stage.")},
        "stage_rules": taken_in[1] if taken_in else None,
        "freshness": taken_in[2] if taken_in else None,
        "running": running or taken_in is None,
        "requests": Register(settings.privacy).standings(wall_now()),
        "last_run": {
            "run_id": current.run_id,
            "as_of": current.as_of,
            "published_at": current.published_at,
            "snapshot_file": current.snapshot_file,
        }
        if current
        else None,
    }


def _taken_in(settings: Settings) -> tuple[Ledger, dict[str, Any] | None, list[dict[str, Any]]] | None:
    """The row ledger, the stage rules and freshness; None when the warehouse stays in another process's hands."""
    from pipelines.ingest import freshness, ledger

    # A run without news has the warehouse for a moment only.
    deadline, pause = stopwatch() + PATIENCE_SECONDS, threading.Event()
    while True:
        try:
            with open_engine(settings).reader() as connection:
                fresh = [asdict(item) for item in freshness.check(connection, settings.clock.now())]
                return ledger.totals(connection), _stage_rules(connection), fresh
        except BusyError:
            if stopwatch() > deadline:
                return None
            pause.wait(0.2)


def _stage_rules(connection: Any) -> dict[str, Any] | None:
    """The version of the stage rules that the marts were built with, and what it changed."""
    from journeys.rules import history

    try:
        last = history.versions(connection)[0]
    except NotFoundError:
        return None
    return {name: value for name, value in asdict(last).items() if name != "moves"}


def read_profile(settings: Settings, profile_id: str | None, identifier: str | None) -> dict[str, Any]:
    """The published document of one profile, found by id or by TYPE:VALUE."""
    from cdp.store import open_store

    if profile_id and identifier:
        raise InputError("Name a profile id or an identifier, not both.")
    with open_store(settings.database_url) as store:
        if identifier:
            profile_id = _lookup(store, identifier)
        if not profile_id:
            raise InputError("Name a profile id, or an identifier as --identifier TYPE:VALUE.")
        found = store.get_profile(profile_id)
        if found is None:
            raise NotFoundError("There is no profile with this id.")
        if found.status != "living" or found.document is None:
            hint = f"; it lives on as {found.merged_into}" if found.merged_into else ""
            raise NotFoundError(f"This profile is {found.status}{hint}.")
        note_down(store, "profile.read", profile_id, personal=True)
    document: dict[str, Any] = json.loads(found.document)
    return document


def _lookup(store: Any, identifier: str) -> str:
    from identity.normalise.lookup import lookup_value

    kind, separator, value = identifier.partition(":")
    if not separator or not value:
        raise InputError("An identifier is TYPE:VALUE, for example email:someone@example.org.")
    found: list[str] = store.lookup(kind, lookup_value(kind, value))
    if not found:
        raise NotFoundError(f"No profile carries this {kind}.")
    if len(found) > 1:
        raise InputError(f"{len(found)} profiles carry this {kind}; name one of them by id.")
    return found[0]


def read_quarantine(settings: Settings) -> list[dict[str, Any]]:
    """All open rows of quarantine."""
    from pipelines.ingest import quarantine

    with open_engine(settings).reader() as connection:
        return quarantine.list_rows(connection)


def identity_models(settings: Settings) -> dict[str, Any]:
    """All matching models kept, and the drift of parameters to the one in force from the one before."""
    from identity import model_drift

    with open_engine(settings).reader() as connection:
        if not connection.execute("select 1 from duckdb_tables() where table_name = 'state_models'").fetchall():
            raise NotFoundError("There is no model yet: run `cdp run --from DIR` first.")
        drift = model_drift.latest(connection)
        return {"models": model_drift.kept(connection), "drift": drift.to_json() if drift else None}


def evaluate_identity(settings: Settings, truth: Path | None) -> dict[str, Any]:
    """Identity quality against a truth file, or without one, and against what people decided."""
    from cdp.store import open_store
    from identity import evaluation, labels

    with open_store(settings.database_url) as store:
        decided = store.decisions.listed(active_only=True, limit=MOST_DECISIONS)
    with open_engine(settings).reader() as connection:
        if truth is None:
            measured = evaluation.quality_without_truth(connection, settings.identity_limits)
        else:
            measured = evaluation.evaluate_warehouse(connection, truth).to_json()
        return {**measured, "decisions": labels.agreement(connection, decided)}
