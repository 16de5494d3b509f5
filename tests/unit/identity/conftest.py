"""A small shop's people in the tables that identity reads: a database in memory per test, nothing shared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from cdp.domain.decisions import Author, HubAction, HubEdit, HubKind, LinkKind, Rulings, StandingLink
from cdp.store.decisions import DecisionLog
from cdp.store.memory_decisions import InMemoryDecisions
from identity import run
from identity.config import PIPELINE, MatchConfig
from identity.run import IdentityReport

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIELDS = (
    "first_name",
    "middle_name",
    "last_name",
    "full_name",
    "email",
    "phone",
    "birth_date",
    "street",
    "city",
    "region",
    "postcode",
    "country",
)
_FIRST = [
    "Ada",
    "Berta",
    "Carl",
    "Dora",
    "Emil",
    "Frieda",
    "Gustav",
    "Hilde",
    "Ivan",
    "Jutta",
    "Kurt",
    "Lena",
    "Moritz",
    "Nora",
    "Otto",
    "Paula",
    "Quirin",
    "Rosa",
    "Sepp",
    "Tilda",
]
_LAST = [
    "Abendroth",
    "Birnbaum",
    "Castellan",
    "Drosselmeyer",
    "Eichendorff",
    "Falkenhagen",
    "Grimmels",
    "Hohenfels",
    "Immermann",
    "Jungnickel",
    "Kaltwasser",
    "Lindqvist",
    "Morgenstern",
    "Niederhofer",
    "Oppenheim",
    "Pfannkuch",
    "Quastenberg",
    "Rosenzweig",
    "Schlotterbeck",
    "Tannhauser",
]
_TABLES = """
create schema intermediate;
create table intermediate.int_source_records (
    source VARCHAR, source_record_id VARCHAR, {fields}, marketing_consent BOOLEAN, created_at TIMESTAMP,
    updated_at TIMESTAMP, content_hash VARCHAR, corrected VARCHAR);
create table intermediate.int_device_identifies (
    anonymous_id VARCHAR, user_id VARCHAR, identified_at TIMESTAMP, last_seen_at TIMESTAMP);
create table intermediate.int_devices (
    anonymous_id VARCHAR, first_seen_at TIMESTAMP, last_seen_at TIMESTAMP, events BIGINT);
create table intermediate.int_marketing_addresses (email VARCHAR, first_seen_at TIMESTAMP, last_seen_at TIMESTAMP);
"""


@dataclass
class Shop:
    """The warehouse of a test: add and remove records, run identity, look at the result."""

    connection: duckdb.DuckDBPyConnection
    config: MatchConfig = PIPELINE
    runs: int = field(default=0)
    links: dict[str, StandingLink] = field(default_factory=dict)
    edits: dict[tuple[HubKind, str], HubAction] = field(default_factory=dict)
    log: DecisionLog = field(default_factory=InMemoryDecisions)

    def add(self, source: str, record_id: str, **values: str) -> str:
        """Add or replace a record; returns its key."""
        self.remove(f"{source}:{record_id}")
        unknown = set(values) - set(FIELDS)
        assert not unknown, unknown
        row = [values.get(name) for name in FIELDS]
        content = hashlib.md5(repr(row).encode()).hexdigest()
        self.connection.execute(
            f"insert into intermediate.int_source_records values ({', '.join('?' * (len(FIELDS) + 7))})",
            [source, record_id, *row, None, None, None, content, None],
        )
        return f"{source}:{record_id}"

    def remove(self, key: str) -> None:
        self.connection.execute(
            "delete from intermediate.int_source_records where source || ':' || source_record_id = ?", [key]
        )

    def resolve(self, **options: Any) -> IdentityReport:
        self.runs += 1
        return run.resolve(
            self.connection,
            run_id=f"run-{self.runs:03}",
            now=NOW,
            rulings=self.rulings(),
            config=self.config,
            **options,
        )

    def rulings(self) -> Rulings:
        """What was decided through the log, and what `decide` and `edit` say without its checks."""
        edits = [HubEdit(kind, value, action, Author("tester", NOW)) for (kind, value), action in self.edits.items()]
        return Rulings((*self.log.rulings().links, *self.links.values()), (*self.log.rulings().hub_edits, *edits))

    def profile(self, key: str) -> str:
        rows = self.rows(
            "select profile_id from identity.identity_map where source || ':' || source_record_id = ?", key
        )
        assert len(rows) == 1, f"{key} has {len(rows)} profiles"
        return str(rows[0][0])

    def partition(self) -> set[frozenset[str]]:
        """The records of each profile, without ids."""
        groups: dict[str, set[str]] = {}
        for key, profile in self.ids().items():
            groups.setdefault(profile, set()).add(key)
        return {frozenset(group) for group in groups.values()}

    def ids(self) -> dict[str, str]:
        """Record key → profile."""
        return dict(self.rows("select source || ':' || source_record_id, profile_id from identity.identity_map"))

    def decide(self, kind: LinkKind, a: str, b: str, decision: str = "d1", active: bool = True) -> None:
        """Let a link hold, or no longer, without the checks of the log."""
        self.links.pop(decision, None)
        if active:
            self.links[decision] = StandingLink(decision, kind, *sorted((a, b)))

    def edit(self, kind: HubKind, value: str, action: HubAction) -> None:
        """Say what a shared value is; `learn` leaves it to the data."""
        self.edits.pop((kind, value), None)
        if action != "learn":
            self.edits[kind, value] = action

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, list(parameters)).fetchall()

    def populate(self, people: int = 40) -> None:
        """People with two to four records each, in different states of completeness, some of one household."""
        for number in range(people):
            for source, record_id, values in records_of(number):
                self.add(source, record_id, **values)


def records_of(number: int) -> list[tuple[str, str, dict[str, str]]]:
    """The records of one person; two consecutive persons share a home and its phone."""
    first, last = _FIRST[number % len(_FIRST)], _LAST[(number // 2) % len(_LAST)]
    home = number // 2
    street, postcode = f"{10 + home} {_LAST[(home * 7 + 3) % len(_LAST)]} Street", f"98{100 + home}"
    mail = f"{first}.{last}{number}@gmail.com".lower()
    phone = f"206555{1000 + number * 37:04}"
    records = [
        (
            "sales",
            f"c{number:03}",
            {
                "first_name": first,
                "last_name": last,
                "email": mail,
                "phone": phone,
                "birth_date": f"{1 + number % 12:02}/{1 + number % 28:02}/{1950 + number}",
                "street": street,
                "postcode": postcode,
            },
        ),
        ("web", f"u{number:03}", {"first_name": first, "last_name": last, "email": mail.upper()}),
    ]
    if number % 2:
        records.append(("support", f"r{number:03}", {"full_name": f"{first} {last}", "phone": f"+1 {phone}"}))
    if number % 3 == 0:
        records.append(
            ("pos", f"p{number:03}", {"first_name": first, "last_name": last, "street": street, "postcode": postcode})
        )
    return records


@pytest.fixture
def shop() -> Iterator[Shop]:
    """An empty shop."""
    connection = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": "1GB"})
    yield empty_shop(connection)
    connection.close()


def empty_shop(connection: duckdb.DuckDBPyConnection) -> Shop:
    """A shop without records in a database that has no intermediate tables yet."""
    connection.execute(_TABLES.format(fields=", ".join(f"{name} VARCHAR" for name in FIELDS)))
    return Shop(connection)


@pytest.fixture(name="records_of")
def _records_of() -> Any:
    """The function that tells a person's records."""
    return records_of
