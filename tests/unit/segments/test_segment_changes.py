from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segments import compiler
from segments.changes import compare, members_at

IDS = [f"p{number}" for number in range(6)]
memberships = st.sets(st.tuples(st.sampled_from(["vip", "new"]), st.sampled_from(IDS)))


def load(former: Any, current: Any, merges: Any) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for name, columns, rows in (
        ("former", "segment_key VARCHAR, profile_id VARCHAR", former),
        ("now", "segment_key VARCHAR, profile_id VARCHAR", current),
        ("merges", "former_id VARCHAR, profile_id VARCHAR", merges),
    ):
        connection.execute(f'CREATE TABLE "{name}" ({columns})')
        if rows:
            connection.executemany(f'INSERT INTO "{name}" VALUES (?, ?)', sorted(rows))
    return connection


def found(former: Any, current: Any, merges: Any = ()) -> set[tuple[Any, ...]]:
    connection = load(former, current, merges)
    rows = compare(connection, former="former", current="now", merges="merges").read_all().to_pylist()
    assert len({tuple(row.values()) for row in rows}) == len(rows)
    return {tuple(row.values()) for row in rows}


def test_coming_and_leaving() -> None:
    assert found([("vip", "a"), ("vip", "b")], [("vip", "b"), ("vip", "c")]) == {
        ("vip", "a", "exited", None),
        ("vip", "c", "entered", None),
    }


@pytest.mark.parametrize("others", [(), (("vip", "a"),)])
def test_a_merge_is_no_exit_and_entry(others: tuple[tuple[str, str], ...]) -> None:
    changes = found([("vip", "b"), *others], [("vip", "a")], [("b", "a")])
    assert changes == {("vip", "a", "carried", "b")}


def test_a_merge_that_ends_the_membership_tells_the_known_id() -> None:
    assert found([("vip", "b")], [], [("b", "a")]) == {("vip", "b", "exited", None)}


def test_a_profile_split_off_enters_and_the_rest_stays() -> None:
    assert found([("vip", "a")], [("vip", "a"), ("vip", "c")]) == {("vip", "c", "entered", None)}


@settings(max_examples=30, deadline=None)
@given(
    former=memberships, current=memberships, merged=st.dictionaries(st.sampled_from(IDS[:3]), st.sampled_from(IDS[3:]))
)
def test_changes_lead_from_the_former_members_to_the_current_ones(former: Any, current: Any, merged: Any) -> None:
    current = {(key, one) for key, one in current if one not in merged}
    state = set(former)
    for key, one, change, instead_of in found(former, current, list(merged.items())):
        if change == "entered":
            assert (key, one) not in former
            assert not any((key, old) in former for old, new in merged.items() if new == one)
            state.add((key, one))
        elif change == "exited":
            state.remove((key, one))
        else:
            assert merged[instead_of] == one
            state.remove((key, instead_of))
            state.add((key, one))
    assert state == current


def test_members_at_a_date() -> None:
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE history AS SELECT * FROM (VALUES"
        " ('vip', 'a', TIMESTAMP '2025-01-01', TIMESTAMP '2025-02-01'), ('vip', 'a', TIMESTAMP '2025-03-01', NULL),"
        " ('vip', 'b', TIMESTAMP '2025-01-15', TIMESTAMP '2025-03-01'))"
        " AS t(segment_key, profile_id, valid_from, valid_to)"
    )

    def at(*date: int) -> list[str]:
        query = compiler.text(members_at("history", datetime(*date, tzinfo=UTC)))  # type: ignore[arg-type, misc]
        return sorted(row[1] for row in connection.execute(query).fetchall())

    assert [at(2024, 12, 31), at(2025, 1, 1), at(2025, 1, 31), at(2025, 2, 1), at(2025, 3, 1)] == [
        [], ["a"], ["a", "b"], ["b"], ["a"],
    ]  # fmt: skip
