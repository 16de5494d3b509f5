"""Shipped segments under another stage set."""

from __future__ import annotations

import duckdb

from segments import library
from segments.document import parse
from segments.fitting import fitting, stages_named


def snapshot(*stages: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("create schema marts")
    connection.execute("create table marts.journey_stages (stage varchar)")
    connection.executemany("insert into marts.journey_stages values (?)", [(stage,) for stage in stages])
    return connection


def test_with_the_stages_of_a_shop_all_shipped_segments_fit() -> None:
    shop = snapshot("awareness", "consideration", "decision", "use", "loyalty", "lapsed")
    kept, left_out = fitting(shop, library.load())
    assert len(kept) == len(library.load()) and left_out == []


def test_segments_about_unknown_stages_are_left_out_with_those_that_refer_to_them() -> None:
    made = [
        parse({"key": "settled", "title": "Settled", "where": "stage = 'loyalty'"}),
        parse({"key": "settled_buyers", "title": "Settled 2", "where": "segment('settled') and stage = 'expansion'"}),
        parse({"key": "not_settled", "title": "Not settled", "where": "not segment('settled_buyers')"}),
        parse({"key": "moved_up", "title": "Moved up", "where": "moved('forward' to 'expansion') in 30d"}),
        parse({"key": "buyers", "title": "Buyers", "where": "trait.purchases > 1"}),
    ]  # fmt: skip
    kept, left_out = fitting(snapshot("awareness", "expansion", "dormant"), made)
    assert [one.key for one in kept] == ["moved_up", "buyers"]
    assert left_out == ["not_settled", "settled", "settled_buyers"]


def test_stages_of_moves_count_too() -> None:
    moved = parse({"key": "moved_up", "title": "Moved up", "where": "moved('forward' to 'expansion') in 30d"})
    assert stages_named(moved) == {"expansion"}
