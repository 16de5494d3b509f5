"""Rules about records, carried out in the course of a run: what has outlived one goes, and a receipt tells it.

Before the run loads, landing files lose the lines, and one transaction takes the rows out of raw, quarantine and the
models that only append. The run makes everything else anew. After it has published, the warehouse is written anew
without old blocks, former snapshots and caches go, and everything is counted again. Each step can be repeated and is
ticked off in a sealed plan, so a kill anywhere is resumed by the next run.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from cdp.clock import wall_now
from cdp.engine.duckdb import open_engine
from cdp.settings import Settings
from cdp.store import open_store, snapshots
from identity.normalise.columns import record_columns
from pipelines.context import Progress, wait_until_free
from pipelines.erasing import files
from pipelines.erasing.holding import spared
from pipelines.erasing.settling import checkpoint, engine_config, settle
from pipelines.ingest import tables
from pipelines.ingest.limits import Marked, by_record, limits, load_rules
from pipelines.ingest.screening import Screen
from pipelines.retaining import due
from pipelines.retaining.concluding import conclude
from pipelines.retaining.outlived import Counted, lost, marked, select, take_out
from privacy.erasure import database
from privacy.inventory.load import load
from privacy.matching import Keys
from privacy.receipts import Receipt, StoreLine
from privacy.retention.rules import RecordsRule, Rules
from privacy.work import Work

PREFIX = "rt-"
CHECKED = "counted again in every table and file"


def begin(settings: Settings, progress: Progress) -> None:
    """Before a run loads: take out what has outlived a rule, when that is due, or go on where a kill came between."""
    work = _under_way(settings) or _plan(settings, progress)
    if work is not None:
        _Ageing(settings, work, progress).before()


def finish(settings: Settings, progress: Progress) -> dict[str, Any] | None:
    """After a run has published: the bytes go, everything is counted again; the signed receipt, or None."""
    work = _under_way(settings)
    return _Ageing(settings, work, progress).after() if work is not None else None


def _under_way(settings: Settings) -> Work | None:
    names = [name for name in Work.open_ones(settings.privacy) if name.startswith(PREFIX)]
    return Work.resume(settings.privacy, names[0]) if names else None


def _plan(settings: Settings, progress: Progress) -> Work | None:
    """A plan of what goes; None when nothing is due or nothing goes."""
    rules = Rules(load_rules(settings).records)
    if not rules or not settings.warehouse.exists():
        return None
    now = settings.clock.now()
    engine = open_engine(settings)
    wait_until_free(engine, progress)
    # It reads the warehouse, which cannot be read beside a connection that writes.
    held = spared(settings)
    with engine.writer() as connection:
        tables.ensure(connection)
        if due.was_done(settings, connection, rules, now):
            return None
        progress("retention: looking for what is too old …")
        found = due.look(settings, connection, rules, now, held)
        for one in found.blocked:
            progress(
                f"retention: the rule {one.rule.name} would take out {one.raw:,} of {one.there:,} rows of {one.rule.of}"
                f" and waits: look with `cdp privacy retention`, then allow it with --allow-many {one.rule.name}"
            )
        if not any(one.raw or one.quarantined for one in found.counted):
            due.mark_done(connection, rules.digest, now)
            due.put_in_force(settings, (), seen=[one.rule.digest for one in found.counted if one.there])
            return None
        chosen = [one.rule for one in found.counted]
        counted = select(connection, chosen, now, held) if found.blocked else found.counted
        # Kept before anything goes: afterwards nobody could tell whom the rows named.
        marks, gone = marked(connection, chosen, now), lost(connection)
    return Work.begin(
        settings.privacy,
        f"{PREFIX}{wall_now():%Y%m%d}-{secrets.token_hex(6)}",
        {
            "requested_at": wall_now().isoformat(),
            "as_of": now.isoformat(),
            "digest": rules.digest,
            "rules": [_told(one, now) for one in counted],
            "marked": {"gone": marks.gone, "kept": marks.kept},
            "lost": gone,
            "done": {},
        },
    )


def _told(one: Counted, now: datetime) -> dict[str, Any]:
    return {
        "rule": one.rule.name, "of": one.rule.of, "before": one.rule.period.before(now).isoformat(), "raw": one.raw,
        "quarantined": one.quarantined, "held": one.held, "there": one.there,
    }  # fmt: skip


class _Ageing:
    """One execution on one state home; the caller holds the writer lock."""

    def __init__(self, settings: Settings, work: Work, progress: Progress) -> None:
        self.settings = settings
        self.work = work
        self.progress = progress
        self.now = datetime.fromisoformat(work.content["as_of"])
        self.done: dict[str, Any] = work.content["done"]

    @cached_property
    def rules(self) -> list[RecordsRule]:
        """Those of the plan that still are; one that was taken back meanwhile takes nothing out any more."""
        planned = {one["rule"] for one in self.work.content["rules"]}
        return [rule for rule in load_rules(self.settings).records if rule.name in planned]

    def before(self) -> None:
        """What comes before a run."""
        self.settings.tmp.mkdir(parents=True, exist_ok=True)
        self._do({"landing": self._landing, "rows": self._rows})

    def after(self) -> dict[str, Any]:
        """What comes after a run that has published; returns the signed receipt."""
        self._do(
            {
                "warehouse": self._warehouse,
                "decisions": self._decisions,
                "files": self._files,
                "settle": lambda: settle(self.settings),
                "verify": self._verify,
            }
        )
        return conclude(self.settings, self.work, self._receipt())

    def _do(self, steps: Mapping[str, Callable[[], Any]]) -> None:
        for name, step in steps.items():
            if name not in self.done:
                self.progress(f"retention: {name} …")
                self.done[name] = step()
                self.work.save()

    def _landing(self) -> dict[str, int]:
        with self._screen() as screen:
            return files.rewrite_landing(self.settings, screen)

    def _screen(self) -> closing[Screen]:
        marks = self.work.content["marked"]
        pairs = {name: [(of, key) for of, key in marks[name]] for name in ("gone", "kept")}
        wanted = by_record(limits(self.rules, self.now))
        return closing(Screen(self.settings, Keys(), record_columns, limits=wanted, marked=Marked(**pairs)))

    def _rows(self) -> int:
        """One transaction: when a kill came right after it, nothing is there any more to be taken out."""
        told, held = self.work.content["rules"], spared(self.settings)
        with open_engine(self.settings).writer() as connection:
            tables.ensure(connection)
            counted = select(connection, self.rules, self.now, held)
            connection.execute("begin")
            take_out(connection, load(self.settings.dbt_project), counted, self.work.request, _naive(wall_now()))
            due.mark_done(connection, self.work.content["digest"], self.now)
            connection.execute("commit")
        filled = {one["rule"] for one in told if one["there"]}
        due.put_in_force(self.settings, self.rules, seen=[one.digest for one in self.rules if one.name in filled])
        rows = sum(int(one["raw"]) + int(one["quarantined"]) for one in told)
        self.progress(f"retention: {rows:,} rows have outlived a rule")
        return rows

    def _warehouse(self) -> dict[str, int]:
        """The file without old blocks, and without what identity still remembers of records that nothing names."""
        checkpoint(self.settings, self.progress)
        target = self.settings.warehouse.with_name("warehouse.duckdb.erasing")
        with database.opened(self.settings.warehouse, engine_config(self.settings)) as connection:
            for table in ("erase_records", "erase_members"):
                database.fill(connection, table, self.work.content["lost"])
            database.rewrite(connection, load(self.settings.dbt_project), target)
            database.put_in_place(connection, target, self.settings.warehouse)
        return {"bytes": self.settings.warehouse.stat().st_size}

    def _decisions(self) -> int:
        """What people decided and corrected about records that nothing names any more."""
        lost = self.work.content["lost"]
        with open_store(self.settings.database_url) as store:
            return int(store.decisions.forget(lost, [])) + int(store.corrections.forget(lost))

    def _files(self) -> dict[str, int]:
        """Caches, and snapshots of before."""
        removed = files.clean(self.settings, [], [])
        snapshots.prune(self.settings.serving, keep=1)
        return removed

    def _verify(self) -> dict[str, int]:
        """Rows that are still too old, by place."""
        held = spared(self.settings)
        with open_engine(self.settings).writer() as connection:
            found = select(connection, self.rules, self.now, held)
        left = {one.rule.name: one.raw + one.quarantined for one in found}
        with database.opened(self.settings.warehouse, engine_config(self.settings)) as connection:
            for table in ("erase_records", "erase_members"):
                database.fill(connection, table, self.work.content["lost"])
            remembered = database.matched(connection, load(self.settings.dbt_project))
        with self._screen() as screen:
            left["landing"] = files.count_landing(self.settings, screen)
        return left | {table: rows for table, rows in remembered.items() if rows}

    def _receipt(self) -> Receipt:
        left = self.done["verify"]
        notes = [*self.done["settle"], *(f"{rows} row(s) of {place} are left" for place, rows in left.items() if rows)]
        lines = [
            StoreLine(
                f"warehouse:raw.{one['of'].replace('.', '_')}",
                matched=one["raw"] + one["quarantined"] + one["held"],
                erased=one["raw"] + one["quarantined"] - left.get(one["rule"], 0),
                kept=one["held"],
                reason=f"{one['rule']}: before {one['before'][:10]}" + ("; kept by legal holds" if one["held"] else ""),
            )
            for one in self.work.content["rules"]
        ]
        landed = self.done["landing"]["rows"]
        lines.append(StoreLine("landing", landed, landed - left["landing"], reason=CHECKED))
        now = wall_now().isoformat()
        return Receipt(
            request=self.work.request,
            kind="retention",
            status="partial" if notes else "completed",
            subjects=0,
            doubtful=0,
            requested_at=self.work.content["requested_at"],
            erased_at=now,
            verified_at=now,
            tokens=0,
            stores=tuple(lines),
            notes=tuple(notes),
            extra={"as_of": self.work.content["as_of"], "people_without_records": len(self.work.content["lost"])},
        )


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
