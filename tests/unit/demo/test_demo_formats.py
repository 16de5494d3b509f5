"""The files of a demo world have the formats that the sources export: names, headers, keys, spelling of values."""

from __future__ import annotations

import csv
import gzip
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from demo.clicks import step_names
from demo.generate import DemoReport

HEADERS = {
    "sales/contacts.csv": "Record ID,First Name,Last Name,Email,Phone Number,Date of Birth,Street Address,City,"
    "State/Region,Postal Code,Lifecycle Stage,Create Date,Marketing Consent",
    "sales/deals.csv": "Record ID,Deal Name,Deal Stage,Amount,Currency,Create Date,Close Date,Associated Contact IDs",
    "pos/customers.csv": "Reference ID,First Name,Last Name,Email Address,Phone Number,Street Address,Postal Code,"
    "Email Subscribed,Points Balance",
    "pos/transactions.csv": "Transaction ID,Date,Time,Time Zone,Location,Gross Sales,Discounts,Card Brand,"
    "Customer Reference ID",
    "marketing/email_events.csv": "event_id,event,campaign,email,timestamp",
    "marketing/experiments.csv": "experiment,email,arm,assigned_at",
    "truth/persons.csv": "source,source_record_id,person_id",
    "truth/anonymous.csv": "anonymous_id,person_id,ever_identified",
    "truth/bad_rows.csv": "problem,record_id",
}
MONTHS = {f"web/events-{year}-{month:02d}.jsonl.gz" for year in (2024, 2025) for month in range(1, 13)}
STAMP = re.compile(r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def lines(world: Path) -> list[str]:
    out: list[str] = []
    for path in sorted((world / "web").iterdir()):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            out += file.read().splitlines()
    return out


def events(world: Path) -> list[dict[str, Any]]:
    """All readable lines of the archive that say who it was."""
    readable = []
    for line in lines(world):
        try:
            readable.append(json.loads(line))
        except ValueError:
            continue
    return [event for event in readable if "anonymousId" in event]


def test_a_world_has_all_files_and_no_other(demo_world: Path, demo_report: DemoReport) -> None:
    there = {str(path.relative_to(demo_world)) for path in demo_world.rglob("*") if path.is_file()}
    assert there == set(HEADERS) | MONTHS | {"support/users.jsonl", "support/tickets.jsonl", "truth/facts.json"}
    assert set(demo_report.files) == there
    assert all(size > 0 for size in demo_report.files.values())


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_csv_files_have_their_header_and_full_rows(demo_world: Path, name: str) -> None:
    raw = (demo_world / name).read_bytes()
    assert raw.startswith(HEADERS[name].encode() + b"\r\n")
    assert raw.count(b"\n") == raw.count(b"\r\n")
    with (demo_world / name).open(encoding="utf-8", newline="") as file:
        widths = {len(row) for row in csv.reader(file)}
    assert widths == {HEADERS[name].count(",") + 1}


def test_values_of_contacts_and_deals(demo_world: Path) -> None:
    contacts = rows(demo_world / "sales/contacts.csv")
    good = [row for row in contacts if not row["Record ID"].startswith("BADC")]
    assert all(row["Record ID"].isdigit() and STAMP.match(row["Create Date"]) for row in good)
    assert {row["Marketing Consent"] for row in good} == {"true", "false", ""}
    assert {row["Lifecycle Stage"] for row in good} >= {"customer", "lead"}
    ids = {row["Record ID"] for row in good}
    deals = rows(demo_world / "sales/deals.csv")
    assert {row["Deal Stage"] for row in deals} == {"closedwon", "closedlost"}
    assert {row["Currency"] for row in deals} == {"USD"}
    assert {row["Associated Contact IDs"] for row in deals} <= ids
    assert all(row["Create Date"] < row["Close Date"] for row in deals)
    assert all(re.fullmatch(r"-?\d+\.\d\d", row["Amount"]) for row in deals)


def test_values_of_the_till(demo_world: Path) -> None:
    members = {row["Reference ID"] for row in rows(demo_world / "pos/customers.csv")}
    sales = rows(demo_world / "pos/transactions.csv")
    assert all(member.startswith("LOY-") for member in members)
    assert {row["Customer Reference ID"] for row in sales} - {""} <= members
    assert 0.05 < sum(not row["Customer Reference ID"] for row in sales) / len(sales) < 0.5
    good = [row for row in sales if row["Transaction ID"].startswith("TX")]
    assert all(datetime.fromisoformat(f"{row['Date']} {row['Time']}") for row in good)
    assert all(float(row["Gross Sales"]) > float(row["Discounts"]) >= 0 for row in good)
    assert len({row["Time Zone"] for row in sales}) > 4
    assert {row["Card Brand"] for row in sales} == {"VISA", "MASTERCARD", "AMEX", "CASH"}


def test_values_of_support(demo_world: Path) -> None:
    users = [json.loads(line) for line in (demo_world / "support/users.jsonl").read_text("utf-8").splitlines()]
    tickets = [json.loads(line) for line in (demo_world / "support/tickets.jsonl").read_text("utf-8").splitlines()]
    assert {tuple(user) for user in users} == {("id", "name", "email", "phone", "created_at")}
    keys = "id created_at updated_at solved_at status priority subject description requester_id via"
    keys += " satisfaction_rating tags"
    assert {tuple(ticket) for ticket in tickets} == {tuple(keys.split())}
    assert {ticket["requester_id"] for ticket in tickets} <= {user["id"] for user in users}
    assert {ticket["via"]["channel"] for ticket in tickets} == {"email", "chat", "web", "voice"}
    assert {ticket["satisfaction_rating"]["score"] for ticket in tickets} == {"good", "bad", "unoffered"}
    assert all((ticket["solved_at"] is None) == (ticket["status"] == "open") for ticket in tickets)
    assert len({ticket["description"] for ticket in tickets}) > 0.6 * len(tickets)
    assert any(any("一" <= letter <= "鿿" for letter in ticket["description"]) for ticket in tickets)


def test_values_of_mails(demo_world: Path) -> None:
    mails = rows(demo_world / "marketing/email_events.csv")
    assert {row["event"] for row in mails} <= {"sent", "open", "click", "unsubscribe"}
    assert {row["campaign"] for row in mails} == {"welcome", "newsletter"}
    assert len({row["event_id"] for row in mails}) == len(mails)
    arms = rows(demo_world / "marketing/experiments.csv")
    assert {row["arm"] for row in arms} == {"treatment", "control"}
    assert len({row["email"] for row in arms}) == len(arms)
    welcomed = {row["email"] for row in mails if row["campaign"] == "welcome"}
    assert welcomed <= {row["email"] for row in arms if row["arm"] == "treatment"}


def test_web_events_follow_the_specification(demo_world: Path) -> None:
    names = {name for name, _ in step_names()} | {"Order Completed"}
    start = ("type", "messageId", "anonymousId")
    end = ("timestamp", "receivedAt", "context")
    for event in events(demo_world):
        kind = event["type"]
        body = {"track": ("event", "properties"), "page": ("name", "properties"), "identify": ("traits",)}[kind]
        user = ("userId",) if "userId" in event else ()
        assert tuple(event) == start + user + body + end
        assert STAMP.match(event["timestamp"])
        assert event["timestamp"] <= event["receivedAt"]
        assert "2024-01-01" <= event["timestamp"] < "2026-01-01"
        assert set(event["context"]) == {"userAgent", "campaign", "channel"}
        if kind != "identify":
            assert event[body[0]] in names
        if event.get("event") == "Order Completed":
            assert set(event["properties"]) == {"order_id", "revenue", "currency"}
            assert "userId" in event
        elif kind != "identify":
            assert tuple(event["properties"]) == ("step",)
        if kind == "identify":
            assert set(event["traits"]) <= {"email", "firstName", "lastName", "phone"}
            assert "userId" in event


def test_files_hold_the_events_of_their_month_in_order_of_arrival(demo_world: Path) -> None:
    for path in (demo_world / "web").iterdir():
        with gzip.open(path, "rt", encoding="utf-8") as file:
            received = re.findall(r'"receivedAt":"([^"]+)"', file.read())
        assert received == sorted(received)
        assert {text[:7] for text in received} == {path.name[7:14]}
    late = [event for event in events(demo_world) if event["timestamp"][:10] < event["receivedAt"][:10]]
    assert late


def test_every_kind_of_event_occurs(demo_world: Path) -> None:
    seen = {event.get("event") or event.get("name") for event in events(demo_world)}
    assert {name for name, _ in step_names()} - {"Checkout Error"} <= seen
    assert {event["context"]["userAgent"] for event in events(demo_world)} == {"mobile", "desktop", "tablet"}
