from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity.normalise.text import clean, tokens


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("José", "jose"),
        ("MÜLLER", "muller"),
        ("Straße", "strasse"),
        ("Łódź", "lodz"),
        ("Søren Ærø", "soren aero"),
        ("Пётр Чайковский", "petr chaykovskiy"),
        ("Γιώργος Παπαδόπουλος", "giorgos papadopoulos"),
        ("ＪＯＨＮ　１２", "john 12"),
        ("O’Neill", "o'neill"),
        ("Anne–Marie", "anne-marie"),
        ("٠١٢٣", "0123"),
        ("أحمد", "احمد"),
        ("राम", "राम"),
        ("김철수", "김철수"),
    ],
)
def test_clean_folds(text: str, folded: str) -> None:
    assert clean(text) == folded


def test_emoji_and_symbols_become_spaces() -> None:
    assert tokens(clean("Zoë 🎉 Smith™")) == ["zoe", "smithtm"] or tokens(clean("Zoë 🎉 Smith™")) == ["zoe", "smith"]


@settings(deadline=None)
@given(st.text(max_size=60))
def test_clean_is_idempotent_and_never_raises(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert tokens(clean(" ".join(tokens(once)))) == tokens(once)


def test_long_text_is_bounded() -> None:
    assert len(clean("é" * 100_000)) <= 1000
