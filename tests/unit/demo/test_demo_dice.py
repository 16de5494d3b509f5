"""Dice: reproducible, weighted, and ids that hide their order."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.dice import Scatter, cumulative, fill_pattern, pick, pick_in_rows, stream


def test_a_stream_depends_on_seed_chunk_and_name_only() -> None:
    first = stream(1, 0, "a").random(5)
    assert np.array_equal(first, stream(1, 0, "a").random(5))
    for other in (stream(2, 0, "a"), stream(1, 1, "a"), stream(1, 0, "b")):
        assert not np.array_equal(first, other.random(5))


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), capacity=st.integers(1, 3_000), spare=st.integers(0, 10**12))
def test_scattered_numbers_are_distinct_and_in_range(seed: int, capacity: int, spare: int) -> None:
    scatter = Scatter(seed, "ids", capacity, capacity + spare)
    numbers = scatter(np.arange(capacity))
    assert len(np.unique(numbers)) == capacity
    assert numbers.min() >= 0
    assert numbers.max() < capacity + spare


def test_scattered_numbers_do_not_keep_neighbours() -> None:
    numbers = Scatter(1, "ids", 10_000)(np.arange(10_000))
    assert np.median(np.abs(np.diff(numbers))) > 500


def test_picks_follow_the_weights() -> None:
    drawn = pick(stream(1, 0, "pick"), cumulative([1, 0, 3]), 20_000)
    assert set(drawn.tolist()) == {0, 2}
    assert abs((drawn == 2).mean() - 0.75) < 0.02


def test_a_row_below_one_yields_its_length_with_the_rest() -> None:
    rows = np.tile([0.25, 0.5], (20_000, 1))
    drawn = pick_in_rows(stream(1, 0, "rows"), rows)
    assert abs((drawn == 2).mean() - 0.5) < 0.02


def test_patterns_are_filled_place_by_place() -> None:
    filled = fill_pattern(stream(1, 0, "p"), np.array(["N##-@", "x1"]))
    assert filled[1] == "x1"
    assert filled[0][0] in "23456789"
    assert filled[0][1:3].isdigit()
    assert filled[0][3] == "-"
    assert filled[0][4].isalpha()
