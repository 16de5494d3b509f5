"""The truth beside the files is the truth about the files."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from demo.generate import DemoReport

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
Facts = dict[str, Any]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def web_lines(world: Path) -> list[str]:
    files = sorted((world / "web").iterdir())
    return [line for path in files for line in gzip.decompress(path.read_bytes()).decode().splitlines()]


def readable(world: Path) -> list[dict[str, Any]]:
    """Every event once."""
    out: dict[str, dict[str, Any]] = {}
    for line in web_lines(world):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if "anonymousId" in event:
            out[event["messageId"]] = event
    return list(out.values())


@pytest.fixture(scope="module")
def facts(demo_world: Path) -> Facts:
    content: Facts = json.loads((demo_world / "truth/facts.json").read_text("utf-8"))
    return content


@pytest.fixture(scope="module")
def owner(demo_world: Path) -> dict[tuple[str, str], str]:
    return {
        (row["source"], row["source_record_id"]): row["person_id"] for row in rows(demo_world / "truth/persons.csv")
    }


@pytest.fixture(scope="module")
def purchases(demo_world: Path, owner: dict[tuple[str, str], str]) -> dict[str, list[datetime]]:
    """Recorded purchases by person, as the files tell them."""
    out: dict[str, list[datetime]] = defaultdict(list)
    for row in rows(demo_world / "sales/deals.csv"):
        if row["Deal Stage"] == "closedwon" and not row["Record ID"].startswith("BADD"):
            out[owner["sales", row["Associated Contact IDs"]]].append(datetime.fromisoformat(row["Close Date"]))
    for row in rows(demo_world / "pos/transactions.csv"):
        if row["Transaction ID"].startswith("TX") and row["Customer Reference ID"]:
            local = datetime.fromisoformat(f"{row['Date']} {row['Time']}").replace(tzinfo=ZoneInfo(row["Time Zone"]))
            out[owner["pos", row["Customer Reference ID"]]].append(local.astimezone(UTC))
    for event in readable(demo_world):
        if event.get("event") == "Order Completed":
            out[owner["web", event["userId"]]].append(datetime.fromisoformat(event["timestamp"]))
    return out


def test_every_good_record_has_one_person(demo_world: Path, owner: dict[tuple[str, str], str]) -> None:
    good = {("sales", row["Record ID"]) for row in rows(demo_world / "sales/contacts.csv")}
    good = {key for key in good if not key[1].startswith("BADC")}
    good |= {("pos", row["Reference ID"]) for row in rows(demo_world / "pos/customers.csv")}
    good |= {("support", str(user["id"])) for user in json_lines(demo_world / "support/users.jsonl")}
    good |= {("web", event["userId"]) for event in readable(demo_world) if "userId" in event}
    assert set(owner) == good
    assert len(rows(demo_world / "truth/persons.csv")) == len(owner)


def test_one_record_a_person_except_at_the_till(owner: dict[tuple[str, str], str]) -> None:
    records = Counter((source, person) for (source, _), person in owner.items())
    assert all(count == 1 for (source, _), count in records.items() if source != "pos")
    assert {count for (source, _), count in records.items() if source == "pos"} == {1, 2}


def test_devices(demo_world: Path, owner: dict[tuple[str, str], str]) -> None:
    devices = rows(demo_world / "truth/anonymous.csv")
    seen = readable(demo_world)
    assert {row["anonymous_id"] for row in devices} == {event["anonymousId"] for event in seen}
    named = {event["anonymousId"] for event in seen if event["type"] == "identify"}
    assert {row["anonymous_id"] for row in devices if row["ever_identified"] == "yes"} == named
    users: dict[str, set[str]] = defaultdict(set)
    for row in devices:
        users[row["anonymous_id"]].add(row["person_id"])
    assert any(len(people) == 2 for people in users.values())
    assert any(people == {""} for people in users.values())
    for event in seen:
        if "userId" in event:
            assert owner["web", event["userId"]] in users[event["anonymousId"]]


def test_counts(demo_world: Path, facts: Facts, demo_report: DemoReport) -> None:
    lines = web_lines(demo_world)
    bad = rows(demo_world / "truth/bad_rows.csv")
    counts = {
        "persons": 400,
        "contacts": len(rows(demo_world / "sales/contacts.csv")),
        "deals": len(rows(demo_world / "sales/deals.csv")),
        "pos_customers": len(rows(demo_world / "pos/customers.csv")),
        "pos_transactions": len(rows(demo_world / "pos/transactions.csv")),
        "support_users": len(json_lines(demo_world / "support/users.jsonl")),
        "tickets": len(json_lines(demo_world / "support/tickets.jsonl")),
        "web_events": len(lines) - sum(row["problem"].startswith("web/") for row in bad),
        "email_events": len(rows(demo_world / "marketing/email_events.csv")),
        "bad_rows": len(bad),
    }
    assert facts["counts"] == counts == demo_report.counts
    assert facts["duplicates_web"] == counts["web_events"] - len(readable(demo_world)) > 0
    per_person = (
        sum(counts[name] for name in ("web_events", "deals", "pos_transactions", "tickets", "email_events")) / 400
    )
    assert 25 < per_person < 45


def test_bad_rows_are_exactly_the_listed_ones(demo_world: Path) -> None:
    listed = rows(demo_world / "truth/bad_rows.csv")
    kinds = Counter(row["problem"].split(": ")[1] for row in listed)
    assert set(kinds) == {
        "unparseable create date", "negative amount", "date in the future", "amount is not a number",
        "truncated JSON line", "no id and impossible timestamp",
    }  # fmt: skip
    found = {row["Record ID"] for row in rows(demo_world / "sales/contacts.csv") if row["Create Date"] == "not-a-date"}
    found |= {row["Record ID"] for row in rows(demo_world / "sales/deals.csv") if row["Amount"].startswith("-")}
    for row in rows(demo_world / "pos/transactions.csv"):
        if row["Date"] >= "2026" or not row["Gross Sales"].replace(".", "").isdigit():
            found.add(row["Transaction ID"])
    cut: Counter[str] = Counter()
    for path in sorted((demo_world / "web").iterdir()):
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                cut[f"web/{path.name}: truncated JSON line"] += 1
                continue
            if "anonymousId" not in event:
                assert "userId" not in event
                assert "-99-" in event["timestamp"]
                found.add(event["messageId"])
    assert {row["record_id"] for row in listed if row["record_id"]} == found
    assert Counter(row["problem"] for row in listed if not row["record_id"]) == cut
    assert len(listed) == len(found) + sum(cut.values())


def test_observable_support(demo_world: Path, facts: Facts, owner: dict[tuple[str, str], str], purchases: Any) -> None:
    counted: dict[bool, list[bool]] = {True: [], False: []}
    for ticket in json_lines(demo_world / "support/tickets.jsonl"):
        created = datetime.fromisoformat(ticket["created_at"])
        if created >= AS_OF - timedelta(days=180):
            continue
        solved = datetime.fromisoformat(ticket["solved_at"]) if ticket["solved_at"] else AS_OF
        later = created + timedelta(days=180)
        bought = purchases[owner["support", str(ticket["requester_id"])]]
        counted[solved - created > timedelta(hours=72)].append(not any(created < when <= later for when in bought))
    for slow, name in ((True, "slow"), (False, "fast")):
        fact = facts["observable"][f"no_purchase_180d_after_{name}_ticket"]
        assert (fact["n"], fact["hits"]) == (len(counted[slow]), sum(counted[slow]))


def test_observable_welcome_mail(
    demo_world: Path, facts: Facts, owner: dict[tuple[str, str], str], purchases: Any
) -> None:
    address: dict[str, str] = {}
    for name, source, key, mail in (
        ("sales/contacts.csv", "sales", "Record ID", "Email"),
        ("pos/customers.csv", "pos", "Reference ID", "Email Address"),
    ):  # fmt: skip
        for row in rows(demo_world / name):
            if (source, row[key]) in owner:
                address[row[mail].lower()] = owner[source, row[key]]
    for event in readable(demo_world):
        if event["type"] == "identify" and "email" in event["traits"]:
            address[event["traits"]["email"].lower()] = owner["web", event["userId"]]
    counted: dict[str, list[bool]] = {"treatment": [], "control": []}
    for row in rows(demo_world / "marketing/experiments.csv"):
        bought = purchases[address[row["email"]]]
        assert min(bought) < datetime.fromisoformat(row["assigned_at"]) <= min(bought) + timedelta(minutes=6)
        counted[row["arm"]].append(len(bought) >= 2)
    for arm, name in (("treatment", "with"), ("control", "without")):
        fact = facts["observable"][f"repeat_purchase_{name}_welcome_mail"]
        assert (fact["n"], fact["hits"]) == (len(counted[arm]), sum(counted[arm]))


def test_observable_failed_payments(demo_world: Path, facts: Facts) -> None:
    orders: dict[str, list[datetime]] = defaultdict(list)
    failures: list[tuple[str, datetime, bool]] = []
    for event in readable(demo_world):
        when = datetime.fromisoformat(event["timestamp"])
        if event.get("event") == "Order Completed":
            orders[event["anonymousId"]].append(when)
        elif event.get("event") == "Payment Failed":
            failures.append((event["anonymousId"], when, event["context"]["userAgent"] == "mobile"))
    for mobile, name in ((True, "mobile"), (False, "other")):
        group = [(device, when) for device, when, is_mobile in failures if is_mobile == mobile]
        gone = [
            not any(when < order <= when + timedelta(hours=24) for order in orders[device]) for device, when in group
        ]
        fact = facts["observable"][f"abandoned_after_payment_failed_{name}"]
        assert (fact["n"], fact["hits"]) == (len(gone), sum(gone))


def test_facts_name_what_was_planted(facts: Facts) -> None:
    assert set(facts) == {"seed", "scenario", "slow_hours", "planted", "observable", "duplicates_web", "counts"}
    assert set(facts["planted"]) == {
        "slow_ticket", "fast_ticket", "welcome", "no_welcome", "payment_failed_mobile", "payment_failed_other",
    }  # fmt: skip
    for group in (facts["planted"], facts["observable"]):
        assert all(fact["rate"] == round(fact["hits"] / fact["n"], 4) for fact in group.values())


def test_dirt_shows(demo_world: Path) -> None:
    contacts = rows(demo_world / "sales/contacts.csv") + rows(demo_world / "pos/customers.csv")
    mails = [row.get("Email") or row.get("Email Address") or "" for row in contacts]
    phones = Counter(row["Phone Number"] for row in contacts)
    assert {"noemail@example.com", "none@none.com", "test@test.com"} & set(mails)
    assert any(mail.isupper() for mail in mails)
    assert any("+" in mail for mail in mails)
    assert {"0000000000", "1111111111", "555-555-5555"} & set(phones)
    assert "" in mails
    letters = {row["Last Name"][:1] for row in contacts} - {""}
    for first, last in (("A", "Z"), ("А", "я"), ("一", "鿿"), ("ا", "ي")):
        assert any(first <= letter <= last for letter in letters)
