"""Exports, logs and packages by age: what is too old goes, bytes included, with one signed receipt."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdp.clock import wall_now
from cdp.settings import Settings, load_settings
from cdp.store import open_store
from pipelines.packaging import making
from pipelines.retaining import copies, due
from pipelines.retaining.concluding import RETAINED
from privacy import receipts
from privacy.packages.vault import Record, Whose
from privacy.work import Work

MARK = b"old-mark-4711"
RUNS = {"run-old": ("SUCCESS", 40), "run-open": ("STARTED", 40), "run-new": ("SUCCESS", 3)}


def put(path: Path, days: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(MARK if days > 30 else b"new")
    written = (wall_now() - timedelta(days)).timestamp()
    os.utime(path, (written, written))
    return path


def put_history(settings: Settings) -> None:
    """Files of Dagster's history as it lays them out."""
    folder = settings.dagster_home / "storage" / "history"
    (folder / "runs").mkdir(parents=True)
    with sqlite3.connect(folder / "runs.db") as runs, sqlite3.connect(folder / "runs" / "index.db") as index:
        runs.execute("create table runs (run_id text, status text, create_timestamp text, run_body text)")
        index.execute("create table event_logs (id integer primary key, run_id text, event text)")
        index.execute("create table asset_event_tags (event_id integer)")
        for number, (run, (status, days)) in enumerate(RUNS.items(), start=1):
            text = MARK.decode() if run == "run-old" else "new"
            begun = (wall_now() - timedelta(days)).astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
            runs.execute("insert into runs values (?, ?, ?, ?)", [run, status, begun, text])
            index.execute("insert into event_logs values (?, ?, ?)", [number, run, text])
            index.execute("insert into asset_event_tags values (?)", [number])
            put(folder / "runs" / f"{run}.db", 0).unlink()
            with sqlite3.connect(folder / "runs" / f"{run}.db") as shard:
                shard.execute("create table event_logs (run_id text)")


def put_package(settings: Settings) -> None:
    now = wall_now()
    record = Record("rq-1", "access", now.isoformat(), (now - timedelta(1)).isoformat(), rows=1, tables=1, doubtful=0)
    nobody = Whose(frozenset(), frozenset(), frozenset())
    making.vault_of(settings).keep(record, nobody, MARK)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "retention.yaml"
    file.write_text("rules: [{name: short, files: exports, older_than: 10 days}]")
    made = load_settings(home=tmp_path / "home", privacy_retention=file)
    put(made.exports / "lists" / "old.csv", 40)
    put(made.exports / "older.csv", 11)
    put(made.exports / "new.csv", 9)
    put(made.dbt_artifacts / "logs" / "dbt.log.2", 40)
    put(made.dbt_artifacts / "logs" / "dbt.log", 11)
    put_history(made)
    put_package(made)
    open_store(made.database_url).close()
    return made


def there(settings: Settings) -> set[str]:
    return {path.name for folder in (settings.exports, settings.dbt_artifacts, settings.dagster_home)
            for path in folder.rglob("*") if path.is_file()}  # fmt: skip


def test_what_is_older_than_its_period_goes_with_a_receipt(settings: Settings) -> None:
    before = there(settings)
    shown = {row["rule"]: (row["of"], row["older_than"], row["there"], row["goes"]) for row in due.show(settings)}
    assert shown == {
        "short": ("exports", "10 days", 3, 2), "logs": ("logs", "30 days", 5, 2),
        "packages": ("packages", "30 days", 1, 1),
    }  # fmt: skip
    assert there(settings) == before, "it is only shown"
    signed = copies.run(settings)
    assert signed is not None
    body = signed["receipt"]
    assert [(one["store"], one["matched"], one["erased"]) for one in body["stores"]] == [
        ("exports", 2, 2), ("logs", 2, 2), ("packages", 1, 1),
    ]  # fmt: skip
    assert body["status"] == "completed", body["notes"]
    assert receipts.verify(settings.privacy) == []
    assert there(settings) == {"new.csv", "dbt.log", "runs.db", "index.db", "run-open.db", "run-new.db"}
    for path in settings.home.rglob("*"):
        assert not path.is_file() or MARK not in path.read_bytes(), path
    with sqlite3.connect(settings.dagster_home / "storage" / "history" / "runs" / "index.db") as index:
        assert index.execute("select event_id from asset_event_tags").fetchall() == [(2,), (3,)]
    assert copies.run(settings) is None
    with open_store(settings.database_url) as store:
        (row,) = store.audit_rows(action=RETAINED)
    assert row.entry.object == body["request"]


@pytest.mark.parametrize("step", ["_remove", "look", "conclude"])
def test_killed_anywhere_it_ends_with_one_receipt_that_counts_all(
    settings: Settings, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = getattr(copies, step)
    calls: list[int] = []

    def killed(*args: object, **rest: object) -> object:
        calls.append(1)
        if step == "look" and len(calls) == 1:
            return done(*args, **rest)
        if step != "conclude":
            done(*args, **rest)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(copies, step, killed)
        with pytest.raises(KeyboardInterrupt):
            copies.run(settings)
    fresh = put(settings.exports / "older.csv", 0)
    signed = copies.run(settings)
    assert signed is not None and [one["matched"] for one in signed["receipt"]["stores"]] == [2, 2, 1]
    assert fresh.exists(), "what was written anew meanwhile stays"
    assert len(list((settings.privacy / "receipts").glob("*.json"))) == 1
    assert Work.open_ones(settings.privacy) == []


def test_what_is_in_use_makes_the_receipt_partial(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.retaining.run_history._WAIT_SECONDS", 0.05)
    file = settings.dagster_home / "storage" / "history" / "runs" / "index.db"
    with sqlite3.connect(file, isolation_level=None) as busy:
        busy.execute("begin exclusive")
        signed = copies.run(settings)
        busy.execute("rollback")
    assert signed is not None and signed["receipt"]["status"] == "partial"
    assert "Dagster's run history is in use by another process" in signed["receipt"]["notes"]
    again = copies.run(settings)
    assert again is not None and again["receipt"]["status"] == "completed", "the next run takes out the rest"


def test_as_of_changes_nothing_about_files(settings: Settings) -> None:
    later = settings.model_copy(update={"as_of": datetime(2036, 1, 1, tzinfo=UTC)})
    assert [one.goes for one in copies.look(later, wall_now())] == [2, 2, 1]
