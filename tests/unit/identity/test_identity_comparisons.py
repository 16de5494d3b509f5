"""The cheap tests before an edit distance change no answer."""

from __future__ import annotations

import random

import duckdb
import pyarrow as pa
import pytest

from identity.comparisons import _slip, at_most_one_edit

DISTANCE = "damerau_levenshtein(x_l, x_r) <= 1"
WORD = (
    "(left(x_l, 2) = left(x_r, 2) or right(x_l, 2) = right(x_r, 2)) "
    f"and abs(length(x_l) - length(x_r)) <= 1 and length(x_l) > 2 and {DISTANCE}"
)


def edited(rng: random.Random, text: str) -> str:
    """The text after one or two edits that a typist makes."""
    letters = list(text)
    for _ in range(rng.choice([1, 1, 2])):
        place = rng.randrange(len(letters) + 1)
        match rng.randrange(4):
            case 0:
                letters.insert(place, rng.choice("abç"))
            case 1:
                letters[place : place + 1] = []
            case 2:
                letters[place : place + 1] = rng.choice("abç")
            case _:
                letters[place : place + 2] = letters[place : place + 2][::-1]
    return "".join(letters)


@pytest.mark.parametrize(("cheap", "plain"), [(at_most_one_edit("x"), DISTANCE), (_slip("x"), WORD)])
def test_a_slip_is_found_wherever_it_is(cheap: str, plain: str) -> None:
    rng = random.Random(1)
    words = ["".join(rng.choices("abç", k=rng.randint(1, 30))) for _ in range(30_000)]
    pairs = pa.table({"x_l": words, "x_r": [edited(rng, word) for word in words]})
    with duckdb.connect() as connection:
        connection.register("pairs", pairs)
        differing, slips = connection.execute(
            f"select count(*) filter (({cheap}) <> ({plain})), count(*) filter ({plain}) from pairs"
        ).fetchall()[0]
    assert differing == 0
    assert slips > 10_000
