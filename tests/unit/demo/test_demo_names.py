"""Names: enough of them, in several scripts, with Latin forms; places: valid phones and whole addresses."""

from __future__ import annotations

import numpy as np
import phonenumbers
import pytest

from demo.dice import stream
from demo.names import CULTURES, cyrillic_to_latin, name_tables, plain
from demo.places import draw_addresses, draw_phones, places, write_phones
from demo.scenario import COUNTRIES


def test_there_are_hundreds_of_given_names_and_thousands_of_surnames() -> None:
    tables = name_tables()
    assert len(set(tables.given.tolist())) > 800
    assert tables.surname.shape[1] > 2_000


def test_scripts_and_latin_forms() -> None:
    tables = name_tables()
    for culture, (start, sums) in tables.surname_block.items():
        native = tables.surname[0, start : start + len(sums)]
        latin = tables.surname_latin[0, start : start + len(sums)]
        assert all(ord(letter) < 0x250 for text in latin for letter in text), CULTURES[culture]
        assert tables.own_script[culture] == (ord(str(native[0])[0]) > 0x250)
    assert all(tables.given_plain != "")
    assert (tables.surname_plain != "").all()


def test_no_name_needs_quoting() -> None:
    tables = name_tables()
    for column in (tables.given, tables.nick, tables.surname.ravel()):
        assert not any(set(str(text)) & set('",\\\n') for text in column)


def test_full_names_are_seldom_ambiguous() -> None:
    tables, dice = name_tables(), stream(1, 0, "names")
    culture = np.zeros(34_000, np.int64)
    sex = dice.integers(0, 2, len(culture))
    full = tables.draw_given(dice, culture, sex) * 10_000 + tables.draw_surname(dice, culture)
    _, counts = np.unique(full, return_counts=True)
    # The English speakers among 50,000 people: most share their name with at most a handful of others.
    assert counts.max() < 60
    assert np.percentile(np.repeat(counts, counts), 50) <= 4


@pytest.mark.parametrize(
    ("text", "latin"), [("Щукин", "Shchukin"), ("Юлия", "Yuliya"), ("Анна", "Anna"), ("Marie", "Marie")]
)
def test_cyrillic_is_written_in_latin_letters(text: str, latin: str) -> None:
    assert cyrillic_to_latin(text) == latin


@pytest.mark.parametrize(
    ("text", "letters"), [("Łukasz", "lukasz"), ("Groß", "gross"), ("O'Brien", "obrien"), ("Yılmaz", "yilmaz")]
)
def test_plain_letters_for_mail_addresses(text: str, letters: str) -> None:
    assert plain(text) == letters


def test_phones_are_valid_in_their_country() -> None:
    dice = stream(1, 0, "phones")
    country = np.repeat(np.arange(len(COUNTRIES)), 60)
    national = draw_phones(dice, country)
    for number, where in zip(national.tolist(), country.tolist(), strict=True):
        parsed = phonenumbers.parse(f"+{places().calling_code[where]}{number}")
        assert phonenumbers.is_valid_number(parsed), (COUNTRIES[where], number)


def test_written_phones_can_be_read_again() -> None:
    dice = stream(1, 0, "written")
    country = np.repeat(np.arange(len(COUNTRIES)), 40)
    national = draw_phones(dice, country)
    written = write_phones(dice, national, country)
    assert len({text.translate(str.maketrans("0123456789", "9" * 10)) for text in written.tolist()}) > 10
    for text, number, where in zip(written.tolist(), national.tolist(), country.tolist(), strict=True):
        # 00 is the international prefix of this reader, as it is in Europe.
        parsed = phonenumbers.parse("+" + text[2:] if text.startswith("00") else text, "US")
        assert f"{parsed.national_number}" == number.lstrip("0"), (text, where)
    assert (write_phones(dice, np.array(["", ""]), np.array([0, 3])) == "").all()


def test_addresses_are_whole() -> None:
    country = np.repeat(np.arange(len(COUNTRIES)), 50)
    drawn = draw_addresses(stream(1, 0, "addresses"), country)
    tables = places()
    assert all(any(letter.isdigit() for letter in text) for text in drawn.street.tolist())
    assert not any(set(text) & set("{}#@") for text in (*drawn.street.tolist(), *drawn.postcode.tolist()))
    own = (tables.city_start[country] <= drawn.city) & (drawn.city < (tables.city_start + tables.city_count)[country])
    assert own.all()
