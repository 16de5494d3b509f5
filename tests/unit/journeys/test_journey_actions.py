"""Next best actions: the best ranked intervention that applies, with its reason."""

from __future__ import annotations

import duckdb
import pytest

from journeys.interventions import actions, catalogue
from journeys.interventions.model import EffectOnPeople, Intervention
from journeys.measures import Measure


def intervention(key: str, priority: float) -> Intervention:
    return Intervention(
        key=key, title=key.title(), stage="use", people=9, basis="association", wording=f"After {key}, more leave.",
        effect=EffectOnPeople(value=0.2, low=0.1, high=0.3, n=99, outcome="no_purchase_180d"),
        worth=Measure(value=priority, n=99, unit="purchases in 180 days"), finding=key, priority=priority,
    )  # fmt: skip


RANKED = (intervention("answer", 9), intervention("apologise", 7), intervention("repair", 5))


@pytest.fixture
def written() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("create schema marts")
    connection.execute(
        "create table who as "
        "select * from (values ('a', 'answer'), ('b', 'repair'), ('c', null)) as w (profile_id, key)"
    )
    people = actions.write(connection, RANKED, "who", {"answer": "Waited too long.", "repair": "Met an error."})
    assert people == 2
    return connection


def test_each_person_has_an_action_with_its_reason_or_none(written: duckdb.DuckDBPyConnection) -> None:
    rows = written.execute("select profile_id, intervention, rank, reason, evidence, basis from marts.next_actions")
    assert rows.fetchall() == [
        ("a", "answer", 1, "Waited too long.", "After answer, more leave.", "association"),
        ("b", "repair", 3, "Met an error.", "After repair, more leave.", "association"),
    ]


def test_all_ranked_interventions_are_kept_with_their_people(written: duckdb.DuckDBPyConnection) -> None:
    rows = written.execute("select intervention, people, priority from marts.interventions order by rank").fetchall()
    assert rows == [("answer", 1, 9), ("apologise", 0, 7), ("repair", 1, 5)]


def test_nothing_to_do_is_an_empty_table() -> None:
    connection = duckdb.connect()
    connection.execute("create schema marts; create table nobody (profile_id varchar, key varchar)")
    assert actions.write(connection, (), "nobody", {}) == 0
    assert connection.execute("select count(*) from marts.interventions").fetchall() == [(0,)]


def test_every_shipped_intervention_names_the_people_to_begin_with() -> None:
    assert all(entry.segment for entry in catalogue.load())
