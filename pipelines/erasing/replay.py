"""The journal of erasures replayed on a home that is older than it, as after a backup was restored.

The journal holds tokens only, so whom they mean is recognised in the restored rows first: every record, mailbox and
device is hashed and compared. What is found is erased by the same steps as in an erasure, with a receipt of its own;
nothing new is suppressed. A replay that a kill left half done goes on from its plan.
"""

from __future__ import annotations

import secrets
from typing import Any

import duckdb

from cdp.clock import wall_now
from cdp.engine.duckdb import open_engine
from cdp.settings import Settings
from cdp.spill import spill_folder
from cdp.store import open_store
from cdp.store.base import AuditEntry
from identity.normalise.columns import record_columns
from pipelines.context import Progress, quiet, wait_until_free
from pipelines.erasing import files
from pipelines.erasing.execution import Execution
from pipelines.ingest import tables as ingest_tables
from pipelines.ingest.people import MAIL, speak_of
from pipelines.ingest.screening import open_screen
from pipelines.lock import writer_lock
from pipelines.sources.registry import ENTITIES
from privacy import receipts
from privacy.closure import Closure, Held
from privacy.erasure import database
from privacy.journal import Entry, Journal
from privacy.keys import token_keys
from privacy.matching import Keys, recognised
from privacy.restored import REPLAYED, not_in_store
from privacy.work import Work

PREFIX = "replay-"


def waiting(settings: Settings) -> list[Entry]:
    """Erasures in force that the warehouse or the store of this home has not been through."""
    held = Journal(settings.privacy).in_force()
    if not held:
        return []
    with open_store(settings.database_url) as store:
        missing = {entry.request for entry in not_in_store(settings.privacy, store)}
    under_way = set(Work.open_ones(settings.privacy))
    if settings.warehouse.exists():
        engine = open_engine(settings)
        with engine.writer() as connection:
            ingest_tables.ensure(connection)
            known = {row[0] for row in connection.execute("select execution from ops.erasures").fetchall()}
        missing |= {entry.request for entry in held if entry.request not in known | under_way}
    return [entry for entry in held if entry.request in missing]


def replay(settings: Settings, progress: Progress = quiet) -> dict[str, Any] | None:
    """Erase again what a restored backup brought back; the signed receipt, or None when nothing waits.

    Without a warehouse nothing can be recognised: what is waits until a run has built one from deliveries.
    """
    with writer_lock(settings.writer_lock):
        for request in Work.open_ones(settings.privacy):
            if request.startswith(PREFIX):
                return _Replay(settings, Work.resume(settings.privacy, request), progress).run()
        if not Journal(settings.privacy).in_force() or not _has_warehouse(settings):
            return None
        wait_until_free(open_engine(settings), progress)
        entries = waiting(settings)
        if not entries:
            return None
        progress(f"replaying {len(entries)} erasure(s) that this home has not been through …")
        request = f"{PREFIX}{wall_now():%Y%m%d}-{secrets.token_hex(6)}"
        content = {
            "requested_at": wall_now().isoformat(),
            "closures": [closure.to_json() for closure in _recognise(settings, entries)],
            "entries": [[entry.seq, entry.request] for entry in entries],
            "done": {},
        }
        return _Replay(settings, Work.begin(settings.privacy, request, content), progress).run()


def _has_warehouse(settings: Settings) -> bool:
    """Whether there is one; a home in which nothing is yet has by nature been through every erasure, and says so."""
    if settings.warehouse.exists():
        return True
    with open_store(settings.database_url) as store:
        if store.current_publication() is not None:
            return False
        held = Journal(settings.privacy).in_force()
        store.append_audit(
            [
                AuditEntry(f"new-home-{one.seq}", wall_now(), "erasure", REPLAYED, one.request, {"rows": 0})
                for one in held
            ]
        )
    now = wall_now().replace(tzinfo=None)
    settings.home.mkdir(parents=True, exist_ok=True)
    with open_engine(settings).writer() as connection:
        ingest_tables.ensure(connection)
        connection.executemany("insert into ops.erasures values (?, ?, ?)", [[o.seq, o.request, now] for o in held])
    return False


