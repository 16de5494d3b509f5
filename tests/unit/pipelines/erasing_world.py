"""A small home with Ann and Bob: landing, raw, quarantine, identity and an export, to erase from."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdp.store import open_store
from identity import state
from identity.config import PIPELINE
from tests.unit.pipelines.ingest_delivery import CONTACTS, DEALS, Delivery, contact, event, make_delivery

ANN = "ann.lee@marked.org"
MARKS = (ANN, ANN.upper(), "u_marked_700", "device_marked_1")
PEOPLE = {
    "sales:700001": ("ann", ANN, "ann", False),
    "web:u_marked_700": ("ann", ANN, "ann", False),
    "support:900001": ("ann", None, "annie", True),
    "sales:700002": ("bob", "bob@marked.org", "bob", False),
}


@dataclass
class World:
    """A home with Ann (sales, web, and doubtfully support) and Bob, who share a phone."""

    delivery: Delivery

    @property
    def settings(self) -> Any:
        return self.delivery.settings

    def found(self, text: str) -> list[str]:
        """Files under the home in which a text stands, gzip unpacked."""
        hits = []
        for path in self.settings.home.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
                if text.encode() in content:
                    hits.append(path.relative_to(self.settings.home).as_posix())
        return hits


def make_world(tmp_path: Path) -> World:
    """The home, before anything is erased."""
    delivery = make_delivery(tmp_path)
    deliver(delivery)
    delivery.load()
    with delivery.engine.writer() as connection:
        state.prepare(connection, PIPELINE)
        connection.execute("create schema intermediate")
        connection.execute("create table intermediate.int_device_identifies (anonymous_id varchar, user_id varchar)")
        connection.execute("insert into intermediate.int_device_identifies values ('device_marked_1', 'u_marked_700')")
        for key, (profile, mailbox, given, provisional) in PEOPLE.items():
            source, record = key.split(":")
            connection.execute(
                "insert into identity.identity_map values (?, ?, ?, 1, ?)", [source, record, profile, provisional]
            )
            connection.execute(
                "insert into identity.state_features (record_key, source, source_record_id, content_hash, mailbox,"
                " telephone, given, family) values (?, ?, ?, 'made', ?, '+15035550123', ?, 'lee')",
                [key, source, record, mailbox, given],
            )
            if mailbox:
                connection.execute(
                    "insert into identity.identifiers values (?, 'email', ?, ?, ?)", [profile, mailbox, source, record]
                )
        for number, profile in enumerate(("ann", "bob"), start=1):
            connection.execute("insert into identity.profiles values (?, ?, 'living', null, '')", [profile, number])
        connection.execute(
            "insert into identity.edges values ('sales:700001', 'web:u_marked_700', 20, 1, false, ''),"
            " ('sales:700001', 'support:900001', 2, 0.8, true, ''),"
            " ('sales:700001', 'sales:700002', -2, 0.2, false, '')"
        )
        connection.execute(
            "insert into identity.device_map values ('device_marked_1', 'ann', '0001-01-01', '9999-12-31', 'identify')"
        )
        connection.execute(
            "insert into identity.state_frequencies values ('m', 'given', 'ann', 1), ('m', 'given', 'bob', 1)"
        )
    exports = delivery.settings.exports
    exports.mkdir(parents=True)
    (exports / "all.csv").write_text(f"profile_id,email\nann,{ANN}\nbob,bob@marked.org\n")
    open_store(delivery.settings.database_url).close()
    return World(delivery)


def deliver(delivery: Delivery) -> None:
    delivery.put_lines(
        "sales/contacts.csv", CONTACTS, contact(700001, mail=ANN.upper()), contact(700002, mail="bob@marked.org"),
        contact("", name="Ann", mail=ANN),
    )  # fmt: skip
    delivery.put_lines(
        "sales/deals.csv", DEALS, "1,open,,2025-01-01,,700001", "2,open,,2025-01-01,,700001;700002",
    )  # fmt: skip
    delivery.put_events(
        "web/events.jsonl.gz",
        event(1, userId="u_marked_700", anonymousId="device_marked_1"), event(2, anonymousId="device_marked_1"),
        event(3, anonymousId="device_of_bob"), '{"type":"track","messageId":"m4","userId":"u_marked_700","an',
    )  # fmt: skip
