"""Carries one erasure out, from the plan over what legal holds keep to verification and receipt.

Each step can be repeated and is ticked off in the encrypted plan, so a kill anywhere is resumed where it was. All of it
happens under the writer lock. The receipt is named by the request: there is one, however often it was resumed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC
from functools import cached_property
from pathlib import Path
from typing import Any

from cdp.clock import wall_now
from cdp.settings import Settings
from cdp.store import open_store, recipients, snapshots
from cdp.store.base import AuditEntry, Publication
from cdp.store.erasing import SqlEraser
from identity import forgetting
from identity.normalise.columns import record_columns
from pipelines.context import Progress
from pipelines.erasing import anew, files, holding
from pipelines.erasing.keyed import Keyed
from pipelines.erasing.keys import Filled, install, keys_of, needles_of, tokens_of
from pipelines.erasing.landed import Landed
from pipelines.erasing.settling import checkpoint, engine_config, settle
from pipelines.ingest.screening import open_screen
from pipelines.packaging import making
from privacy import receipts
from privacy.closure import Closure
from privacy.erasure import database
from privacy.inventory.load import load
from privacy.journal import Journal
from privacy.keys import token_keys
from privacy.packages.vault import Whose
from privacy.receipts import Receipt, StoreLine
from privacy.restored import ERASED
from privacy.suppression import together
from privacy.verify.home import Scan, Tables, scan, searcher_of
from privacy.verify.needles import Needle
from privacy.verify.search import Searcher
from privacy.work import Work

TOMBSTONE = "the random profile id stays as retired, without anything else, so that it answers 410 and is never reused"


class Execution:
    """One erasure on one state home; the caller holds the writer lock."""

    kind = "erasure"

    def __init__(self, settings: Settings, work: Work, progress: Progress) -> None:
        self.settings = settings
        self.work = work
        self.progress = progress
        self.inventory = load(settings.dbt_project)
        self.closures = [Closure.from_json(one) for one in work.content["closures"]]
        self.done: dict[str, Any] = work.content["done"]
        self.keyed = Keyed(settings, self.inventory, self.closures, self._config)

    def run(self) -> dict[str, Any]:
        """Do what is left to do and return the signed receipt."""
        self.settings.tmp.mkdir(parents=True, exist_ok=True)
        steps: dict[str, Callable[[], Any]] = {
            "plan": self._plan,
            "hold": self._hold,
            "suppress": self._suppress,
            "landing": self._landing,
            "warehouse": self._warehouse,
            "decisions": self._decisions,
            "publication": self._publication,
            "files": self._files,
            "settle": self._settle,
            "verify": self._verify,
        }
        with closing(self.keyed):
            for name, step in steps.items():
                if name not in self.done:
                    self.progress(f"erasure: {name} …")
                    self.done[name] = step()
                    self.work.save()
        signed = receipts.issue(self.settings.privacy, self._receipt())
        self._audit(signed)
        self.work.wipe()
        return signed

    @property
    def _config(self) -> dict[str, Any]:
        return engine_config(self.settings)

    def _plan(self) -> dict[str, Any]:
        """Values as received, and the positive control: what the scanner finds while everything is still there."""
        filled = Filled()
        rows: dict[str, int] = {}
        if self.settings.warehouse.exists():
            self._checkpoint()
            with self.keyed.warehouse() as connection:
                filled = self.keyed.fill(connection)
                rows = database.matched(connection, self.inventory)
        needles = needles_of(self.closures, sorted(filled.received))
        self.done["plan"] = {"needles": [[one.kind, one.value] for one in needles]}
        control = self._scan(self.keyed.search_rows_that_go)
        return {**self.done["plan"], "rows": rows, "control": _told(control)}

    def _hold(self) -> list[dict[str, Any]]:
        """What legal holds keep is sealed before anything goes."""
        return holding.keep(self.settings, self.work.request, self.closures, self._config)

    def _suppress(self) -> int:
        keys = token_keys(self.settings.privacy)
        until = wall_now().replace(tzinfo=None)
        held = together(tokens_of(one, keys, until) for one in self.closures)
        journal = Journal(self.settings.privacy)
        self.done["seq"] = journal.append("erased", [(self.work.request, held)], wall_now())
        return len({token for person in held for token in person})

    def _landing(self) -> dict[str, int]:
        with open_screen(self.settings, keys_of(self.closures), record_columns) as screen:
            if not self.settings.warehouse.exists():
                return files.rewrite_landing(self.settings, screen)
            if self.keyed.is_empty:
                self._checkpoint()
            with self.keyed.warehouse() as connection:
                self.keyed.fill(connection)
                landed = Landed(connection, screen, self.settings.landing, self.settings.tmp)
                return files.rewrite_landing(self.settings, landed)

    def _warehouse(self) -> dict[str, Any]:
        """The file without the people; a file that went through this erasure before says so and is left."""
        if not self.settings.warehouse.exists():
            return {"rows": {}, "again": 0}
        if self.keyed.is_empty:
            self._checkpoint()
        target = self.settings.warehouse.with_name("warehouse.duckdb.erasing")
        with self.keyed.warehouse() as connection:
            gone_through = {row[0] for row in connection.execute("select execution from old.ops.erasures").fetchall()}
            if gone_through.issuperset(request for _, request in self.bookings):
                return {"rows": self.done["plan"]["rows"], "again": 0}
            filled = self.keyed.fill(connection)
            # Nothing else has written since the plan, which counted the same rows.
            rows = self.done["plan"]["rows"]
            database.rewrite(connection, self.inventory, target)
            again = 0
            if "identity.state_features" in database.tables(connection):
                again = forgetting.look_again(connection, "erase_members")
                forgetting.retire(connection, "erase_profiles", self.work.request, wall_now())
            self._book(connection, filled, gone_through)
            database.put_in_place(connection, target, self.settings.warehouse, self._without_strays)
        self.keyed.close()
        return {"rows": rows, "again": again}

    def _without_strays(self, path: Path) -> None:
        anew.without_strays(path, self._searcher, self._config, self.progress)

    @property
    def bookings(self) -> list[tuple[int, str]]:
        """The entries of the journal that this is about: number and request."""
        return [(self.done["seq"], self.work.request)]

    def _book(self, connection: Any, filled: Filled, gone_through: set[str]) -> None:
        """The row ledger: what was raw or in quarantine is suppressed now."""
        now = wall_now().astimezone(UTC).replace(tzinfo=None)
        batch = int(connection.execute("select coalesce(max(batch_seq), 0) from old.ops.batches").fetchall()[0][0])
        for name in sorted({*filled.raw, *filled.quarantined}):
            raw, quarantined = filled.raw.get(name, 0), filled.quarantined.get(name, 0)
            if not raw and not quarantined:
                continue
            batch += 1
            source, _, entity = name.partition(".")
            connection.execute(
                """
                insert into new.ops.batches by name
                select ? as batch_seq, ? as source, ? as entity, '' as file, '' as sha256, '' as landed_path,
                    0 as received, ? as raw, 0 as duplicates, ? as quarantined, ? as suppressed, ? as loaded_at,
                    'erasure' as kind, '' as landing_id, '' as mapping
                """,
                [batch, source, entity, -raw, -quarantined, raw + quarantined, now],
            )
        for seq, request in self.bookings:
            if request not in gone_through:
                connection.execute("insert into new.ops.erasures values (?, ?, ?)", [seq, request, now])

    def _decisions(self) -> dict[str, int]:
        """What names the erased's records or values: people's decisions and corrections, and consents of others."""
        records = [record for one in self.closures for record in one.records]
        values = [value for one in self.closures for value in (*one.mailboxes, *one.phones)]
        with open_store(self.settings.database_url) as store:
            return {
                "identity_decision_links": store.decisions.forget(records, values),
                "consent_records": store.consents.forget(records),
                "correction_places": store.corrections.forget(records),
            }

    def _publication(self) -> dict[str, Any]:
        """Snapshot and store without the people, at one moment; former snapshots are removed."""
        url = self.settings.database_url
        with open_store(url) as store:
            current = store.current_publication()
        mark = f"erased:{self.work.request}"
        former = self.settings.serving / current.snapshot_file if current else None
        if current is None or former is None or (current.fingerprint != mark and not former.exists()):
            erased = SqlEraser(url).erase(self._profile_ids(), None, request=self.work.request)
            return {"store": dict(erased.rows), "snapshot": {}, "kept": 0}
        found: dict[str, Any] = {"snapshot": {}, "store": {}, "kept": 0}
        if current.fingerprint != mark:
            run_id = f"{current.run_id.partition('-erased-')[0]}-erased-{self.work.request[-12:]}"
            target = snapshots.snapshot_path(self.settings.serving, run_id)
            unfinished = target.with_suffix(".part")
            with database.opened(former, self._config) as connection:
                install(connection, self.settings, self.closures)
                found["snapshot"] = database.matched(connection, self.inventory)
                database.rewrite(connection, self.inventory, unfinished)
                forgetting.retire(connection, "erase_profiles", self.work.request, wall_now())
                ids = [row[0] for row in connection.execute("select value from erase_profiles").fetchall()]
                database.put_in_place(connection, unfinished, target, self._without_strays)
            counts = _counts(target)
            erased = SqlEraser(url).erase(
                ids,
                Publication(run_id, target.name, current.as_of, {**current.counts, **counts}, mark),
                request=self.work.request,
            )
            found |= {"store": dict(erased.rows), "kept": erased.tombstones}
            former = target
        snapshots.point_to(self.settings.serving, former)
        snapshots.prune(self.settings.serving, keep=1)
        return found

    def _profile_ids(self) -> list[str]:
        return sorted({profile for closure in self.closures for profile in closure.profiles})

    def _files(self) -> dict[str, int]:
        counts = files.clean(self.settings, self._needles(), self._profile_ids())
        return {**counts, "packages": making.vault_of(self.settings).erase(self._whose())}

    def _whose(self) -> Whose:
        return making.whose(self.closures, self._profile_ids())

    def _settle(self) -> list[str]:
        return settle(self.settings)

    def _verify(self) -> dict[str, Any]:
        """The same search as before, and every finder asked again."""
        left: dict[str, int] = {}
        for path in (self.settings.warehouse, *self.settings.serving.glob("snapshot-*.duckdb")):
            if path.exists():
                with database.opened(path, self._config) as connection:
                    install(connection, self.settings, self.closures)
                    for table, rows in database.matched(connection, self.inventory).items():
                        left[table] = left.get(table, 0) + rows
        left["packages"] = len(making.vault_of(self.settings).of(self._whose()))
        return {"left": {table: rows for table, rows in left.items() if rows}, "residual": _told(self._scan())}

    def _scan(self, tables: Tables | None = None) -> Scan:
        return scan(
            self.settings.home,
            self._needles(),
            self.inventory,
            config=self._config,
            store_url=self.settings.database_url,
            leave_out=lambda path: path.is_relative_to(self.settings.privacy / "work"),
            tables=tables,
            searcher=self._searcher,
        )

    @cached_property
    def _searcher(self) -> Searcher:
        return searcher_of(self._needles())

    def _needles(self) -> list[Needle]:
        return [Needle(0, kind, value) for kind, value in self.done["plan"]["needles"]]

    def _checkpoint(self) -> None:
        checkpoint(self.settings, self.progress)

    def _receipt(self) -> Receipt:
        residual, control = self.done["verify"]["residual"], self.done["plan"]["control"]
        held = self.done.get("hold", [])
        lines = (*_lines(self.done, control, residual), *holding.lines(held))
        left = self.done["verify"]["left"]
        notes = [
            *self.done["settle"],
            *(f"{place} could not be read ({why})" for place, why in residual["unread"].items()),
            *(f"{rows} row(s) of {table} are still found" for table, rows in left.items()),
        ]
        clean = not notes and not any(residual["hits"].values())
        return Receipt(
            request=self.work.request,
            kind=self.kind,
            status="completed" if clean else "partial",
            subjects=len(self.closures),
            doubtful=sum(len(closure.doubtful) for closure in self.closures),
            requested_at=self.work.content["requested_at"],
            erased_at=wall_now().isoformat(),
            verified_at=wall_now().isoformat(),
            tokens=self.done["suppress"],
            stores=lines,
            notes=tuple(notes),
            extra={
                **{name: residual[name] for name in ("files", "bytes", "needles")},
                "recipients": recipients.standing(self.settings.database_url, self.work.request),
                "joined": self.work.content.get("joined", 0),
                "holds": sorted({one["hold"] for one in held}),
            },
        )

    def _audit(self, signed: dict[str, Any]) -> None:
        body = signed["receipt"]
        detail = {"status": body["status"], "receipt": receipts.digest(body), "sequence": body["sequence"]}
        entry = AuditEntry(f"erasure-{self.work.request}", wall_now(), "erasure", ERASED, self.work.request, detail)
        with open_store(self.settings.database_url) as store:
            store.append_audit([entry])


def _counts(snapshot: Path) -> dict[str, int]:
    from pipelines.publishing import _counts as counted

    with snapshots.open_snapshot(snapshot) as connection:
        return counted(connection)


def _told(found: Scan) -> dict[str, Any]:
    return {
        "hits": {place: sum(hits.values()) for place, hits in sorted(found.hits.items())},
        "unread": found.unreadable,
        "files": found.files,
        "bytes": found.bytes,
        "needles": found.needles,
    }


def _lines(done: dict[str, Any], control: dict[str, Any], residual: dict[str, Any]) -> tuple[StoreLine, ...]:
    """One line per place in which something was matched or found."""
    matched = {f"warehouse:{table}": rows for table, rows in done["warehouse"]["rows"].items()}
    matched |= {f"snapshots:{table}": rows for table, rows in done["publication"]["snapshot"].items()}
    matched |= {f"store:{table}": rows for table, rows in done["publication"]["store"].items()}
    matched |= {f"store:{table}": rows for table, rows in done["decisions"].items()}
    matched |= {"landing": done["landing"].get("rows", 0), **done["files"]}
    left = done["verify"]["left"]
    lines = []
    for place in sorted({*matched, *control["hits"], *residual["hits"]}):
        rows, hits, still = matched.get(place, 0), control["hits"].get(place, 0), residual["hits"].get(place, 0)
        if not (rows or hits or still):
            continue
        table = place.partition(":")[2]
        kept = done["publication"]["kept"] if place == "store:profiles" else 0
        lines.append(
            StoreLine(
                store=place,
                matched=max(rows, 0),
                erased=max(rows, 0) - max(left.get(table, 0), 0),
                kept=kept,
                reason=TOMBSTONE if kept else "",
                control_hits=hits,
                residual_hits=still,
                checked=rows >= 0 and place not in residual["unread"],
            )
        )
    return tuple(lines)
