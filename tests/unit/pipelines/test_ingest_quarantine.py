"""Quarantine: listed, corrected, judged again; the ledger holds all the while."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cdp.errors import InputError, NotFoundError
from pipelines.ingest import quarantine
from pipelines.ingest.quarantine import ReplayReport
from tests.unit.pipelines.ingest_delivery import CONTACTS, NOW, Delivery, contact, event, make_delivery


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    made = make_delivery(tmp_path)
    made.put_lines("sales/contacts.csv", CONTACTS, contact(1), contact(2, date="x"), contact(3, date="y"), "4,too few")
    made.load()
    return made


def replay(
    delivery: Delivery, corrections: str | None = None, *, name: str = "c.jsonl", ids: list[str] | None = None
) -> ReplayReport:
    path = None
    if corrections is not None:
        path = delivery.folder.parent / name
        path.write_text(corrections)
    return quarantine.replay(delivery.settings, delivery.engine, now=NOW, ids=ids, corrections=path)


def ids(delivery: Delivery) -> dict[int, str]:
    return {row["line"]: row["quarantine_id"] for row in delivery.quarantined()}


def test_listed_with_place_and_reason_never_the_value(delivery: Delivery) -> None:
    rows = delivery.quarantined()
    assert [{key: row[key] for key in ("source", "entity", "record_id", "file", "line")} for row in rows] == [
        {"source": "sales", "entity": "contacts", "record_id": "2", "file": "sales/contacts.csv", "line": 3},
        {"source": "sales", "entity": "contacts", "record_id": "3", "file": "sales/contacts.csv", "line": 4},
        {"source": "sales", "entity": "contacts", "record_id": None, "file": "sales/contacts.csv", "line": 5},
    ]
    assert rows[0]["reason"].startswith("Create Date is not a date")
    assert rows[2]["reason"] == "The line has 2 values where the header names 6 columns."


def test_nothing_changed_nothing_moves(delivery: Delivery) -> None:
    assert replay(delivery) == ReplayReport(accepted=0, duplicates=0, remaining=3)
    assert delivery.totals("sales.contacts") == (4, 1, 0, 3)
    assert delivery.rows("select count(*) from ops.batches") == [(1,)]


def test_corrected_rows_move_to_raw(delivery: Delivery) -> None:
    known = ids(delivery)
    lines = [
        {"quarantine_id": known[3], "Create Date": "2025-03-01"},
        {"quarantine_id": known[5], "Record ID": "4", "First Name": "Di", "Create Date": "2025-04-01"},
    ]
    report = replay(delivery, "\n".join(json.dumps(line) for line in lines))
    assert report == ReplayReport(accepted=2, duplicates=0, remaining=1)
    assert delivery.totals("sales.contacts") == (4, 3, 0, 1)
    assert delivery.rows(
        """
        select record_key, batch_seq, file, line, payload->>'First Name', payload->>'Create Date'
        from raw.sales_contacts where batch_seq = 2 order by line
        """
    ) == [
        ("2", 2, "sales/contacts.csv", 3, "Ada", "2025-03-01"),
        ("4", 2, "sales/contacts.csv", 5, "Di", "2025-04-01"),
    ]
    assert delivery.rows(
        "select kind, received, raw, duplicates, quarantined from ops.batches where batch_seq = 2"
    ) == [("replay", 0, 2, 0, -2)]
    assert [row["line"] for row in delivery.quarantined()] == [4]
    assert delivery.land() == [], "a replay is no delivery"


def test_corrections_as_a_table(delivery: Delivery) -> None:
    table = f"quarantine_id;Create Date;First Name\n{ids(delivery)[4]};2025-03-01;\n"
    assert replay(delivery, table, name="c.csv").accepted == 1
    assert delivery.rows("select payload->>'First Name' from raw.sales_contacts where record_key = '3'") == [("Ada",)]


def test_a_correction_that_is_wrong_again_stays(delivery: Delivery) -> None:
    wrong = json.dumps({"quarantine_id": ids(delivery)[3], "Create Date": "tomorrow"})
    assert replay(delivery, wrong) == ReplayReport(accepted=0, duplicates=0, remaining=3)


def test_only_the_named_rows_are_judged_again(delivery: Delivery) -> None:
    known = ids(delivery)
    both = "\n".join(json.dumps({"quarantine_id": known[n], "Create Date": "2025-03-01"}) for n in (3, 4))
    assert replay(delivery, both, ids=[known[4]]) == ReplayReport(accepted=1, duplicates=0, remaining=2)


@pytest.mark.parametrize(
    ("corrections", "message"),
    [
        ('{"Create Date": "2025-01-01"}', r"c\.jsonl, line 1: no quarantine_id"),
        ('\n{"quarantine_id": ', r"c\.jsonl, line 2: not a JSON object"),
        ('{"quarantine_id": "nobody", "a": "b"}', "The corrections name nobody, which is not in quarantine"),
        ('{"quarantine_id": "nobody"}', "line 1: no corrected field"),
    ],
)
def test_wrong_corrections_are_told(delivery: Delivery, corrections: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        replay(delivery, corrections)
    with pytest.raises(NotFoundError, match="no row nobody in quarantine"):
        replay(delivery, ids=["nobody"])


def test_a_replayed_row_delivered_again_is_known(delivery: Delivery) -> None:
    replay(delivery, json.dumps({"quarantine_id": ids(delivery)[3], "Create Date": "2025-03-01"}))
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(2, date="x"), contact(2, date="2025-03-01"))
    delivery.load()
    assert delivery.totals("sales.contacts") == (6, 2, 2, 2)


def test_a_new_mapping_lets_rows_in_and_old_versions_do_not_win(tmp_path: Path) -> None:
    mappings = tmp_path / "mappings"
    mappings.mkdir()
    said = "source: sales\nentities:\n  contacts:\n    columns:\n      Create Date: {}\n"
    (mappings / "sales.yaml").write_text(said.format("since"))
    made = make_delivery(tmp_path, mapping_dir=mappings)
    made.put_lines("sales/contacts.csv", CONTACTS + ",since", contact(1) + ",x", contact(2, "Old") + ",x")
    made.load()
    assert made.totals("sales.contacts") == (2, 0, 0, 2)
    made.put_lines("sales/contacts-2.csv", CONTACTS + ",since", contact(2, "New") + ",2025-02-02")
    made.load()
    (mappings / "sales.yaml").write_text(said.format("Create Date"))
    assert replay(made) == ReplayReport(accepted=1, duplicates=1, remaining=0)
    assert made.totals("sales.contacts") == (3, 2, 1, 0)
    versions = "select payload->>'First Name' from raw.sales_contacts where record_key = '2' order by batch_seq, line"
    assert made.rows(versions)[-1] == ("New",)


def test_conflicting_and_truncated_events(tmp_path: Path) -> None:
    made = make_delivery(tmp_path)
    made.put_events("web/events.jsonl", event(1), event(1, event="Other"), '{"type": "track", "mess')
    made.load()
    known = ids(made)
    assert replay(made) == ReplayReport(accepted=0, duplicates=0, remaining=2)
    lines = [
        {"quarantine_id": known[2], "messageId": "m1b"},
        {"quarantine_id": known[3], **event(1)},
    ]
    assert replay(made, "\n".join(map(json.dumps, lines))) == ReplayReport(accepted=1, duplicates=1, remaining=0)
    assert made.totals("web.events") == (3, 2, 1, 0)
