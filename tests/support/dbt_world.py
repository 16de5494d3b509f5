"""A small warehouse made by hand: raw documents, the run's now, and an identity that can be read off the ids.

Person 7 is contact "7", requester "7", member "L7", user "u7", device "d7" and p7@example.org, and has profile "p7".
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from pipelines.ingest import tables

NOW = datetime(2026, 1, 1)
_KEYS = {
    "sales_contacts": "Record ID",
    "sales_deals": "Record ID",
    "support_users": "id",
    "support_tickets": "id",
    "web_events": "messageId",
    "pos_customers": "Reference ID",
    "pos_transactions": "Transaction ID",
    "marketing_email_events": "event_id",
}


def stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds") + "Z"


@dataclass
class DbtWorld:
    """Writes raw rows batch by batch."""

    path: Path
    as_of: datetime = NOW
    batch: int = 0
    people: set[int] = field(default_factory=set)
    lines: int = 0

    def connect(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(str(self.path), config={"threads": 1})
        connection.execute("set TimeZone = 'UTC'")
        return connection

    def begin(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.connect() as connection:
            tables.ensure(connection)
            connection.execute("create schema if not exists identity")
            connection.execute("insert into ops.run_context values ('run', ?)", [self.as_of])

    def deliver(self, documents: dict[str, list[dict[str, Any]]], mapped: dict[str, Any] | None = None) -> None:
        """One batch; `mapped` holds canonical documents by record key where they differ from the payload."""
        self.batch += 1
        rows: dict[str, list[tuple[Any, ...]]] = {}
        for table, items in documents.items():
            for item in items:
                self.lines += 1
                key = str(item[_KEYS[table]]) if table in _KEYS else f"{item['experiment']}|{item['email']}"
                canonical = json.dumps(mapped[key]) if mapped and key in mapped else None
                rows.setdefault(table, []).append(
                    (
                        key,
                        str(self.lines),
                        self.batch,
                        f"file-{self.batch}",
                        self.lines,
                        NOW,
                        json.dumps(item),
                        canonical,
                    )
                )
        with self.connect() as connection:
            for table, values in rows.items():
                connection.executemany(f"insert into raw.{table} values (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def identify(self, people: list[int], anonymous: tuple[str, ...] = ()) -> None:
        """Write the identity tables that the models read."""
        records = [
            row
            for person in people
            for row in (
                ("sales", str(person), f"p{person}"),
                ("support", str(person), f"p{person}"),
                ("pos", f"L{person}", f"p{person}"),
                ("web", f"u{person}", f"p{person}"),
                ("marketing", f"p{person}@example.org", f"p{person}"),
            )
        ]
        devices = [(f"d{person}", f"p{person}", "identify") for person in people]
        devices += [(device, f"profile-of-{device}", "anonymous") for device in anonymous]
        golden = [(f"p{person}", False) for person in people] + [(f"profile-of-{device}", True) for device in anonymous]
        with self.connect() as connection:
            connection.execute(_IDENTITY)
            connection.executemany("insert into identity.identity_map values (?, ?, ?, 1.0, false)", records)
            connection.executemany(
                "insert into identity.device_map values (?, ?, '0001-01-01', '9999-12-31', ?)", devices
            )
            connection.executemany(
                "insert into identity.golden (profile_id, is_anonymous, records, sources, confidence)"
                " values (?, ?, 1, 1, 1)",
                golden,
            )
            connection.execute("insert into identity.identifiers select profile_id, 'email', source_record_id, source,"
                               " source_record_id from identity.identity_map where source = 'marketing'")  # fmt: skip

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path), read_only=True) as connection:
            return connection.execute(sql).fetchall()


_IDENTITY = """
create or replace table identity.identity_map (
    source varchar, source_record_id varchar, profile_id varchar, confidence double, provisional boolean);
create or replace table identity.device_map (
    anonymous_id varchar, profile_id varchar, valid_from timestamp, valid_to timestamp, basis varchar);
create or replace table identity.golden (
    profile_id varchar, first_name varchar, last_name varchar, full_name varchar, email varchar, phone varchar,
    birth_date date, street varchar, city varchar, region varchar, postcode varchar, country varchar,
    is_anonymous boolean, records bigint, sources bigint, confidence double);
create or replace table identity.golden_origins (
    profile_id varchar, trait varchar, value varchar, source varchar, source_record_id varchar, observed_at timestamp,
    rule varchar);
create or replace table identity.identifiers (
    profile_id varchar, type varchar, value varchar, source varchar, source_record_id varchar);
"""


def web(person: int | None, name: str, at: datetime, message: str, **more: Any) -> dict[str, Any]:
    """A track event of a person on their own device; None is the never identified device `x1`."""
    who = {"anonymousId": "x1"} if person is None else {"anonymousId": f"d{person}", "userId": f"u{person}"}
    return {"type": "track", "messageId": message, "event": name, "timestamp": stamp(at), **who, **more}


def sale(person: int | None, at: datetime, number: str, amount: float = 10.0) -> dict[str, Any]:
    """A sale at a till that runs on UTC."""
    return {
        "Transaction ID": number, "Date": f"{at:%Y-%m-%d}", "Time": f"{at:%H:%M:%S}", "Time Zone": "UTC",
        "Location": "Main St", "Gross Sales": f"{amount:.2f}", "Discounts": "0.00", "Card Brand": "CASH",
        "Customer Reference ID": "" if person is None else f"L{person}",
    }  # fmt: skip


def deal(contacts: str, created: datetime, closed: datetime, number: int, stage: str = "closedwon") -> dict[str, Any]:
    """A deal of 100 over the contacts."""
    return {
        "Record ID": str(number), "Deal Name": "Order", "Deal Stage": stage, "Amount": "100.00", "Currency": "EUR",
        "Create Date": stamp(created), "Close Date": stamp(closed), "Associated Contact IDs": contacts,
    }  # fmt: skip


def ticket(
    person: int, at: datetime, number: int, solved: datetime | None = None, score: str = "good"
) -> dict[str, Any]:
    """A support ticket."""
    return {
        "id": number, "created_at": stamp(at), "updated_at": stamp(at), "solved_at": stamp(solved) if solved else None,
        "status": "solved" if solved else "open", "priority": "normal", "subject": "Help", "description": "Please",
        "requester_id": person, "via": {"channel": "email"}, "tags": ["a"],
        "satisfaction_rating": {"score": score, "comment": None},
    }  # fmt: skip


def mail(person: int, event: str, at: datetime, number: str) -> dict[str, Any]:
    """A mail event; the address is spelt unevenly on purpose."""
    return {
        "event_id": number, "event": event, "campaign": "welcome", "email": f" P{person}@Example.org",
        "timestamp": stamp(at),
    }  # fmt: skip
