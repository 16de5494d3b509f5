"""The compiled SQL means what the plain Python evaluator means, for random definitions on random data."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segments import compiler
from segments.document import dump, parse
from segments.evaluate import evaluate_all
from segments.preview import preview
from segments.sentence import sentence
from segments.text_parser import parse_text
from segments.text_printer import print_text
from segments.tree import blocking_nodes
from tests.unit.segments.conftest import Fill
from tests.unit.segments.segment_reference import World, members
from tests.unit.segments.segment_strategies import closed_trees, dense_worlds, sequence_trees, trees, worlds

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

QUICK = settings(max_examples=40, deadline=None)
LONG = settings(max_examples=800, deadline=None)


def definition(tree: Any, key: str = "tested") -> Any:
    return parse({"key": key, "title": key, "where": tree})


def ids(connection: duckdb.DuckDBPyConnection, query: Any) -> list[str]:
    return [row[0] for row in connection.execute(compiler.text(query)).fetchall()]


def means_what_it_says(fill: Fill, world: World, tree: Any, other: Any) -> None:
    world.library = {"other": definition(other, "other")}
    tested = definition(tree)
    database, names = fill(world)

    found = ids(database, compiler.compile(tested, names, as_of=world.as_of, library=world.library))

    assert sorted(found) == sorted(members(tested.where, world))


@QUICK
@given(world=worlds(), tree=trees, other=closed_trees)
def test_compiled_sql_equals_the_plain_evaluator(fill: Fill, world: World, tree: Any, other: Any) -> None:
    means_what_it_says(fill, world, tree, other)


@settings(max_examples=80, deadline=None)
@given(world=dense_worlds(), tree=sequence_trees)
def test_sequences_equal_trying_every_choice_of_events(fill: Fill, world: World, tree: Any) -> None:
    means_what_it_says(fill, world, tree, {"type": "everyone"})


@pytest.mark.slow
@settings(max_examples=800, deadline=None)
@given(world=dense_worlds(), tree=sequence_trees)
def test_sequences_equal_trying_every_choice_of_events_at_length(fill: Fill, world: World, tree: Any) -> None:
    means_what_it_says(fill, world, tree, {"type": "everyone"})


@pytest.mark.slow
@LONG
@given(world=worlds(), tree=trees, other=closed_trees)
def test_compiled_sql_equals_the_plain_evaluator_at_length(fill: Fill, world: World, tree: Any, other: Any) -> None:
    means_what_it_says(fill, world, tree, other)


@QUICK
@given(world=worlds(), tree=trees, other=closed_trees, chosen=st.sets(st.sampled_from([f"p{n}" for n in range(6)])))
def test_preview_single_profiles_all_profiles_and_many_segments_agree(
    fill: Fill, world: World, tree: Any, other: Any, chosen: set[str]
) -> None:
    library = {"other": definition(other, "other"), "tested": definition(tree)}
    database, names = fill(world)
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
    shown = preview(database, library["tested"], as_of=world.as_of, library=library, catalogue=names, sample=0)
    assert (shown.size, shown.exportable) == (len(everyone), evaluation.segment("tested").exportable)


@QUICK
@given(tree=trees)
def test_text_form_and_document_round_trip(tree: Any) -> None:
    tested = definition(tree)

    text = print_text(tested.where)

    assert definition(parse_text(text)).where == tested.where
    assert parse(dump(tested)) == tested
    assert sentence(tested.where).startswith("People ")
    assert isinstance(blocking_nodes(tested, {"other": definition({"type": "everyone"}, "other")}), list)
