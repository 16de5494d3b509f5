"""What was erased does not come in again: every format, broken lines, corrections; nobody else loses a row."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.ingest import quarantine
from privacy import tokens
from privacy.journal import Journal
from privacy.keys import token_keys
from tests.unit.pipelines.ingest_delivery import CONTACTS, DEALS, NOW, Delivery, contact, event, make_delivery

ANN = "ann.lee@x.org"


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """A home in which Ann was erased: contact 7, web user u700, device a1 until the middle of 2025, her mailbox."""
    made = make_delivery(tmp_path)
    keys = token_keys(made.settings.privacy)
    held = [
        tokens.make(keys, "record", "sales:7"),
        tokens.make(keys, "record", "web:u700"),
        tokens.make(keys, "mailbox", ANN),
        tokens.make(keys, "device", "a1", held_to=datetime(2025, 7, 1)),
        tokens.make(keys, "phone+name", "+15035550123|ann|lee"),
    ]
    Journal(made.settings.privacy).append("erased", [("r1", [held])], NOW)
    return made


def landed(delivery: Delivery, name: str) -> bytes:
    (path,) = delivery.settings.landing.rglob(f"*-{name}")
    content = path.read_bytes()
    return gzip.decompress(content) if name.endswith(".gz") else content


def test_rows_are_left_out_counted_and_line_numbers_hold(delivery: Delivery) -> None:
    delivery.put_lines(
        "sales/contacts.csv", CONTACTS,
        contact(1), contact(7), f'2,"Bob\nB",Fo,{ANN.upper()},,2025-01-01T00:00:00Z', contact(3, name='"C\nD"'),
        "4,Ann,Lee,,(503) 555-0123,2025-01-01T00:00:00Z", "5,Bob,Lee,,(503) 555-0123,2025-01-01T00:00:00Z",
    )  # fmt: skip
    report = delivery.load()
    assert report.entities["sales.contacts"] == {
        "received": 6, "raw": 3, "duplicates": 0, "quarantined": 0, "suppressed": 3, "files": 1,
    }  # fmt: skip
    assert delivery.totals("sales.contacts") == (6, 3, 0, 0)
    assert delivery.rows("select record_key, line from raw.sales_contacts order by line") == [
        ("1", 2),
        ("3", 6),
        ("5", 9),
    ]
    text = landed(delivery, "contacts.csv").decode()
    assert "Ann" not in text and ANN.upper() not in text
    assert text.splitlines()[1] == contact(1)
    assert len(text.splitlines()) == 9
    assert delivery.land() == [], "the same delivery is known and not read again"


def test_events_go_by_user_and_by_device_in_its_time(delivery: Delivery) -> None:
    delivery.put_events(
        "web/events.jsonl.gz",
        event(1), event(2, userId="u700", anonymousId="x"), event(3, userId="u800"),
        event(4, timestamp="2025-08-01T00:00:00Z"), event(5, anonymousId="a2"),
        '{"type":"track","messageId":"m6","userId":"u700","anony',
        '{"type":"track","messageId":"m7","userId":"u800","an',
        event(8, anonymousId="a3", userId="u9", type="identify", traits={"email": "Ann.Lee@X.org"}),
    )  # fmt: skip
    delivery.load()
    assert [row[0] for row in delivery.rows("select record_key from raw.web_events order by 1")] == ["m3", "m4", "m5"]
    assert [row["line"] for row in delivery.quarantined()] == [7]
    assert delivery.totals("web.events") == (8, 3, 0, 1)
    text = landed(delivery, "events.jsonl.gz").decode()
    assert "u700" not in text and "Ann" not in text and text.count("\n") == 8


def test_a_file_of_suppressed_rows_only_is_taken_in_empty(delivery: Delivery) -> None:
    delivery.put_events("web/events.jsonl", *(event(number, userId="u700") for number in range(6_000)))
    delivery.load()
    assert delivery.totals("web.events") == (6_000, 0, 0, 0)


def test_a_deal_of_several_people_loses_only_the_number(delivery: Delivery) -> None:
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1))
    delivery.put_lines(
        "sales/deals.csv", DEALS,
        "1,closedwon,5,2025-01-01,2025-01-02,7;1", "2,closedwon,5,2025-01-01,2025-01-02,7", "3,open,,2025-01-01,,1",
    )  # fmt: skip
    delivery.load()
    rows = dict(delivery.rows("""select record_key, payload ->> '$."Associated Contact IDs"' from raw.sales_deals"""))
    assert rows == {"1": "erased-1;1", "3": "1"}
    assert delivery.totals("sales.deals") == (3, 2, 0, 0)


def test_parquet_and_other_encodings(delivery: Delivery) -> None:
    names = CONTACTS.split(",")
    table = pa.table({name: [f"{row}" if name == "Record ID" else None for row in (7, 8, 9)] for name in names})
    table = table.set_column(5, "Create Date", pa.array(["2025-01-01"] * 3))
    (delivery.folder / "sales").mkdir(parents=True)
    pq.write_table(table, delivery.folder / "sales" / "contacts.parquet")
    delivery.put(
        "sales/contacts-wide.csv", "\r\n".join([CONTACTS, contact(7), contact(10, name="Zoë")]).encode("utf-16")
    )
    delivery.put("sales/contacts-west.csv", "\n".join([CONTACTS, contact(7), contact(11, name="Zoë")]).encode("cp1252"))
    delivery.load()
    found = delivery.rows("""select record_key, payload ->> '$."First Name"' from raw.sales_contacts order by 1""")
    assert found == [("10", "Zoë"), ("11", "Zoë"), ("8", None), ("9", None)]
    assert delivery.totals("sales.contacts") == (7, 4, 0, 0)
    assert landed(delivery, "contacts-wide.csv").decode("utf-16").splitlines() == [
        CONTACTS,
        "",
        contact(10, name="Zoë"),
    ]


def test_mapped_columns_are_screened_under_their_own_names(tmp_path: Path) -> None:
    mappings = tmp_path / "mappings"
    mappings.mkdir()
    (mappings / "sales.yaml").write_text(
        "source: sales\nentities: {deals: {columns: {Associated Contact IDs: people}},"
        " contacts: {columns: {Record ID: nr, Email: post}}}\n"
    )
    made = make_delivery(tmp_path, mapping_dir=mappings)
    keys = token_keys(made.settings.privacy)
    Journal(made.settings.privacy).append("erased", [("r", [[tokens.make(keys, "record", "sales:7")]])], NOW)
    head = CONTACTS.replace("Record ID", "nr").replace("Email", "post")
    made.put_lines("sales/contacts.csv", head, contact(7), contact(8))
    made.put_lines("sales/deals.csv", DEALS.replace("Associated Contact IDs", "people"), "1,open,,2025-01-01,,8;7")
    made.load()
    assert made.rows("select record_key from raw.sales_contacts") == [("8",)]
    assert made.rows("select payload ->> 'people' from raw.sales_deals") == [("8;erased-2",)]


def test_corrections_cannot_bring_anybody_back(delivery: Delivery, tmp_path: Path) -> None:
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact("", name="Eve"), contact("", name="Dan"))
    delivery.load()
    rows = delivery.quarantined()
    corrections = tmp_path / "corrections.jsonl"
    corrections.write_text(
        "\n".join(
            json.dumps({"quarantine_id": row["quarantine_id"], "Record ID": key})
            for row, key in zip(rows, ("7", "12"), strict=True)
        )
    )
    report = quarantine.replay(delivery.settings, delivery.engine, now=NOW, corrections=corrections)
    assert (report.accepted, report.suppressed, report.remaining) == (1, 1, 1)
    assert delivery.rows("select record_key from raw.sales_contacts") == [("12",)]


def test_a_lifted_suppression_lets_rows_in_again(delivery: Delivery) -> None:
    Journal(delivery.settings.privacy).append("lifted", [("r1", [])], NOW)
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(7))
    delivery.load()
    assert delivery.totals("sales.contacts") == (1, 1, 0, 0)
