"""Loading: versions, duplicates, conflicts, ledger; bad files and interruptions lose and double nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cdp.errors import CheckFailed, InputError
from pipelines.ingest import load as loading
from pipelines.ingest import stage, tables
from pipelines.sources.registry import ENTITIES
from tests.unit.pipelines.ingest_delivery import (
    CONTACTS,
    Delivery,
    contact,
    event,
    make_delivery,
)


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return make_delivery(tmp_path)


def test_all_tables_exist_whatever_was_delivered(delivery: Delivery) -> None:
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1))
    report = delivery.load()
    assert report.entities == {
        "sales.contacts": {"received": 1, "raw": 1, "duplicates": 0, "quarantined": 0, "suppressed": 0, "files": 1}
    }
    for entity in ENTITIES:
        expected = 1 if entity.name == "sales.contacts" else 0
        assert delivery.rows(f"select count(*) from {entity.table}") == [(expected,)]
        assert delivery.totals(entity.name) == (expected, expected, 0, 0)
    with delivery.engine.writer() as connection:
        tables.ensure(connection)


def test_a_record_is_kept_as_received_with_where_it_stood(delivery: Delivery) -> None:
    delivery.put_lines("sales/contacts.csv", CONTACTS + ",Shoe Size", contact(1) + ",44", contact(2) + ",")
    delivery.load()
    rows = delivery.rows(
        "select record_key, batch_seq, file, line, loaded_at::varchar, payload, mapped from raw.sales_contacts"
    )
    assert rows[0][:5] == ("1", 1, "sales/contacts.csv", 2, "2026-01-01 00:00:00")
    assert json.loads(rows[0][5]) == {
        "Record ID": "1", "First Name": "Ada", "Last Name": "Fo", "Email": "", "Phone Number": "",
        "Create Date": "2025-01-01T00:00:00Z", "Shoe Size": "44",
    }  # fmt: skip
    assert rows[0][6] is None
    (batch,) = delivery.rows("select source, entity, file, sha256, landed_path, kind, received from ops.batches")
    assert batch[:3] == ("sales", "contacts", "sales/contacts.csv")
    assert batch[4] == f"sales/contacts/{batch[3][:12]}-contacts.csv"
    assert batch[5:] == ("file", 2)


def test_versions_of_a_record(delivery: Delivery) -> None:
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1), contact(2), contact(1))
    delivery.load()
    assert delivery.totals("sales.contacts") == (3, 2, 1, 0)
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(2), contact(1, "Bo"), contact(1, "Cy"), contact(1, "Bo"))
    delivery.load()
    assert delivery.totals("sales.contacts") == (7, 5, 2 - 1 + 1, 0)
    versions = delivery.rows(
        "select payload->>'First Name' from raw.sales_contacts where record_key = '1' order by batch_seq, line"
    )
    assert versions == [("Ada",), ("Bo",), ("Cy",), ("Bo",)]


def test_columns_in_another_order_are_the_same_content(delivery: Delivery) -> None:
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1))
    delivery.load()
    delivery.put_lines(
        "sales/contacts.csv",
        "Create Date;Record ID;First Name;Last Name;Email;Phone Number",
        "2025-01-01T00:00:00Z;1;Ada;Fo;;",
    )
    delivery.load()
    assert delivery.totals("sales.contacts") == (2, 1, 1, 0)


def test_parquet_and_csv_of_one_entity(delivery: Delivery) -> None:
    names = CONTACTS.split(",")
    columns = [[7, 8], ["Ada", "Bo"], [None, "Ko"], [None, None], [None, None], [datetime(2025, 1, 1), None]]
    delivery.put("sales/contacts.parquet", b"")
    pq.write_table(pa.table(dict(zip(names, columns, strict=True))), delivery.folder / "sales" / "contacts.parquet")
    delivery.load()
    assert delivery.totals("sales.contacts") == (2, 1, 0, 1)
    assert delivery.rows("select record_key, line from raw.sales_contacts") == [("7", 1)]
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(7))
    delivery.load()
    assert delivery.totals("sales.contacts") == (3, 2, 0, 1)


def test_a_file_under_another_name_doubles_nothing(delivery: Delivery) -> None:
    lines = (CONTACTS, contact(1), contact(2, date="not-a-date"))
    delivery.put_lines("sales/contacts.csv", *lines)
    delivery.load()
    delivery.put("sales/contacts-copy.csv.gz", gzip.compress("\n".join(lines).encode("utf-16")))
    delivery.load()
    assert delivery.totals("sales.contacts") == (4, 1, 2, 1)


def test_events_repeat_and_conflict(delivery: Delivery) -> None:
    nested = {"context": {"campaign": {"medium": "email", "source": "x"}, "ip": "1"}}
    turned = {"context": {"ip": "1", "campaign": {"source": "x", "medium": "email"}}}
    delivery.put_events(
        "web/events-1.jsonl.gz",
        event(1, **nested),
        event(1, **nested),
        event(1, **{**turned, "receivedAt": "2025-02-01T00:00:00Z", "sentAt": "2025-02-01T00:00:00Z"}),
        event(1, event="Other"),
        event(2),
    )
    delivery.load()
    assert delivery.totals("web.events") == (5, 2, 2, 1)
    delivery.put_events(
        "web/events-2.jsonl", event(1, **turned), event(2, event="Other"), event(3), event(1, event="Other")
    )
    delivery.load()
    assert delivery.totals("web.events") == (9, 3, 4, 2)
    assert [(row["record_id"], row["file"], row["line"], row["reason"]) for row in delivery.quarantined()] == [
        ("m1", "web/events-1.jsonl.gz", 4, "messageId was used before by a record with other content."),
        ("m2", "web/events-2.jsonl", 2, "messageId was used before by a record with other content."),
    ]


def test_a_broken_first_delivery_of_an_event_does_not_block_the_good_one(delivery: Delivery) -> None:
    delivery.put_events("web/events.jsonl", event(1, timestamp="2024-99-01T00:00:00Z"), event(1))
    delivery.load()
    assert delivery.totals("web.events") == (2, 1, 0, 1)


def test_unreadable_lines_are_kept_by_file_and_line(delivery: Delivery) -> None:
    delivery.put_events("web/events.jsonl", event(1), '{"type": "track", "mess', "[1]", "", '{"type": "track", "mess')
    delivery.load()
    assert delivery.totals("web.events") == (4, 1, 0, 3)
    assert [(row["record_id"], row["line"]) for row in delivery.quarantined()] == [(None, 2), (None, 3), (None, 5)]
    delivery.put_events(
        "web/events.jsonl", '{"type": "track", "mess', event(1), "[1]", '{"type": "track", "mess', event(2)
    )
    delivery.load()
    assert delivery.totals("web.events") == (9, 2, 4, 3), "the same broken lines of the same file are known"


def test_a_broken_record_that_is_delivered_again_is_known(delivery: Delivery) -> None:
    broken = contact(9, date="not-a-date")
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1), broken, broken)
    delivery.load()
    assert delivery.totals("sales.contacts") == (3, 1, 1, 1)
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1), contact(2), broken)
    delivery.load()
    assert delivery.totals("sales.contacts") == (6, 2, 3, 1)
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(9, "Bo", date="soon"))
    delivery.load()
    assert delivery.totals("sales.contacts") == (7, 2, 3, 2)


def test_a_table_may_name_nested_fields_flat(delivery: Delivery) -> None:
    delivery.put_lines("support/users.jsonl", '{"id": 5, "created_at": "2025-01-01T00:00:00Z"}')
    delivery.put_lines("support/tickets.csv", "id,created_at,requester_id,via.channel", "1,2025-01-01T00:00:00Z,5,chat")
    delivery.load()
    (row,) = delivery.rows("select payload, mapped->>'$.via.channel', mapped->>'$.id' from raw.support_tickets")
    assert json.loads(row[0])["via.channel"] == "chat"
    assert row[1:] == ("chat", "1")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (CONTACTS.replace("Email", "E-mail"), "has no column 'Email', but 'E-mail' looks like it"),
        (CONTACTS.replace("Email", "Correo"), "has no column 'Email'; it has Record ID, First Name"),
        (CONTACTS.replace("Record ID", "record_id"), "has no column 'Record ID', but 'record_id' looks like it"),
        (CONTACTS + ",Birth Date", "has no column 'Date of Birth', but 'Birth Date' looks like it"),
    ],
)
def test_a_wrong_column_is_told(delivery: Delivery, header: str, message: str) -> None:
    delivery.put_lines("sales/contacts.csv", header, contact(1) + "," * (header.count(",") - 5))
    with pytest.raises(InputError, match=message):
        delivery.load()
    assert delivery.totals("sales.contacts") == (0, 0, 0, 0)
    assert not list(delivery.settings.landing.rglob("*contacts.csv"))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_missing_header_is_told_without_quoting_the_record(delivery: Delivery, suffix: str) -> None:
    values = contact(1, "Zqxfirst", mail="zqx@canary.example").replace(",,", ",12 State Street,").split(",")
    if suffix == "csv":
        delivery.put_lines("sales/contacts.csv", ",".join(values), contact(2))
    else:
        (delivery.folder / "sales").mkdir()
        pq.write_table(pa.table({value: ["x"] for value in values}), delivery.folder / "sales" / "contacts.parquet")
    with pytest.raises(InputError, match=r"first line of sales/contacts\.\w+ names no column of contacts") as caught:
        delivery.load()
    assert not any(value in caught.value.message for value in values)


def test_a_header_that_is_no_text_is_told(delivery: Delivery) -> None:
    content = "\n".join((CONTACTS.replace("Email", "Почта"), contact(1)))
    delivery.put("sales/contacts.csv", content.encode("cp1251"))
    with pytest.raises(InputError, match=r"sales/contacts\.csv is not UTF-8 text"):
        delivery.load()


def test_json_without_a_required_field_anywhere_is_told(delivery: Delivery) -> None:
    delivery.put_lines("support/users.jsonl", '{"ID": 5, "created_at": "2025-01-01T00:00:00Z"}')
    with pytest.raises(InputError, match=r"support/users\.jsonl has no column 'id', but 'ID' looks like it"):
        delivery.load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[\n" + b'{"a": 1},\n' * 3 + b"]\n", "does not hold one JSON object per line"),
        (CONTACTS.encode() + b"\n" + b"1,2\n" * 20, "does not hold one JSON object per line"),
        (b'{"a": "\xff\x81"}\n' * 20, "is not UTF-8 text"),
    ],
    ids=["array", "csv", "bytes"],
)
def test_a_file_that_is_something_else_is_told(delivery: Delivery, content: bytes, message: str) -> None:
    delivery.put("web/events.jsonl", content)
    with pytest.raises(InputError, match=rf"web/events\.jsonl {message}"):
        delivery.load()
    assert delivery.totals("web.events") == (0, 0, 0, 0)


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "gb18030", "shift-jis"])
def test_another_encoding_is_told_and_never_guessed(delivery: Delivery, encoding: str) -> None:
    name = {"gb18030": "王芳", "shift-jis": "佐藤"}.get(encoding, "Иван")
    lines = [CONTACTS, *(contact(n) for n in range(80)), contact(80, name), contact(81, name)]
    delivery.put("sales/contacts.csv", ("\n".join(lines) + "\n").encode(encoding))
    with pytest.raises(InputError, match=r"sales/contacts\.csv is not UTF-8 text; deliver it as UTF-8 or name its enc"):
        delivery.load()
    assert delivery.totals("sales.contacts") == (0, 0, 0, 0)


def test_a_half_written_file_keeps_nobody_else_out(delivery: Delivery) -> None:
    whole = gzip.compress("\n".join(json.dumps(event(n)) for n in range(500)).encode())
    delivery.put_events("web/events-1.jsonl.gz", event(-1))
    delivery.put("web/events-2.jsonl.gz", whole[: len(whole) // 2])
    delivery.put_events("web/events-3.jsonl.gz", event(-3))
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1))
    for _ in range(2):
        with pytest.raises(
            InputError, match=r"^web/events-2\.jsonl\.gz is only half written or damaged \(gzip\); deliver it"
        ):
            delivery.load()
        assert delivery.totals("web.events") == (2, 2, 0, 0)
        assert delivery.totals("sales.contacts") == (1, 1, 0, 0)
    delivery.put("web/events-2.jsonl.gz", whole)
    delivery.load()
    assert delivery.totals("web.events") == (502, 502, 0, 0)
    assert delivery.land() == []


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_file_that_ends_in_the_middle_of_a_line_is_half_written(
    delivery: Delivery, pack: Callable[[bytes], bytes]
) -> None:
    lines = ("\n".join(json.dumps(event(n)) for n in range(10)) + "\n").encode()
    delivery.put("web/events.jsonl", pack(lines[:-40]))
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1))
    with pytest.raises(
        InputError, match=r"^web/events\.jsonl ends in the middle of a line, so it is only half written"
    ):
        delivery.load()
    assert delivery.totals("web.events") == (0, 0, 0, 0)
    assert delivery.totals("sales.contacts") == (1, 1, 0, 0)
    delivery.put("web/events.jsonl", pack(lines))
    delivery.load()
    assert delivery.totals("web.events") == (10, 10, 0, 0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("last", ["3,Cy", '3,Cy,"never closed\n4,Di,Fo'], ids=["values missing", "quote open"])
def test_a_table_that_ends_in_the_middle_of_a_line_is_half_written(
    delivery: Delivery, last: str, encoding: str
) -> None:
    content = "\n".join((CONTACTS, contact(1), contact(2), last))
    delivery.put("sales/contacts.csv", content.encode(encoding))
    with pytest.raises(InputError, match=r"sales/contacts\.csv ends in the middle of a line"):
        delivery.load()
    assert delivery.totals("sales.contacts") == (0, 0, 0, 0)


def test_a_last_line_may_lack_its_end(delivery: Delivery) -> None:
    delivery.put("sales/contacts.csv", "\n".join((CONTACTS, contact(1), "2,x", contact(3))))
    delivery.put("web/events.jsonl", "\n".join((json.dumps(event(1)), "{broken", json.dumps(event(2)))))
    delivery.load()
    assert delivery.totals("sales.contacts") == (3, 2, 0, 1)
    assert delivery.totals("web.events") == (3, 2, 0, 1)


def fill(delivery: Delivery) -> None:
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1), contact(2, date="x"))
    for month in range(4):
        events = [event(f"{month}-{n}") for n in range(5)]
        delivery.put_events(f"web/events-{month}.jsonl.gz", *events, events[0], "{broken", event("shared"))


def state(delivery: Delivery) -> list[Any]:
    raw = delivery.rows("select * exclude (loaded_at) from raw.web_events order by batch_seq, line")
    quarantine = delivery.rows("select * from quarantine.rows order by quarantine_id")
    batches = delivery.rows("select * from ops.batches order by batch_seq")
    return [raw, quarantine, batches, delivery.totals("web.events"), delivery.totals("sales.contacts")]


@pytest.mark.parametrize(("group_rows", "commits"), [(1, 0), (1, 3), (12, 2), (1000, 1), (1000, 4)])
def test_interrupted_anywhere_it_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_rows: int, commits: int
) -> None:
    monkeypatch.setattr(loading, "GROUP_ROWS", group_rows)
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole, killed = make_delivery(tmp_path / "whole"), make_delivery(tmp_path / "killed")
    fill(whole)
    fill(killed)
    whole.load()
    done = 0
    commit = loading.commit_file

    def interrupted(*arguments: Any) -> Any:
        nonlocal done
        if done == commits:
            raise KeyboardInterrupt
        done += 1
        return commit(*arguments)

    monkeypatch.setattr(loading, "commit_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        killed.load()
    monkeypatch.setattr(loading, "commit_file", commit)
    killed.load()
    assert state(killed) == state(whole)
    assert killed.totals("web.events") == (32, 21, 7, 4)
    assert killed.land() == []


def test_a_ledger_that_does_not_hold_leaves_nothing(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1))
    pending = delivery.land()
    real = stage.stage_file

    def miscounted(*arguments: Any, **options: Any) -> stage.StagedFile:
        found = real(*arguments, **options)
        return replace(found, received=found.received + 1)

    monkeypatch.setattr(stage, "stage_file", miscounted)
    with pytest.raises(CheckFailed, match=r"ledger of sales/contacts\.csv does not hold: 2 rows received, but 1 raw"):
        delivery.load(pending)
    monkeypatch.undo()
    assert delivery.totals("sales.contacts") == (0, 0, 0, 0)
    delivery.load()
    assert delivery.totals("sales.contacts") == (1, 1, 0, 0)


def test_tampering_is_noticed(delivery: Delivery) -> None:
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1))
    delivery.load()
    with delivery.engine.writer() as connection:
        connection.execute("delete from raw.sales_contacts")
    with pytest.raises(CheckFailed, match=r"1 rows of sales\.contacts are raw, but 0 are there"):
        delivery.totals("sales.contacts")
