from __future__ import annotations

from datetime import UTC, datetime

import duckdb

from segments import library
from segments.document import parse
from segments.evaluate import evaluate_all

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_shipped_library_evaluates_on_an_empty_snapshot(marts: duckdb.DuckDBPyConnection) -> None:
    evaluation = evaluate_all(marts, library.load(), as_of=AS_OF)

    assert [one.problem for one in evaluation.segments] == [None] * len(evaluation.segments)
    assert all(one.size == 0 and one.exportable == 0 for one in evaluation.segments)
    assert evaluation.memberships().read_all().num_rows == 0


def test_members_and_exportable_members(marts: duckdb.DuckDBPyConnection) -> None:
    marts.execute(
        "INSERT INTO marts.profiles (profile_id, country, marketing_consent, unsubscribed) VALUES"
        " ('a', 'DE', true, false), ('b', 'DE', true, true), ('c', 'DE', NULL, false), ('d', 'FR', true, false)"
    )
    german = parse(
        {"key": "german", "title": "G", "where": {"type": "trait", "trait": "country", "op": "=", "value": "DE"}}
    )
    broken = parse(
        {"key": "broken", "title": "B", "where": {"type": "trait", "trait": "land", "op": "=", "value": "DE"}}
    )

    evaluation = evaluate_all(marts, [german, broken], as_of=AS_OF)

    assert evaluation.profiles == 4
    assert (evaluation.segment("german").size, evaluation.segment("german").exportable) == (3, 1)
    assert evaluation.members("german").read_all().to_pylist() == [
        {"profile_id": "a", "exportable": True},
        {"profile_id": "b", "exportable": False},
        {"profile_id": "c", "exportable": False},
    ]
    problem = evaluation.segment("broken").problem
    assert problem is not None
    assert "where.trait: there is no trait land." in problem
    assert evaluation.memberships().read_all().column("segment_key").unique().to_pylist() == ["german"]
