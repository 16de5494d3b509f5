"""The compiled SQL means what the plain Python evaluator means, for random definitions on random data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segments import catalogue, compiler
from segments.catalogue import Catalogue
from segments.document import dump, parse
from segments.evaluate import evaluate_all
from segments.sentence import sentence
from segments.text_parser import parse_text
from segments.text_printer import print_text
from segments.tree import blocking_nodes
from tests.unit.segments.conftest import TABLES
from tests.unit.segments.segment_reference import World, members
from tests.unit.segments.segment_strategies import closed_trees, trees, worlds

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(TABLES)
    connection.execute("CREATE TABLE marts.predictions (profile_id VARCHAR, lifetime_value DOUBLE)")
    yield connection
    connection.close()


def fill(connection: duckdb.DuckDBPyConnection, world: World) -> Catalogue:
    rows = {
        "profiles": world.profiles,
        "touchpoints": world.touchpoints,
        "stage_transitions": world.transitions,
        "experiments": world.experiments,
        "predictions": world.predictions,
    }
    for table, found in rows.items():
        connection.execute(f"DELETE FROM marts.{table}")
        if found:
            connection.register("incoming", pa.Table.from_pylist(found))
            connection.execute(f"INSERT INTO marts.{table} BY NAME SELECT * FROM incoming")
            connection.unregister("incoming")
    return catalogue.read(connection, open_events=True)


def definition(tree: Any, key: str = "tested") -> Any:
    return parse({"key": key, "title": key, "where": tree})


def ids(connection: duckdb.DuckDBPyConnection, query: Any) -> list[str]:
    return [row[0] for row in connection.execute(compiler.text(query)).fetchall()]


@QUICK
@given(world=worlds(), tree=trees, other=closed_trees)
def test_compiled_sql_equals_the_plain_evaluator(
    database: duckdb.DuckDBPyConnection, world: World, tree: Any, other: Any
) -> None:
    world.library = {"other": definition(other, "other")}
    tested = definition(tree)
    names = fill(database, world)

    found = ids(database, compiler.compile(tested, names, as_of=world.as_of, library=world.library))

    assert sorted(found) == sorted(members(tested.where, world))


@QUICK
@given(world=worlds(), tree=trees, other=closed_trees, chosen=st.sets(st.sampled_from([f"p{n}" for n in range(6)])))
def test_single_profiles_all_profiles_and_many_segments_agree(
    database: duckdb.DuckDBPyConnection, world: World, tree: Any, other: Any, chosen: set[str]
) -> None:
    library = {"other": definition(other, "other"), "tested": definition(tree)}
    names = fill(database, world)
    everyone = set(ids(database, compiler.compile(library["tested"], names, as_of=world.as_of, library=library)))
    database.execute("CREATE OR REPLACE TEMP TABLE asked (profile_id VARCHAR)")
    if chosen:
        database.executemany("INSERT INTO asked VALUES (?)", [[one] for one in chosen])

    few = ids(
        database,
        compiler.compile(library["tested"], names, as_of=world.as_of, library=library, profile_ids="asked"),
    )
    evaluation = evaluate_all(database, library.values(), as_of=world.as_of)
    among_many = evaluation.members("tested").read_all().column("profile_id").to_pylist()

    assert sorted(few) == sorted(everyone & chosen)
    assert set(among_many) == everyone
    assert evaluation.segment("tested").size == len(everyone)


@QUICK
@given(tree=trees)
def test_text_form_and_document_round_trip(tree: Any) -> None:
    tested = definition(tree)

    text = print_text(tested.where)

    assert definition(parse_text(text)).where == tested.where
    assert parse(dump(tested)) == tested
    assert sentence(tested.where).startswith("People ")
    assert isinstance(blocking_nodes(tested, {"other": definition({"type": "everyone"}, "other")}), list)
