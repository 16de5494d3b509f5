"""Whom a request means: evidence makes certain, a name alone makes doubtful, households stay apart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import duckdb
import pytest

from identity import state
from identity.config import PIPELINE
from privacy.closure import Closure, Named, find

# Of each record its profile, mailbox, phone, given and family name, and whether only a name holds it there.
PEOPLE = {
    "sales:1": ("ann", "ann@x.org", "+15550001", "ann", "lee", False),
    "pos:L1": ("ann", "ann@x.org", "+15550001", "ann", "lee", False),
    "web:u1": ("ann", "annie@y.org", None, "ann", "lee", False),
    "support:9": ("ann", None, None, "ann", "lee", True),
    "sales:2": ("bob", "bob@x.org", "+15550001", "bob", "lee", False),
    "web:u2": ("bob", "bob@x.org", None, "bob", "lee", False),
    "sales:3": ("cid", "family@x.org", None, "cid", "may", False),
    "sales:4": ("dan", "family@x.org", None, "dan", "may", False),
}
EDGES = [
    ("pos:L1", "sales:1", 20.0, False),
    ("sales:1", "web:u1", 5.0, False),
    ("sales:1", "support:9", 3.0, True),
    ("sales:2", "web:u2", 9.0, False),
    ("sales:1", "sales:2", -1.0, False),
]
EARLY, LATE, MIDDLE = datetime(1, 1, 1), datetime(9999, 12, 31), datetime(2025, 6, 1)


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        state.prepare(connection, PIPELINE)
        connection.execute("create schema intermediate")
        connection.execute("create table intermediate.int_device_identifies (anonymous_id varchar, user_id varchar)")
        for key, (profile, mailbox, phone, given, family, provisional) in PEOPLE.items():
            source, record = key.split(":")
            connection.execute(
                "insert into identity.identity_map (source, source_record_id, profile_id, provisional)"
                " values (?, ?, ?, ?)",
                [source, record, profile, provisional],
            )
            connection.execute(
                "insert into identity.state_features (record_key, source, source_record_id, mailbox, telephone, given,"
                " family) values (?, ?, ?, ?, ?, ?, ?)",
                [key, source, record, mailbox, phone, given, family],
            )
            for kind, value in (("email", mailbox), ("phone", phone), ("contact_id", record)):
                if value:
                    connection.execute("insert into identity.identifiers values (?, ?, ?, ?, ?)",
                                       [profile, kind, value, source, record])  # fmt: skip
        for profile in ("ann", "bob", "cid", "dan"):
            connection.execute("insert into identity.profiles values (?, 1, 'living', null, '')", [profile])
        connection.execute("insert into identity.profiles values ('old', 1, 'merged', 'ann', '')")
        connection.executemany("insert into identity.edges values (?, ?, ?, 0.9, ?, '')", EDGES)
        for address in ("ann@x.org", "family@x.org"):
            profile = "ann" if address == "ann@x.org" else "cid"
            connection.execute(
                "insert into identity.identity_map values ('marketing', ?, ?, 1, false)", [address, profile]
            )
            connection.execute("insert into identity.state_addresses values (?, ?)", [address, address])
        connection.executemany(
            "insert into identity.device_map values (?, ?, ?, ?, 'identify')",
            [("d1", "ann", EARLY, LATE), ("d2", "ann", EARLY, MIDDLE), ("d2", "bob", MIDDLE, LATE)],
        )
        connection.executemany(
            "insert into intermediate.int_device_identifies values (?, ?)", [("d1", "u1"), ("d2", "u1"), ("d2", "u2")]
        )
        yield connection


def one(warehouse: duckdb.DuckDBPyConnection, *named: Named) -> Closure:
    return find(warehouse, [named], join_weight=0.0)[0]


def test_evidence_is_certain_and_a_name_is_not(warehouse: duckdb.DuckDBPyConnection) -> None:
    ann = one(warehouse, Named("email", "ann@x.org", "ann@x.org"))
    assert ann.profiles == ["ann"]
    assert ann.records == ["marketing:ann@x.org", "pos:L1", "sales:1", "web:u1"]
    assert [(doubt.record, doubt.reason, doubt.probability) for doubt in ann.doubtful] == [
        ("support:9", "only a name ties it to the named record", 0.9)
    ]
    assert ann.mailboxes == ["ann@x.org", "annie@y.org"]


def test_what_a_household_shares_is_nobodys_own(warehouse: duckdb.DuckDBPyConnection) -> None:
    ann = one(warehouse, Named("email", "ann@x.org", "ann@x.org"))
    assert ann.phones == []
    assert ann.combined == [("phone+name", "+15550001|ann|lee")]
    assert [(held.device, held.held_from, held.held_to) for held in ann.devices] == [
        ("d1", None, None),
        ("d2", None, MIDDLE),
    ]
    assert [held.whole for held in ann.devices] == [True, False]
    cid = one(warehouse, Named("contact_id", "3"))
    assert cid.records == ["sales:3"]
    assert cid.mailboxes == []
    assert [doubt.record for doubt in cid.doubtful] == ["marketing:family@x.org"]


def test_a_shared_phone_names_several_people(warehouse: duckdb.DuckDBPyConnection) -> None:
    both = one(warehouse, Named("phone", "+15550001"))
    assert both.is_ambiguous and both.profiles == ["ann", "bob"] and both.records == []
    assert one(warehouse, Named("phone", "+15550001"), Named("email", "bob@x.org", "bob@x.org")).profiles == ["bob"]


def test_identities_of_two_people_are_ambiguous(warehouse: duckdb.DuckDBPyConnection) -> None:
    both = one(warehouse, Named("email", "ann@x.org", "ann@x.org"), Named("email", "bob@x.org", "bob@x.org"))
    assert both.is_ambiguous and both.records == [] and both.mailboxes == []


def test_a_merged_profile_leads_to_its_successor(warehouse: duckdb.DuckDBPyConnection) -> None:
    ann = one(warehouse, Named("profile", "old"))
    assert ann.profiles == ["ann"] and "sales:1" in ann.records


def test_a_household_erased_together_loses_what_it_shared(warehouse: duckdb.DuckDBPyConnection) -> None:
    cid, dan = find(warehouse, [[Named("contact_id", "3")], [Named("contact_id", "4")]], join_weight=0.0)
    assert cid.mailboxes == dan.mailboxes == ["family@x.org"]


def test_unknown_people_have_what_they_named(warehouse: duckdb.DuckDBPyConnection) -> None:
    nobody = one(warehouse, Named("email", "no@where.org", "no@where.org"))
    assert (nobody.profiles, nobody.records, nobody.mailboxes) == ([], [], ["no@where.org"])
    with duckdb.connect() as empty:
        assert one(empty, Named("email", "no@where.org", "no@where.org")) == nobody


def test_json_is_faithful(warehouse: duckdb.DuckDBPyConnection) -> None:
    ann = one(warehouse, Named("email", "ann@x.org", "ann@x.org"))
    assert Closure.from_json(ann.to_json()) == ann


def test_a_device_names_those_who_identified_themselves_on_it(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert one(warehouse, Named("anonymous_id", "d1")).records == one(warehouse, Named("contact_id", "1")).records
    assert one(warehouse, Named("anonymous_id", "d2")).is_ambiguous


def again(warehouse: duckdb.DuckDBPyConnection, before: Closure) -> Closure:
    return find(warehouse, [before.named], join_weight=0.0, frozen=[before])[0]


def join(
    warehouse: duckdb.DuckDBPyConnection, key: str, profile: str, mailbox: str | None, *edges: tuple[str, float, bool]
) -> None:
    """A record that came later, with its edges (other record, weight, only a name)."""
    source, record = key.split(":")
    warehouse.execute("insert into identity.identity_map values (?, ?, ?, 1, false)", [source, record, profile])
    warehouse.execute(
        "insert into identity.state_features (record_key, source, source_record_id, mailbox) values (?, ?, ?, ?)",
        [key, source, record, mailbox],
    )
    if mailbox:
        warehouse.execute(
            "insert into identity.identifiers values (?, 'email', ?, ?, ?)", [profile, mailbox, source, record]
        )
    for other, weight, only_a_name in edges:
        first, second = sorted((key, other))
        warehouse.execute(
            "insert into identity.edges values (?, ?, ?, 0.9, ?, '')", [first, second, weight, only_a_name]
        )


def test_looked_at_again_what_evidence_ties_to_it_has_joined(warehouse: duckdb.DuckDBPyConnection) -> None:
    before = one(warehouse, Named("email", "ann@x.org", "ann@x.org"))
    assert again(warehouse, before) == before, "nothing came"
    join(warehouse, "pos:new", "ann", "ann.new@z.org", ("pos:L1", 12.0, False))
    join(warehouse, "pos:namesake", "ann", None, ("pos:L1", 3.0, True))
    after = again(warehouse, before)
    assert set(after.records) - set(before.records) == {"pos:new"}
    assert "ann.new@z.org" in after.mailboxes
    assert {doubt.record for doubt in after.doubtful} == {"support:9", "pos:namesake"}


def test_looked_at_again_somebody_who_took_up_the_address_stays(warehouse: duckdb.DuckDBPyConnection) -> None:
    before = one(warehouse, Named("email", "ann@x.org", "ann@x.org"))
    assert "marketing:ann@x.org" in before.records and "ann@x.org" in before.mailboxes
    join(warehouse, "sales:kid", "kid", "ann@x.org")
    after = again(warehouse, before)
    assert after.profiles == ["ann"], "the address leads to two people by now, the records to one"
    assert set(before.records) - set(after.records) == {"marketing:ann@x.org"} and "ann@x.org" not in after.mailboxes
    assert "sales:kid" not in after.records


def test_looked_at_again_records_of_two_people_are_told(warehouse: duckdb.DuckDBPyConnection) -> None:
    before = one(warehouse, Named("email", "ann@x.org", "ann@x.org"))
    warehouse.execute("update identity.identity_map set profile_id = 'other' where source_record_id = 'L1'")
    assert again(warehouse, before).is_ambiguous
    warehouse.execute("delete from identity.identity_map where source_record_id = 'L1'")
    assert "pos:L1" in again(warehouse, before).records, "a record that is gone from the map is still theirs"


def test_looked_at_again_somebody_unknown_may_be_known(warehouse: duckdb.DuckDBPyConnection) -> None:
    before = one(warehouse, Named("email", "new@x.org", "new@x.org"))
    assert before.records == []
    join(warehouse, "sales:77", "nora", "new@x.org")
    assert again(warehouse, before).records == ["sales:77"]
