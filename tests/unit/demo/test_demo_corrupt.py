"""Corruptions: each hits the rows it should, and only these."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from demo import corrupt
from demo.dice import stream


def test_a_typo_is_one_slip() -> None:
    names = np.array(["Williams"] * 400 + ["Ковалёва"] * 100)
    rows = np.arange(500) % 2 == 0
    typed = corrupt.typos(stream(1, 0, "t"), names, rows)
    assert (typed[~rows] == names[~rows]).all()
    changed = typed[rows] != names[rows]
    assert changed.mean() > 0.85
    for old, new in zip(names[rows].tolist(), typed[rows].tolist(), strict=True):
        assert abs(len(old) - len(new)) <= 1
        assert old[0] == new[0]
        assert sum(a != b for a, b in zip(sorted(old), sorted(new), strict=False)) <= len(old)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12), min_size=1, max_size=20))
def test_any_text_survives_a_typo(column: list[str]) -> None:
    names = np.array(column, dtype="U12")
    typed = corrupt.typos(stream(1, 0, "t"), names, np.ones(len(names), np.bool_))
    short = np.strings.str_len(names) < 3
    assert (typed[short] == names[short]).all()


def test_the_same_row_gets_the_same_slip() -> None:
    rows = np.array([True, True, True])
    first = corrupt.typos(stream(1, 0, "t"), np.array(["Abcdef", "Miller", "Xyzuvw"]), rows)
    second = corrupt.typos(stream(1, 0, "t"), np.array(["", "Miller", "Abc"]), rows)
    assert first[1] == second[1]


def test_accents_go_and_other_scripts_stay() -> None:
    names = np.array(["García", "Łukasz", "Weiß", "Семён", "فاطمة", "李", "Muñoz"])
    bare = corrupt.without_accents(names, np.array([True] * 6 + [False]))
    assert bare.tolist() == ["Garcia", "Lukasz", "Weis", "Семён", "فاطمة", "李", "Muñoz"]


def test_mail_corruptions() -> None:
    mail = np.array(["a@x.org", "", "b@x.org"])
    rows = np.array([True, True, False])
    tagged = corrupt.plus_addressed(stream(1, 0, "m"), mail, rows)
    assert tagged[0].startswith("a+")
    assert tagged[0].endswith("@x.org")
    assert tagged[1:].tolist() == ["", "b@x.org"]
    assert corrupt.upper_case(mail, rows).tolist() == ["A@X.ORG", "", "b@x.org"]
    filled = corrupt.placeholders(stream(1, 0, "m"), mail, rows, corrupt.PLACEHOLDER_MAILS)
    assert set(filled[:2]) <= set(corrupt.PLACEHOLDER_MAILS.tolist())
    assert filled[2] == "b@x.org"


def test_birth_dates() -> None:
    dates = np.array(["04/13/1979", "", "12/01/1950"])
    rows = np.array([True, True, False])
    assert corrupt.day_before_month(dates, rows).tolist() == ["13/04/1979", "", "12/01/1950"]
    many = np.array(["04/13/1979"] * 200)
    garbled = corrupt.garbled_dates(stream(1, 0, "g"), many, np.ones(200, np.bool_))
    assert (garbled != many).mean() > 0.8
    assert all(len(text) == 10 and text[2] == text[5] == "/" for text in garbled.tolist())
