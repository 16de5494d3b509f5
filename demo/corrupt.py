"""The named corruptions of person records: how people, clerks and forms get things wrong.

Each takes a column of texts and the rows it hits and returns the column as it was typed in. Letters are changed in a
matrix of code points, so that a million typos cost as much as one.
"""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np

from demo.dice import Bools, Dice, Texts

PLACEHOLDER_MAILS = np.array(["noemail@example.com", "none@none.com", "test@test.com"])
PLACEHOLDER_PHONES = np.array(["0000000000", "1111111111", "555-555-5555"])
# Each letter of the first text is mistaken for the one below it.
_KEYS = (
    "abcdefghijklmnopqrstuvwxyz",
    "svxfrghjoklknmpowtdyibecux",
)
_EMPTY = ""


def typos(dice: Dice, column: Texts, rows: Bools) -> Texts:
    """One slip in each hit text of three letters or more: a letter swapped, doubled, lost or the one beside it."""
    # Dice fall for every row, so that the same row gets the same slip whatever the other texts are.
    where, kinds = dice.random(len(rows)), dice.integers(0, 4, len(rows))
    hit = np.flatnonzero(rows & (np.strings.str_len(column) > 2))
    if not len(hit):
        return column
    width = column.dtype.itemsize // 4 + 1
    cells: Any = np.ascontiguousarray(column[hit].astype(f"U{width}")).view(np.uint32).reshape(len(hit), width).copy()
    length = np.strings.str_len(column[hit])
    place = 1 + (where[hit] * (length - 2)).astype(np.int64)
    kind = kinds[hit]
    # Only Latin keyboards are known here: letters of other scripts change places instead.
    kind = np.where((kind == 3) & (cells[np.arange(len(hit)), place] > 127), 0, kind)
    index = np.arange(width)[None, :]
    at = place[:, None]
    # Where each letter of the mistyped text comes from.
    source = np.select(
        [kind[:, None] == 0, kind[:, None] == 1, kind[:, None] == 2],
        [
            np.where(index == at, at + 1, np.where(index == at + 1, at, index)),
            np.where(index > at, index - 1, index),
            np.where(index >= at, np.minimum(index + 1, width - 1), index),
        ],
        np.broadcast_to(index, cells.shape),
    )
    cells = np.take_along_axis(cells, source, axis=1)
    wrong = np.flatnonzero(kind == 3)
    cells[wrong, place[wrong]] = _neighbour_table()[np.minimum(cells[wrong, place[wrong]], 127)]
    typed = np.ascontiguousarray(cells).view(f"U{width}").reshape(-1)
    return replaced(column, hit, typed)


def replaced(column: Texts, hit: Any, values: Texts) -> Texts:
    """The column with other texts at `hit`, wide enough for them."""
    wide = np.promote_types(column.dtype, values.dtype)
    out = column.astype(wide)
    out[hit] = values
    return out


def without_accents(column: Texts, rows: Bools) -> Texts:
    """García → Garcia; texts in other scripts stay as they are."""
    hit = np.flatnonzero(rows)
    distinct, back = np.unique(column[hit], return_inverse=True)
    if not len(distinct):
        return column
    bare = np.array([_bare(str(text)) for text in distinct])
    return replaced(column, hit, bare[back])


def upper_case(column: Texts, rows: Bools) -> Texts:
    """As with the caps-lock key on."""
    return np.where(rows, np.strings.upper(column), column)


def plus_addressed(dice: Dice, mail: Texts, rows: Bools) -> Texts:
    """name@site → name+shop@site, for addresses that are there."""
    tags = np.array(["+shop", "+news", "+orders", "+x"])[dice.integers(0, 4, len(mail))]
    hit = np.flatnonzero(rows & (mail != _EMPTY))
    if not len(hit):
        return mail
    local, at, site = np.strings.partition(mail[hit], "@")
    return replaced(mail, hit, np.strings.add(np.strings.add(local, tags[hit]), np.strings.add(at, site)))


def placeholders(dice: Dice, column: Texts, rows: Bools, fillers: Texts) -> Texts:
    """What a clerk types when a field must not stay empty."""
    return np.where(rows, fillers[dice.integers(0, len(fillers), len(column))], column)


def garbled_dates(dice: Dice, dates: Texts, rows: Bools) -> Texts:
    """Two of the digits of a birth date replaced; the outcome may be no date at all."""
    hit = np.flatnonzero(rows & (dates != _EMPTY))
    cells: Any = np.ascontiguousarray(dates[hit].astype("U10")).view(np.uint32).reshape(len(hit), 10).copy()
    digits = np.array([0, 1, 3, 4, 6, 7, 8, 9])
    for _ in range(2):
        cells[np.arange(len(hit)), digits[dice.integers(0, 8, len(hit))]] = 48 + dice.integers(0, 10, len(hit))
    return replaced(dates, hit, np.ascontiguousarray(cells).view("U10").reshape(-1))


def day_before_month(dates: Texts, rows: Bools) -> Texts:
    """04/13/1979 → 13/04/1979."""
    cut = np.strings.slice
    swapped = np.strings.add(np.strings.add(cut(dates, 3, 6), cut(dates, 0, 3)), cut(dates, 6, 10))
    return np.where(rows & (dates != _EMPTY), swapped, dates)


def _bare(text: str) -> str:
    letters = unicodedata.normalize("NFD", text.translate(str.maketrans("łŁıß", "lLis")))
    if not any(unicodedata.combining(letter) for letter in letters) or not text[0] < "Ͱ":
        return unicodedata.normalize("NFC", letters)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _neighbour_table() -> Any:
    table = np.full(128, ord("e"), dtype=np.uint32)
    for letter, neighbour in zip(*_KEYS, strict=True):
        table[ord(letter)] = ord(neighbour)
        table[ord(letter.upper())] = ord(neighbour.upper())
    for digit in "0123456789":
        table[ord(digit)] = ord(str((int(digit) + 1) % 10))
    return table
