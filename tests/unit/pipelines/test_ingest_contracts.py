"""Which rows break the contract of their entity, and which odd ones do not."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from tests.unit.pipelines.ingest_delivery import (
    CONTACTS,
    DEALS,
    TRANSACTIONS,
    Delivery,
    contact,
    event,
    make_delivery,
)


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return make_delivery(tmp_path)


def judged(delivery: Delivery, file: str, header: str, rows: dict[str, str | None]) -> None:
    """Load the rows and compare the reason of each; None: it is taken in."""
    delivery.put_lines(file, header, *rows)
    delivery.load()
    found = {row["line"]: row["reason"] for row in delivery.quarantined()}
    assert {row: found.get(line) for line, row in enumerate(rows, start=2)} == rows


def test_the_contract_of_contacts(delivery: Delivery) -> None:
    rows = {
        contact(
            1, date="not-a-date"
        ): "Create Date is not a date that can be read (expected like 2025-01-31T10:00:00Z).",
        contact(2, date=""): "Create Date is not a date that can be read (expected like 2025-01-31T10:00:00Z).",
        contact(3, date="2199-01-01"): "Create Date lies in the future or before 1900.",
        contact(4, date="infinity"): "Create Date is not a date that can be read (expected like 2025-01-31T10:00:00Z).",
        contact("", date="2025-01-01"): "Record ID is empty.",
        contact(6, date="2025-01-01 10:00:00+02"): None,
    }
    judged(delivery, "sales/contacts.csv", CONTACTS, rows)


def test_the_contract_of_deals(delivery: Delivery) -> None:
    delivery.put_lines("sales/contacts.csv", CONTACTS)
    no_number = "Amount is not a number (expected like 12.50)."
    rows = {
        "1,closedwon,-1,2025-01-01,2025-01-02,1": "Amount is negative.",
        '2,closedwon,"12,3O",2025-01-01,2025-01-02,1': no_number,
        '3,closedwon,"12,30",2025-01-01,2025-01-02,1': no_number,
        "4,closedwon,,2025-01-01,2025-01-02,1": "Amount is empty although Deal Stage says the deal is won.",
        "5,closedwon,1,2025-01-01,,1": "Close Date is empty although Deal Stage says the deal is won.",
        "6,closedwon,1,2025-01-01,2199-01-01,1": "Close Date of a won deal lies in the future or before 1900.",
        "7,closedwon,inf,2025-01-01,2025-01-02,1": no_number,
        ",closedwon,1,2025-01-01,2025-01-02,1": "Record ID is empty.",
        '9,closedwon,"$1,234.50",2025-01-01,2025-01-02,1': None,
        "10,appointment,,2025-01-01,2199-01-01,1": None,
        "11,closedlost,0,2025-01-01T10:00:00+02:00,,": None,
    }
    judged(delivery, "sales/deals.csv", DEALS, rows)


def test_the_contract_of_sales_at_the_till(delivery: Delivery) -> None:
    delivery.put_lines("pos/customers.csv", "Reference ID,First Name,Last Name,Email Address,Phone Number")
    rows = {
        "1,2099-02-03,10:00:00,America/Los_Angeles,1,0,": "Date lies in the future or before 1900.",
        "2,2025-02-30,10:00:00,Europe/Berlin,1,0,": "Date is not a date that can be read (expected like 2025-01-31).",
        "3,2025-02-03,25:00,Europe/Berlin,1,0,": (
            "Time is not a time of day that can be read (expected like 14:05:00)."
        ),
        "4,2025-02-03,10:00,Mars/Olympus,1,0,": (
            "Time Zone is not the name of a time zone (expected like Europe/Berlin)."
        ),
        "5,2025-02-03,10:00,Europe/Berlin,1,x,": "Discounts is not a number (expected like 1.50).",
        "6,2025-02-03,10:00,Europe/Berlin,,,": "Gross Sales is not a number (expected like 12.50).",
        "7,2025-02-03,10:00:00,Europe/Berlin,1,-0.50,LOY-1": None,
    }
    judged(delivery, "pos/transactions.csv", TRANSACTIONS, rows)
    assert delivery.rows("select newest from ops.batches where entity = 'transactions'") == [
        (datetime(2025, 2, 3, 9),)
    ], "local time became UTC"


def test_the_contract_of_events(delivery: Delivery) -> None:
    rows = {
        json.dumps(event(1, messageId="")): "messageId is empty.",
        json.dumps(event(2, anonymousId=None)): (
            "Neither userId nor anonymousId is given, so the event belongs to nobody."
        ),
        json.dumps(event(3, timestamp="2024-99-01T00:00:00Z")): (
            "timestamp is not a time that can be read (expected like 2025-01-31T10:00:00Z)."
        ),
        json.dumps(event(4, timestamp="1970-01-01T00:00:00Z")): "timestamp lies in the future or before 1990.",
        json.dumps(event(5, timestamp="2199-01-01T00:00:00Z")): "timestamp lies in the future or before 1990.",
        json.dumps(event(6, type="click")): "type is none of track, page, screen, identify, group, alias.",
        json.dumps(event(7, event=None)): "event is empty although type says track.",
        json.dumps(event(8, type="page", event=None, userId="u", anonymousId=None)): None,
    }
    judged(delivery, "web/events.jsonl", "", rows)


def test_an_odd_person_is_no_broken_row(delivery: Delivery) -> None:
    delivery.put_lines(
        "sales/contacts.csv",
        CONTACTS + ",Date of Birth",
        "1,,,noemail@example.com,0000000000,2025-01-01,13/04/1979",
        "2,Björk,,NOT A MAIL,x,2025-01-01,05/57/1550",
        "3,,,,,2025-01-01,",
    )
    delivery.put_lines("support/users.jsonl", '{"id": 5, "created_at": "2025-01-01T00:00:00Z", "name": null}')
    delivery.load()
    assert delivery.quarantined() == []


def test_contract_results_are_counts(delivery: Delivery) -> None:
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1), contact(2, date="x"), "broken")
    delivery.load()
    assert delivery.rows("select expectation, code, checked, failed from ops.contract_results order by code") == [
        ("expect_column_values_to_be_between", "create_date_impossible", 2, 0),
        ("expect_column_values_to_not_be_null", "create_date_unreadable", 2, 1),
        ("expect_column_values_to_not_be_null", "record_id_missing", 2, 0),
    ]
