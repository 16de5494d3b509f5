"""Rules about records over a small home: old rows go from all places, the ledger adds up, and a receipt tells it."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdp.errors import NotFoundError
from cdp.settings import PROJECT_ROOT, Settings, load_settings
from cdp.store import open_store
from identity import state
from identity.config import PIPELINE
from pipelines.context import quiet
from pipelines.erasing import holding
from pipelines.retaining import due, records
from pipelines.retaining.concluding import RETAINED
from privacy import receipts
from privacy.inventory.load import load
from privacy.retention import standing
from privacy.work import Work
from tests.unit.pipelines.ingest_delivery import NOW, Delivery, event, make_delivery

RULES = """
rules:
  - {name: events, records: web.events, older_than: 12 months}
  - {name: closed, records: support.tickets, since: solved_at, only: {status: [closed]}, older_than: 2 years}
"""
USERS = '{"id": 1, "created_at": "2020-01-01T00:00:00Z", "email": "ann@x.org"}\n'
OLD, NEW = "2024-12-31T23:59:59Z", "2025-01-01T00:00:00Z"


def ticket(key: int, solved: str | None, status: str = "closed", requester: int = 1) -> dict[str, Any]:
    return {"id": key, "created_at": "2020-01-01T00:00:00Z", "requester_id": requester, "status": status,
            "solved_at": solved}  # fmt: skip


def deliver(delivery: Delivery) -> None:
    delivery.put_events(
        "web/events.jsonl.gz",
        event(1, timestamp=OLD, userId="u1"), event(2, timestamp=NEW, userId="u2"),
        event(3, timestamp=OLD, userId="u2"),
        {"type": "track", "messageId": "m4", "timestamp": OLD},
    )  # fmt: skip
    delivery.put("support/users.jsonl", USERS)
    delivery.put_events(
        "support/tickets.jsonl",
        ticket(1, "2020-02-01T00:00:00Z"), ticket(2, "2020-02-01T00:00:00Z", "open"), ticket(3, "2025-06-01T00:00:00Z"),
        ticket(4, None),
    )  # fmt: skip


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    file = tmp_path / "retention.yaml"
    file.write_text(RULES)
    made = make_delivery(tmp_path, privacy_retention=file)
    deliver(made)
    made.load()
    open_store(made.settings.database_url).close()
    return made


def keys(delivery: Delivery, table: str) -> list[str]:
    return [row[0] for row in delivery.rows(f"select record_key from raw.{table} order by 1")]


def run(settings: Settings) -> dict[str, Any] | None:
    records.begin(settings, quiet)
    return records.finish(settings, quiet)


def landed(settings: Settings, name: str) -> bytes:
    (path,) = settings.landing.rglob(f"*-{name}")
    content = path.read_bytes()
    return gzip.decompress(content) if name.endswith(".gz") else content


def test_what_is_too_old_goes_from_all_places_with_a_receipt(delivery: Delivery) -> None:
    assert delivery.totals("web.events") == (4, 3, 0, 1)
    with delivery.engine.writer() as connection:
        connection.execute("create schema staging; create table staging.stg_web__events (event_id varchar)")
        connection.execute("insert into staging.stg_web__events values ('m1'), ('m2'), ('m3')")
    shown = {row["rule"]: row for row in due.show(delivery.settings)}
    assert {name: (row["goes"], row["quarantined"]) for name, row in shown.items() if row["there"]} == {
        "events": (2, 1), "closed": (1, 0),
    }  # fmt: skip
    signed = run(delivery.settings)
    assert signed is not None
    body = signed["receipt"]
    assert (body["kind"], body["status"], body["notes"]) == ("retention", "completed", [])
    assert [(one["store"], one["matched"], one["erased"], one["kept"]) for one in body["stores"]] == [
        ("warehouse:raw.web_events", 3, 3, 0), ("warehouse:raw.support_tickets", 1, 1, 0), ("landing", 4, 4, 0),
    ]  # fmt: skip
    assert body["extra"]["people_without_records"] == 1, "nothing speaks of u1 any more"
    assert receipts.verify(delivery.settings.privacy) == []
    assert keys(delivery, "web_events") == ["m2"] and keys(delivery, "support_tickets") == ["2", "3", "4"]
    assert delivery.rows("select event_id from staging.stg_web__events") == [("m2",)]
    assert delivery.totals("web.events") == (4, 1, 0, 0) and delivery.totals("support.tickets") == (4, 3, 0, 0)
    assert delivery.rows("select sum(rows) from ops.expired_rows") == [(4,)]
    lines = landed(delivery.settings, "events.jsonl.gz").split(b"\n")
    assert [b"m2" in line for line in lines] == [False, True, False, False, False], "line numbers hold"
    for path in delivery.settings.home.rglob("*"):
        assert not path.is_file() or b'"m1"' not in path.read_bytes(), path
    assert run(delivery.settings) is None and records.begin(delivery.settings, quiet) is None
    with open_store(delivery.settings.database_url) as store:
        (row,) = store.audit_rows(action=RETAINED)
    assert row.entry.object == body["request"]


def test_every_model_that_only_appends_says_whose_events_its_rows_are() -> None:
    """A run makes all others anew; from these, rows that are too old have to be taken."""
    models = (PROJECT_ROOT / "dbt_project" / "models").rglob("*.sql")
    appended = {path.stem for path in models if 'materialized="incremental"' in path.read_text()}
    declared = {
        table.name.partition(".")[2]
        for table in load(PROJECT_ROOT / "dbt_project").warehouse()
        if any(rows.by == "event" for rows in table.rows)
    }
    assert appended and appended <= declared


def test_a_record_with_versions_is_judged_by_its_newest(delivery: Delivery) -> None:
    """Ticket 2 was closed once and is open again; ticket 1 was open before it was closed."""
    delivery.put_events("support/tickets.jsonl", ticket(2, "2019-02-01T00:00:00Z"), ticket(1, None, "open"))
    delivery.load()
    delivery.put_events("support/tickets.jsonl", ticket(2, None, "open"), ticket(1, "2020-02-02T00:00:00Z"))
    delivery.load()
    signed = run(delivery.settings)
    assert signed is not None and signed["receipt"]["status"] == "completed", signed["receipt"]["notes"]
    assert set(keys(delivery, "support_tickets")) == {"2", "3", "4"}
    lines = b"".join(path.read_bytes() for path in delivery.settings.landing.rglob("*-tickets.jsonl"))
    assert lines.count(b'"id": 2,') == 3 and b'"id": 1,' not in lines


def test_what_went_is_not_taken_in_again_and_counted(delivery: Delivery) -> None:
    run(delivery.settings)
    deliver(delivery)
    assert delivery.land() == [], "the same bytes are known"
    delivery.put_events("web/events.jsonl.gz", *(event(n, timestamp=OLD, userId="u1") for n in (1, 3, 5)), event(6))
    report = delivery.load()
    assert report.entities["web.events"] == {
        "received": 4, "raw": 1, "duplicates": 0, "quarantined": 0, "suppressed": 3, "files": 1,
    }  # fmt: skip
    assert delivery.totals("web.events") == (8, 2, 0, 0), "the ledger adds up"
    assert keys(delivery, "web_events") == ["m2", "m6"]
    batch = "(select max(batch_seq) from ops.batches)"
    assert delivery.rows(f"select rows from ops.expired_rows where batch_seq = {batch}") == [(3,)]
    assert b'"m5"' not in b"".join(path.read_bytes() for path in delivery.settings.landing.rglob("*.jsonl"))


def test_a_rule_that_was_never_carried_out_keeps_nothing_out(tmp_path: Path) -> None:
    file = tmp_path / "retention.yaml"
    file.write_text(RULES)
    made = make_delivery(tmp_path, privacy_retention=file)
    records.begin(made.settings, quiet)
    deliver(made)
    made.load()
    assert keys(made, "web_events") == ["m1", "m2", "m3"]


def test_killed_after_any_step_it_ends_with_one_receipt(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    save = Work.save

    def dying(work: Work) -> None:
        save(work)
        raise KeyboardInterrupt

    monkeypatch.setattr(Work, "save", dying)
    kills = 0
    for step in (records.begin, records.finish):
        while True:
            try:
                signed = step(delivery.settings, quiet)
                break
            except KeyboardInterrupt:
                kills += 1
    assert kills == 7, "after every step"
    assert signed is not None and signed["receipt"]["status"] == "completed"
    assert [one["erased"] for one in signed["receipt"]["stores"]] == [3, 1, 4]
    assert signed["receipt"]["extra"]["people_without_records"] == 1
    assert len(list((delivery.settings.privacy / "receipts").glob("*.json"))) == 1
    assert Work.open_ones(delivery.settings.privacy) == []
    assert delivery.totals("web.events") == (4, 1, 0, 0)


def test_what_a_hold_keeps_stays(delivery: Delivery) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    settings = delivery.settings
    with delivery.engine.writer() as connection:
        state.prepare(connection, PIPELINE)
        connection.execute("create schema intermediate")
        connection.execute("create table intermediate.int_device_identifies (anonymous_id varchar, user_id varchar)")
        connection.execute("insert into identity.identity_map values ('support', '1', 'ann', 1, false)")
        connection.execute("insert into identity.profiles values ('ann', 1, 'living', null, '')")
    holding.place(settings, [["requester_id:1"]], basis="claims", categories=["tickets"], until=tomorrow, actor="a")
    assert {row["rule"]: (row["goes"], row["held"]) for row in due.show(settings)[:2]} == {
        "events": (2, 0), "closed": (0, 1),
    }  # fmt: skip
    signed = run(settings)
    assert signed is not None and signed["receipt"]["status"] == "completed", signed["receipt"]["notes"]
    lines = {one["store"]: one for one in signed["receipt"]["stores"]}
    kept = lines["warehouse:raw.support_tickets"]
    assert (kept["matched"], kept["erased"], kept["kept"]) == (1, 0, 1) and "legal holds" in kept["reason"]
    assert keys(delivery, "support_tickets") == ["1", "2", "3", "4"] and keys(delivery, "web_events") == ["m2"]
    assert b'"id": 1,' in landed(settings, "tickets.jsonl")


def test_a_rule_that_takes_out_a_lot_waits_until_it_is_allowed(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "FEW", 1)
    settings, told = delivery.settings, []
    records.begin(settings, told.append)
    assert any("the rule events would take out 2 of 3 rows of web.events and waits" in text for text in told)
    signed = records.finish(settings, quiet)
    assert signed is not None and [one["matched"] for one in signed["receipt"]["stores"]] == [1, 1], "the other went"
    assert len(keys(delivery, "web_events")) == 3
    with pytest.raises(NotFoundError, match="No rule is called 'event'; there are: events, closed"):
        due.allow(settings, ["event"], "anna")
    assert [row["waits_to_be_allowed"] for row in due.show(settings)[:2]] == [True, False]
    assert due.allow(settings, ["events"], "anna") == ["events"]
    signed = run(settings)
    assert signed is not None and keys(delivery, "web_events") == ["m2"]
    assert standing.read(settings.privacy).allowed == frozenset(), "once"
    tomorrow = load_settings(
        home=settings.home, as_of=NOW + timedelta(days=1), privacy_retention=settings.privacy_retention
    )
    assert run(tomorrow) is not None and keys(delivery, "web_events") == [], "a day later the next has outlived it"
