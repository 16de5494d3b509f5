"""Lines: CSV and JSON text that any reader reads back."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from demo import lines
from demo.dice import stream

TEXTS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=10), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_csv_is_read_back(column: list[str]) -> None:
    first = lines.texts(column)
    rows = lines.csv_rows([first, lines.texts(["x"] * len(column))]).decode()
    read = list(csv.reader(io.StringIO(rows, newline="")))
    assert [row[0] for row in read] == column
    assert rows.count("\r\n") >= len(column)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=10), min_size=1, max_size=8
    )
)
def test_json_text_is_read_back(column: list[str]) -> None:
    assert [json.loads(text) for text in lines.json_text(column).to_pylist()] == column


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1_640_995_200_000, 1_767_225_599_999), min_size=1, max_size=8))
def test_stamps_are_iso_in_utc(moments: list[int]) -> None:
    expected = [datetime.fromtimestamp(ms / 1000, tz=UTC) for ms in moments]
    stamped = lines.stamps(np.array(moments)).to_pylist()
    assert [datetime.fromisoformat(text) for text in stamped] == [
        when.replace(microsecond=ms % 1000 * 1000) for when, ms in zip(expected, moments, strict=True)
    ]
    days, clocks = lines.local_dates(np.array(moments))
    assert [f"{a}T{b}" for a, b in zip(days.to_pylist(), clocks.to_pylist(), strict=True)] == [
        text[:19] for text in stamped
    ]


def test_money_and_numbers() -> None:
    assert lines.money(np.array([250, 5, 12_345])).to_pylist() == ["2.50", "0.05", "123.45"]
    assert lines.numbers(np.array([7, 123]), "a_", 3).to_pylist() == ["a_007", "a_123"]


def test_random_ids_look_like_uuids() -> None:
    ids = lines.fixed(lines.random_ids(stream(1, 0, "ids"), 500)).to_pylist()
    assert len(set(ids)) == 500
    assert all([len(part) for part in text.split("-")] == [8, 4, 4, 4, 12] for text in ids)


def test_null_for_what_is_not_there() -> None:
    assert lines.json_or_null(np.array(["", 'say "hi"'])).to_pylist() == ["null", '"say \\"hi\\""']


def test_content_respects_slices() -> None:
    column = lines.texts(["ab", "cd", "ef"])
    assert lines.content(column.slice(1, 2)) == b"cdef"
    assert lines.content(column.slice(0, 0)) == b""
