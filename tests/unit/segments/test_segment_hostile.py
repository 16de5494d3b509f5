"""No text of a definition becomes syntax: whatever stands in it, the query keeps its shape and the data its rows."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import duckdb
import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from sqlglot import exp

from segments import compiler
from segments.catalogue import Catalogue, Kind
from segments.document import parse
from segments.preview import preview
from segments.text_parser import parse_text
from segments.text_printer import print_text
from tests.unit.segments.segment_strategies import HOSTILE, needles

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)

# Every place of a definition where an author's own text can stand, `@` marking it.
POSITIONS: tuple[Any, ...] = (
    {"type": "trait", "trait": "country", "op": "=", "value": "@"},
    {"type": "trait", "trait": "country", "op": "not in", "value": ["DE", "@"]},
    {"type": "trait", "trait": "country", "op": "contains", "value": "@"},
    {"type": "trait", "trait": "country", "op": "starts with", "value": "@"},
    {"type": "trait", "trait": "country", "op": "ends with", "value": "@"},
    {"type": "trait", "trait": "channels", "op": "contains", "value": "@"},
    {"type": "trait", "trait": "@", "op": "=", "value": "x"},
    {"type": "event", "event": "@"},
    {"type": "event", "touchpoint": "@", "measure": "last", "op": "<", "value": {"ago": "3d"}},
    {"type": "event", "where": [{"property": "channel", "op": "in", "value": ["@"]}]},
    {"type": "event", "where": [{"property": "@", "op": "=", "value": "x"}]},
    {"type": "event", "measure": "first", "property": "@", "op": "=", "value": "x"},
    {"type": "sequence", "steps": [{"event": "@"}, {"touchpoint": "@", "without": {"event": "@"}}]},
    {"type": "stage", "stages": ["@"]},
    {"type": "transition", "from": "@", "to": "@"},
    {"type": "sample", "salt": "@", "to_percent": 50},
    {"type": "experiment", "experiment": "@", "arm": "@"},
    {"type": "rank", "trait": "@", "percent": 10},
    {"type": "prediction", "prediction": "@", "op": ">", "value": 1},
)


def with_text(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {name: with_text(item, text) for name, item in value.items()}
    if isinstance(value, list):
        return [with_text(item, text) for item in value]
    return text if value == "@" else value


def catalogue(name: str) -> Catalogue:
    """A catalogue in which even the columns bear the name."""
    text = {name: Kind.TEXT, "country": Kind.TEXT, "channel": Kind.TEXT}
    return Catalogue(
        traits={**text, "channels": Kind.TEXTS, name: Kind.NUMBER},
        properties=text,
        stages=(name,),
        predictions={name: Kind.NUMBER},
        open_events=True,
    )


def query(position: Any, text: str) -> exp.Expr:
    names = catalogue(text)
    if position.get("trait") == "@" and position["type"] == "trait":
        names = Catalogue({**names.traits, text: Kind.TEXT}, names.properties)
    definition = parse({"key": "t", "title": "t", "where": with_text(position, text)})
    return compiler.compile(definition, names, as_of=AS_OF)


def shape(sql: str) -> list[str]:
    """The kinds of all nodes of a parsed query, in order; what stands in literals and names is left out."""
    statements = sqlglot.parse(sql, dialect="duckdb")
    assert len(statements) == 1
    tree = statements[0]
    assert tree is not None
    return [type(node).__name__ for node in tree.walk()]


@pytest.mark.parametrize("position", POSITIONS, ids=lambda position: "-".join(str(v) for v in position.values())[:40])
@pytest.mark.parametrize("text", HOSTILE)
def test_the_query_keeps_its_shape(position: Any, text: str) -> None:
    assert shape(compiler.text(query(position, text))) == plain_shape(repr(position))


@settings(max_examples=12, deadline=None)
@given(text=needles)
def test_the_query_keeps_its_shape_for_any_text(text: str) -> None:
    for position in POSITIONS:
        assert shape(compiler.text(query(position, text))) == plain_shape(repr(position))


@cache
def plain_shape(position: str) -> list[str]:
    return shape(compiler.text(query(next(one for one in POSITIONS if repr(one) == position), "plain")))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=needles)
def test_the_text_is_found_as_it_is_and_nothing_else_happens(marts: duckdb.DuckDBPyConnection, text: str) -> None:
    marts.execute("DELETE FROM marts.profiles")
    marts.execute("INSERT INTO marts.profiles (profile_id, country) VALUES ('a', ?), ('b', 'other')", [text])
    where = {"type": "trait", "trait": "country", "op": "=", "value": text}
    definition = parse({"key": "t", "title": "t", "where": parse_text(print_text(parse_where(where)))})

    found = preview(marts, definition, as_of=AS_OF)

    assert found.size == (2 if text == "other" else 1)
    assert marts.execute("SELECT count(*) FROM marts.profiles").fetchall() == [(2,)]


def parse_where(where: Any) -> Any:
    return parse({"key": "t", "title": "t", "where": where}).where
