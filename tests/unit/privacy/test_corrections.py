"""Which records a correction is about, what it says of names and addresses, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import pytest

from cdp.domain.corrections import Correction, Place
from cdp.errors import InputError
from cdp.store.base import ProfileDocument, Publication
from cdp.store.memory import InMemoryStore
from identity import state
from identity.config import PIPELINE
from privacy import corrections
from privacy.corrections import Wanted
from tests.support.publications import NOW

# Of each record: profile, mail, phone, given and family name, address, postcode, city.
RECORDS = {
    "sales:1": ("ann", "old@x.org", "+1555", "ann", "lee", "1 high st", "98101", "kent"),
    "pos:L1": ("ann", "old@x.org", "+1777", "annie", "lee", "9 low rd", "98101", "kent"),
    "web:u1": ("ann", "work@x.org", "+1555", "ann", "lea", None, None, None),
    "support:7": ("bo", "bo@x.org", None, "bo", "wu", None, None, None),
}
ORIGINS = [
    ("ann", "email", "sales", "1"), ("ann", "phone", "web", "u1"), ("ann", "street", "sales", "1"),
    ("ann", "last_name", "sales", "1"), ("ann", "first_name", "sales", "1"), ("bo", "email", "support", "7"),
]  # fmt: skip


@pytest.fixture
def served() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        state.prepare(connection, PIPELINE)
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.trait_origins"
            " (profile_id varchar, trait varchar, source varchar, source_record_id varchar)"
        )
        connection.executemany("insert into marts.trait_origins values (?, ?, ?, ?)", ORIGINS)
        connection.execute(
            "create table marts.profiles as select * from (values ('ann', 'Ann', 'Lee', 'Ann Lee', 'US'),"
            " ('bo', null, null, 'Bo Wu', null), ('nobody', null, null, null, null))"
            " as t(profile_id, first_name, last_name, full_name, country)"
        )
        for key, (profile, mail, phone, given, family, address, postcode, city) in RECORDS.items():
            source, record = key.split(":")
            connection.execute(
                "insert into identity.identity_map values (?, ?, ?, 1, false)", [source, record, profile]
            )
            connection.execute(
                "insert into identity.state_features by name"
                " select ? as record_key, ? as source, ? as source_record_id, ? as email_norm,"
                " ? as telephone, ? as given, ? as family, ? as address, ? as postcode, ? as city",
                [key, source, record, mail, phone, given, family, address, postcode, city],
            )
        yield connection


@pytest.fixture
def store() -> InMemoryStore:
    made = InMemoryStore()
    people = [ProfileDocument(name, "{}") for name in ("ann", "bo", "nobody")]
    made.publish(
        Publication("run", "snapshot.duckdb", NOW, {}, ""),
        profiles=people, identifiers=(), redirects=(), segments=(), memberships=(),
    )  # fmt: skip
    return made


def write(
    store: InMemoryStore, served: duckdb.DuckDBPyConnection, profile: str, values: Mapping[str, str | None], **more: Any
) -> Correction:
    prepared = corrections.prepared(
        served, profile, Wanted(values, **more), by="tester", normalise=lambda field, text, country: text.strip()
    )
    return store.corrections.write(prepared)


def at(correction: Correction, field: str) -> dict[str, str | None]:
    return {place.record: place.value for place in correction.places if place.field == field}


@pytest.mark.parametrize(
    ("field", "records"),
    [
        ("email", {"sales:1", "pos:L1"}),
        ("phone", {"sales:1", "web:u1"}),
        # Other parts of the address that is shown, not another address in the same town.
        ("city", {"sales:1"}),
        # Nothing is shown, so every record lacks it.
        ("birth_date", {"sales:1", "pos:L1", "web:u1"}),
    ],
)
def test_it_is_about_the_records_that_state_what_is_shown(
    store: InMemoryStore, served: duckdb.DuckDBPyConnection, field: str, records: set[str]
) -> None:
    assert at(write(store, served, "ann", {field: " right "}), field) == dict.fromkeys(records, "right")


def test_records_can_be_named_and_a_value_can_be_nobodys(
    store: InMemoryStore, served: duckdb.DuckDBPyConnection
) -> None:
    made = write(store, served, "ann", {"email": None}, records=["web:u1"], lasts="until_changed", request="rc-1")
    assert made.places == (Place("web", "u1", "email", None),)
    assert (made.lasts, made.request, made.recorded_by) == ("until_changed", "rc-1", "tester")
    with pytest.raises(InputError, match="1 of the records named are not of this profile"):
        write(store, served, "ann", {"email": None}, records=["web:u1", "support:7"])


def test_the_full_name_follows_its_parts(store: InMemoryStore, served: duckdb.DuckDBPyConnection) -> None:
    made = write(store, served, "ann", {"last_name": "Jones"})
    assert at(made, "last_name") == {"sales:1": "Jones", "pos:L1": "Jones"}
    assert at(made, "full_name") == {"sales:1": "Ann Jones", "pos:L1": "Ann Jones"}
    with pytest.raises(InputError, match="Correct the first name too"):
        write(store, served, "bo", {"last_name": "Wang"})
    made = write(store, served, "bo", {"last_name": "王", "first_name": "波"})
    assert at(made, "full_name") == {"support:7": "王波"}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"emial": "x"}, "no field emial that could be corrected; did you mean email"),
        ({"ann@x.org": "x"}, r"no field that could be corrected; there are: first_name"),
        ({}, "Say which field"),
    ],
)
def test_fields_that_are_not_known_are_refused(
    store: InMemoryStore, served: duckdb.DuckDBPyConnection, values: dict[str, str], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        write(store, served, "ann", values)


def test_a_profile_without_records_and_an_unknown_time_are_refused(
    store: InMemoryStore, served: duckdb.DuckDBPyConnection
) -> None:
    with pytest.raises(InputError, match="no source record"):
        write(store, served, "nobody", {"city": "Kent"})
    with pytest.raises(InputError, match="lasts for_good or until_changed"):
        write(store, served, "ann", {"city": "Kent"}, lasts="for ever")


def test_it_counts_when_a_publication_says_so(store: InMemoryStore, served: duckdb.DuckDBPyConnection) -> None:
    first = write(store, served, "ann", {"email": "a@x.org"}, request="rc-1")
    assert effective(store, served) == ["next run"] and corrections.waiting(store, served, "rc-1")
    served.execute(
        "create table marts.corrections (correction_id varchar, source varchar, source_record_id varchar,"
        " field varchar, standing varchar, profile_id varchar)"
    )
    for place in first.places:
        served.execute(
            "insert into marts.corrections values (?, ?, ?, 'email', 'applied', 'ann')",
            [first.correction_id, place.source, place.source_record_id],
        )
    assert effective(store, served) == ["now"] and not corrections.waiting(store, served, "rc-1")
    second = write(store, served, "ann", {"email": "b@x.org"})
    assert effective(store, served) == ["next run", "until the next run"]
    store.corrections.withdraw(second.correction_id, "tester")
    assert effective(store, served) == ["no more", "now"]
    (facts,) = corrections.listed(store, served, [first], with_values=True)
    assert facts["where"][0] == {
        "source": "pos", "source_record_id": "L1", "field": "email", "value": "a@x.org", "standing": "applied",
        "profile_id": "ann",
    }  # fmt: skip


def effective(store: InMemoryStore, served: duckdb.DuckDBPyConnection) -> list[str]:
    facts = corrections.listed(store, served, store.corrections.listed(), with_values=False)
    return [one["effective"] for one in facts]
