"""What the store tells of one person, on every database: their rows of every declared table, nobody else's."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from cdp.store import subject_rows
from cdp.store.base import Store
from cdp.store.erasing import connected
from cdp.store.memory import InMemoryStore
from cdp.store.personal_data import TABLES
from cdp.store.schema import metadata
from tests.support.publications import NOW, profile_id, publish

ANN, BOB = profile_id(1), profile_id(2)
MAIL = "ann@b.example"


def fill(url: str) -> None:
    """Rows that no publication makes: a decision between two of Ann's records, one with Bob's, edits of values."""
    with connected(url) as engine, engine.connect().execution_options(writes=True) as connection, connection.begin():
        for name, rows in {
            "identity_decisions": [
                {"decision_id": f"d{n}", "kind": "same", "author": "x", "at": NOW} for n in (1, 2)
            ],
            "identity_decision_links": [
                {"decision_id": "d1", "kind": "always", "record_a": "pos:1", "record_b": "sales:1"},
                {"decision_id": "d2", "kind": "always", "record_a": "sales:1", "record_b": "sales:2"},
            ],
            "identity_hub_edits": [
                {"kind": "email", "value": value, "action": "block", "author": "x", "at": NOW}
                for value in (MAIL, "bob@b.example")
            ],
            "consent_statements": [
                {"profile_id": one, "purpose": "marketing", "state": "given", "at": NOW, "channel": "web",
                 "origin": "person", "recorded_by": "x", "recorded_at": NOW} for one in (ANN, BOB)
            ],
        }.items():  # fmt: skip
            connection.execute(sa.insert(metadata.tables[name]), rows)


def test_the_rows_of_one_person(store: Store) -> None:
    if isinstance(store, InMemoryStore):
        pytest.skip("the in-memory store keeps no tables")
    publish(store, [1, 2], members={"new": [1, 2]}, identifiers=[("email", MAIL, 1), ("email", "bob@b.example", 2)])
    fill(store.url)
    found = subject_rows.read(store.url, profiles=[ANN], records=["sales:1", "pos:1"], values=[MAIL])
    assert {name: len(rows) for name, rows in found.items()} == {
        "profiles": 1, "identifiers": 1, "memberships": 1, "membership_changes": 1, "consent_statements": 1,
        "identity_decision_links": 1, "identity_hub_edits": 1,
    }  # fmt: skip
    assert found["identity_decision_links"][0]["record_a"] == "pos:1"
    assert BOB not in repr(found) and "bob@b.example" not in repr(found)
    assert set(found["consent_statements"][0]) == {
        c for cs in TABLES["consent_statements"].columns.values() for c in cs
    }
    assert subject_rows.titles(store.url)["segment"]["new"]
    assert subject_rows.read(store.url, profiles=[], records=[], values=[]) == {}


def test_every_personal_table_is_asked() -> None:
    for name, declared in TABLES.items():
        wanted = subject_rows.condition(metadata.tables[name], declared.rows, ["p"], ["sales:1"], ["v"])
        assert (wanted is not None) == (declared.rows[0] != "none"), name
