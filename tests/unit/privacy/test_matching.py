"""Rows of erased people are found alike by values and by tokens, and nobody else's are."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import duckdb
import pytest

from identity.normalise.columns import record_columns
from pipelines.ingest.people import speak_of
from pipelines.sources.entity import Entity
from pipelines.sources.registry import entity_of
from privacy import tokens
from privacy.keys import TokenKeys
from privacy.matching import Keys, match

RING = TokenKeys({1: bytes(32), 2: bytes(range(32))})
NOON = datetime(2025, 6, 1, 12)


def web(**fields: Any) -> dict[str, Any]:
    return {"messageId": "m", "type": "page", "timestamp": "2025-06-01T12:00:00Z", **fields}


ROWS: list[tuple[str, dict[str, Any], dict[int, bool]]] = [
    ("sales.contacts", {"Record ID": "1", "Email": "else@x.org"}, {0: True}),
    ("sales.contacts", {"Record ID": "2", "Email": "A.nn+shop@GMAIL.com"}, {0: True}),
    ("sales.contacts", {"Record ID": "3", "Email": "info@shop.org", "Phone Number": "(503) 555-0123"}, {}),
    ("sales.contacts", {"Record ID": "4", "Phone Number": "5035550123", "First Name": "ANN", "Last Name": "Lee"},
     {1: True}),
    ("sales.contacts", {"Record ID": "5", "Phone Number": "5035550123", "First Name": "Bob", "Last Name": "Lee"}, {}),
    ("sales.deals", {"Record ID": "9", "Associated Contact IDs": "7; 1"}, {0: False}),
    ("sales.deals", {"Record ID": "9", "Associated Contact IDs": "1;1"}, {0: True}),
    ("sales.deals", {"Record ID": "1", "Associated Contact IDs": ""}, {}),
    ("web.events", web(anonymousId="d", userId="u"), {1: True}),
    ("web.events", web(anonymousId="d", userId="other"), {}),
    ("web.events", web(anonymousId="d"), {1: True}),
    ("web.events", web(anonymousId="d", timestamp="2025-07-01T12:00:00Z"), {}),
    ("web.events", web(anonymousId="w", timestamp="long ago"), {2: True}),
    ("web.events", web(anonymousId="d", timestamp="long ago"), {}),
    ("support.tickets", {"id": 5, "requester_id": 900}, {2: True}),
    ("marketing.email_events", {"event_id": "e", "email": " Ann@Gmail.com"}, {0: True, 2: True}),
    ("marketing.email_events", {"event_id": "f", "email": "bob@x.org"}, {}),
]  # fmt: skip

HELD = [
    (0, tokens.make(RING, "record", "sales:1")),
    (0, tokens.make(TokenKeys({1: RING.versions[1]}), "mailbox", "ann@gmail.com")),
    (1, tokens.make(RING, "phone+name", "+15035550123|ann|lee")),
    (1, tokens.make(RING, "record", "web:u")),
    (1, tokens.make(RING, "device", "d", held_from=datetime(2025, 5, 1), held_to=datetime(2025, 6, 30))),
    (2, tokens.make(RING, "device", "w")),
    (2, tokens.make(RING, "record", "support:900")),
    (2, tokens.make(RING, "record", "marketing:ann@gmail.com")),
]
VALUES = Keys(
    records=[(0, "sales:1"), (1, "web:u"), (2, "support:900"), (2, "marketing:ann@gmail.com")],
    mailboxes=[(0, "ann@gmail.com")],
    devices=[(1, "d", datetime(2025, 5, 1), datetime(2025, 6, 30)), (2, "w", None, None)],
    combined=[(1, "phone+name", "+15035550123|ann|lee")],
)


def found(entity: Entity, record: dict[str, Any], keys: Keys, hashing: TokenKeys | None) -> dict[int, bool]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("create table r as select 0::bigint as row_no, ?::varchar as record", [json.dumps(record)])
        speak_of(connection, entity, "r", record_columns)
        keys.install(connection)
        match(connection, hashing)
        return dict(connection.execute("select request, whole from matched").fetchall())


@pytest.mark.parametrize(("name", "record", "expected"), ROWS)
def test_rows_are_found_by_values_and_by_tokens(name: str, record: dict[str, Any], expected: dict[int, bool]) -> None:
    entity = entity_of(*name.split("."))
    assert found(entity, record, VALUES, None) == expected
    assert found(entity, record, Keys.of_tokens(HELD), RING) == expected


def test_no_keys_find_nothing() -> None:
    assert found(entity_of("sales", "contacts"), ROWS[0][1], Keys(), None) == {}
    assert found(entity_of("sales", "contacts"), ROWS[0][1], Keys(), RING) == {}
