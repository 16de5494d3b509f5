"""The segments of a publication when one of them is broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from cdp.errors import CheckFailed
from cdp.store.base import ProfileDocument, Publication, Redirect
from cdp.store.memory import InMemoryStore
from pipelines.publishing_segments import ServedSegments, evaluated
from segments import authoring, library
from segments.authoring import Place

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
IDS = ("a", "b", "c")


@pytest.fixture
def snapshot() -> Iterator[duckdb.DuckDBPyConnection]:
    """Marts wide enough for the shipped segments."""
    from tests.unit.segments.conftest import TABLES

    with duckdb.connect() as connection:
        connection.execute(TABLES)
        connection.execute("create schema identity")
        connection.execute("create table identity.profiles (profile_id varchar, status varchar, merged_into varchar)")
        connection.execute(
            "insert into marts.profiles (profile_id, country, records, marketing_consent) values"
            " ('a', 'DE', 1, true), ('b', 'DE', 2, true), ('c', 'FR', 3, true)"
        )
        yield connection


@pytest.fixture
def store(snapshot: duckdb.DuckDBPyConnection) -> InMemoryStore:
    """Published, with one segment of a user."""
    made = InMemoryStore()
    publish(made, snapshot, "run-1", IDS)
    publication = made.current_publication()
    assert publication is not None
    place = Place(made, snapshot, publication, "ann", AS_OF)
    authoring.create(place, {"key": "mine", "title": "Mine", "where": "trait.country = 'DE' and trait.records > 0"})
    return made


def publish(
    store: InMemoryStore, snapshot: duckdb.DuckDBPyConnection, run: str, people: Any, redirects: Any = ()
) -> ServedSegments:
    segments = evaluated(snapshot, store, AS_OF)
    store.publish(
        Publication(run, f"snapshot-{run}.duckdb", AS_OF, {}, run),
        profiles=[ProfileDocument(one, "{}") for one in people],
        identifiers=[],
        redirects=redirects,
        segments=segments.rows,
        memberships=segments.memberships(),
        definitions=segments.definitions,
    )
    return segments


def test_user_segments_are_evaluated_with_the_shipped_ones(
    store: InMemoryStore, snapshot: duckdb.DuckDBPyConnection
) -> None:
    snapshot.execute("update marts.profiles set country = 'FR' where profile_id = 'a'")
    segments = publish(store, snapshot, "run-2", IDS)
    assert {row.key for row in segments.rows} == {one.key for one in library.load()} | {"mine"}
    assert store.segment_members("mine") == ["b"]
    assert [(c.change, c.profile_id) for c in store.membership_changes(segment_key="mine")][-1] == ("exited", "a")


def test_a_broken_one_keeps_its_members_and_says_why(store: InMemoryStore, snapshot: duckdb.DuckDBPyConnection) -> None:
    snapshot.execute("alter table marts.profiles rename column records to pieces")
    # b lives on as c, a no longer wants to be reached.
    snapshot.execute("delete from marts.profiles where profile_id = 'b'")
    snapshot.execute("update marts.profiles set marketing_consent = false where profile_id = 'a'")
    snapshot.execute("insert into identity.profiles values ('b', 'merged', 'c'), ('c', 'living', null)")
    segments = publish(store, snapshot, "run-2", ("a", "c"), [Redirect("b", "merged", "c")])
    row = next(row for row in store.list_segments() if row.key == "mine")
    assert row.problem is not None and "there is no trait records" in row.problem
    assert (row.size, row.exportable, row.evaluated_at) == (2, 1, AS_OF)
    assert store.segment_members("mine") == ["a", "c"]
    found = [(c.change, c.profile_id, c.former_id) for c in store.membership_changes(segment_key="mine")][2:]
    assert found == [("exited", "a", None), ("carried", "c", "b")]
    assert segments.told().endswith("kept as they were: mine)")


def test_it_is_evaluated_again_when_it_fits(store: InMemoryStore, snapshot: duckdb.DuckDBPyConnection) -> None:
    snapshot.execute("alter table marts.profiles rename column records to pieces")
    publish(store, snapshot, "run-2", IDS)
    snapshot.execute("alter table marts.profiles rename column pieces to records")
    publish(store, snapshot, "run-3", IDS)
    row = next(row for row in store.list_segments() if row.key == "mine")
    assert (row.problem, row.size) == (None, 2)
    assert len(store.membership_changes(segment_key="mine")) == 2


def test_a_shipped_one_that_cannot_be_evaluated_stops_the_publication(
    store: InMemoryStore, snapshot: duckdb.DuckDBPyConnection
) -> None:
    snapshot.execute("alter table marts.profiles drop column last_purchase_at")
    with pytest.raises(CheckFailed, match="Nothing was published"):
        evaluated(snapshot, store, AS_OF)


def test_a_definition_that_cannot_be_read_is_broken(store: InMemoryStore, snapshot: duckdb.DuckDBPyConnection) -> None:
    versions = store._state.versions["mine"]
    versions[-1] = replace(versions[-1], definition=json.dumps({"key": "mine", "title": "M", "where": {"type": "x"}}))
    publish(store, snapshot, "run-2", IDS)
    row = next(row for row in store.list_segments() if row.key == "mine")
    assert row.problem is not None and "there is no such condition" in row.problem
    assert store.segment_members("mine") == ["a", "b"]


def test_a_key_that_ships_meanwhile_is_the_shipped_one(
    store: InMemoryStore, snapshot: duckdb.DuckDBPyConnection
) -> None:
    versions = store._state.versions.pop("mine")
    content = {**json.loads(versions[-1].definition), "key": "vip"}
    store._state.versions["vip"] = [replace(versions[-1], key="vip", definition=json.dumps(content))]
    publish(store, snapshot, "run-2", IDS)
    row = next(row for row in store.list_segments() if row.key == "vip")
    assert row.origin == "shipped" and row.problem is not None and "another key" in row.problem
    assert row.title != "Mine"
