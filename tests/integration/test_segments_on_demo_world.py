"""Every shipped segment on the demo world: what was published is what the plain evaluator finds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from segments import catalogue, compiler, library
from segments.export import export
from segments.preview import preview
from tests.support.home import Home
from tests.unit.segments.segment_reference import World, allowed, members

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
SHIPPED = {definition.key: definition for definition in library.load()}
# What a shop of a few hundred people surely has; the others may be empty there.
PEOPLED = {"repeat_buyers", "vip", "holdout", "win_back", "unconsented", "store_only"}


@pytest.fixture(scope="module")
def snapshot(demo_home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    file = demo_home.path / "serving" / demo_home.facts("status")["last_run"]["snapshot_file"]
    with duckdb.connect(str(file), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def plain(snapshot: duckdb.DuckDBPyConnection) -> World:
    """The snapshot as rows."""

    def rows(table: str) -> list[dict[str, Any]]:
        return snapshot.execute(f"SELECT * FROM marts.{table}").to_arrow_table().to_pylist()

    tables = [rows(name) for name in ("profiles", "touchpoints", "stage_transitions", "experiments", "predictions")]
    return World(AS_OF, *tables, library=SHIPPED)


@pytest.mark.parametrize("key", SHIPPED)
def test_members_are_those_that_the_plain_evaluator_finds(
    snapshot: duckdb.DuckDBPyConnection, plain: World, key: str
) -> None:
    names = catalogue.read(snapshot, open_events=True)
    expected = members(SHIPPED[key].where, plain)
    query = compiler.text(compiler.compile(SHIPPED[key], names, as_of=AS_OF, library=SHIPPED))

    found = [row[0] for row in snapshot.execute(query).fetchall()]
    snapshot.execute("CREATE OR REPLACE TEMP TABLE asked AS SELECT profile_id FROM marts.profiles USING SAMPLE 20 ROWS")
    asked = {row[0] for row in snapshot.execute("SELECT profile_id FROM asked").fetchall()}
    single = compiler.compile(SHIPPED[key], names, as_of=AS_OF, library=SHIPPED, profile_ids="asked")
    few = [row[0] for row in snapshot.execute(compiler.text(single)).fetchall()]
    shown = preview(snapshot, SHIPPED[key], as_of=AS_OF, library=SHIPPED, catalogue=names)

    assert sorted(found) == sorted(expected)
    assert sorted(few) == sorted(asked & set(expected))
    assert shown.size == len(expected)
    assert expected or key not in PEOPLED


def test_what_was_published_is_what_is_evaluated(demo_home: Home, plain: World) -> None:
    usable = {
        purpose: {row["profile_id"] for row in plain.profiles if allowed(row, purpose)}
        for purpose in {definition.purpose for definition in SHIPPED.values()}
    }
    listed = {row["key"]: row for row in demo_home.facts("segment", "list")}

    assert set(listed) >= set(SHIPPED)
    for key, definition in SHIPPED.items():
        expected = members(definition.where, plain)
        assert (listed[key]["size"], listed[key]["exportable"]) == (
            len(expected),
            len(expected & usable[definition.purpose]),
        ), key


def test_an_export_holds_the_exportable_members(
    snapshot: duckdb.DuckDBPyConnection, plain: World, tmp_path: Path
) -> None:
    repeat = SHIPPED["repeat_buyers"]
    expected = {
        row["profile_id"]
        for row in plain.profiles
        if allowed(row, "marketing") and row["profile_id"] in members(repeat.where, plain)
    }

    done = export(snapshot, repeat, format="csv", out=tmp_path / "out.csv", as_of=AS_OF, fields=["profile_id"])

    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == '"profile_id"'
    assert {line.strip('"') for line in lines[1:]} == expected
    assert done.rows == len(expected) > 0