class _Replay(Execution):
    """The steps of an erasure for entries of the journal that are there already."""

    kind = "replay"

    @property
    def bookings(self) -> list[tuple[int, str]]:
        return [(seq, request) for seq, request in self.work.content["entries"]]

    def _hold(self) -> list[dict[str, Any]]:
        # The first erasure sealed it, in a folder that no backup of the home brings back or takes away.
        return []

    def _suppress(self) -> int:
        return 0

    def _landing(self) -> dict[str, int]:
        wanted = {request for _, request in self.bookings}
        held = [entry for entry in Journal(self.settings.privacy).in_force() if entry.request in wanted]
        with open_screen(self.settings, _keys(held), record_columns, token_keys(self.settings.privacy)) as screen:
            return files.rewrite_landing(self.settings, screen)

    def _audit(self, signed: dict[str, Any]) -> None:
        body = signed["receipt"]
        detail = {"status": body["status"], "receipt": receipts.digest(body), "replay": self.work.request}
        with open_store(self.settings.database_url) as store:
            store.append_audit(
                [
                    AuditEntry(f"{self.work.request}-{seq}", wall_now(), "erasure", REPLAYED, request, detail)
                    for seq, request in self.bookings
                ]
            )


def _keys(entries: list[Entry]) -> Keys:
    """What alone is enough to be recognised by: a phone or an address with a name left its record where it was."""
    return Keys.of_tokens(
        (number, token) for number, entry in enumerate(entries) for token in entry.tokens if "+" not in token.kind
    )


def _recognise(settings: Settings, entries: list[Entry]) -> list[Closure]:
    """One closure an entry, of what is found in the rows as they were received."""
    settings.tmp.mkdir(parents=True, exist_ok=True)
    spill = str(spill_folder(settings.tmp))
    config = {"threads": settings.threads, "memory_limit": settings.memory_limit, "temp_directory": spill}
    hashing = token_keys(settings.privacy)
    closures = [Closure(()) for _ in entries]
    devices: set[tuple[int, str]] = set()
    with database.opened(settings.warehouse, config) as connection:
        there = set(database.tables(connection))
        _keys(entries).install(connection)
        for entity in ENTITIES:
            if entity.table not in there:
                continue
            records = f"(select rowid as row_no, coalesce(mapped, payload) as record from old.{entity.table})"
            broken = (
                "(select rowid as row_no, payload from old.quarantine.rows"
                f" where source = '{entity.source}' and entity = '{entity.entity}')"
            )
            speak_of(connection, entity, records, record_columns, broken=broken, normal=MAIL)
            for number, kind, value in recognised(connection, hashing):
                if kind == "device":
                    devices.add((number, value))
                else:
                    kept = closures[number].records if kind == "record" else closures[number].mailboxes
                    if value not in kept:
                        kept.append(value)
        _add_identity(connection, there, entries, closures)
        for number, device in sorted(devices):
            closures[number].devices.append(_held(connection, there, entries[number], device, hashing))
    return closures


def _add_identity(
    connection: duckdb.DuckDBPyConnection, there: set[str], entries: list[Entry], closures: list[Closure]
) -> None:
    """Profiles that an erasure retired here, and phones that nobody else has."""
    for entry, closure in zip(entries, closures, strict=True):
        if "identity.identity_events" in there:
            closure.profiles += [
                row[0]
                for row in connection.execute(
                    "select distinct profile_id from old.identity.identity_events where reason = 'erased'"
                    " and run_id = ? order by 1",
                    [entry.request],
                ).fetchall()
            ]
        if "identity.state_features" in there:
            closure.phones += [
                row[0]
                for row in connection.execute(
                    """
                    select telephone from old.identity.state_features where telephone is not null
                    group by telephone having bool_and(list_contains($records, record_key)) order by 1
                    """,
                    {"records": closure.records},
                ).fetchall()
            ]


def _held(connection: duckdb.DuckDBPyConnection, there: set[str], entry: Entry, device: str, hashing: Any) -> Held:
    """The time for which a device was the person's; all of it when nobody else is known to have held it."""
    from privacy.tokens import any_version

    token = next(
        one for one in entry.tokens if one.kind == "device" and any_version(hashing, "device", device, [one.value])
    )
    holders = 1
    if "identity.device_map" in there:
        holders = connection.execute(
            "select count(distinct profile_id) from old.identity.device_map where anonymous_id = ?", [device]
        ).fetchall()[0][0]
    if token.held_from is None and holders <= 1:
        return Held(device, None, None)
    return Held(device, token.held_from, token.held_to)
