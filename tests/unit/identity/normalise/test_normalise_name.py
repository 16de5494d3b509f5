from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity.normalise.name import NOBODY, Name, normalise_name
from identity.normalise.nicknames import given_roots


def full(text: str) -> Name:
    return normalise_name(None, None, None, text)


def test_columns() -> None:
    name = normalise_name("Bob", "A.", "O'Brien-López III", None)
    assert name == Name(
        "bob", "robert", ("robert",), "b", "a", "obrien lopez", "iii", "bob a obrien lopez", "bob lopez obrien"
    )


@pytest.mark.parametrize(
    ("text", "given_name", "middle", "family", "suffix"),
    [
        ("John Smith", "john", None, "smith", None),
        ("JOHN  SMITH", "john", None, "smith", None),
        ("Smith, John", "john", None, "smith", None),
        ("Smith, John A.", "john", "a", "smith", None),
        ("Smith Jr, John", "john", None, "smith", "jr"),
        ("Smith, Jr., John", "john", None, "smith", "jr"),
        ("John Smith, Jr.", "john", None, "smith", "jr"),
        ("John Smith, MD", "john", None, "smith", None),
        ("Dr. John Smith Ph.D.", "john", None, "smith", None),
        ("Dr. med. Hans Müller", "hans", None, "muller", None),
        ("Martin Luther King III", "martin", "luther", "king", "iii"),
        ("J. R. R. Tolkien", "j", "r r", "tolkien", None),
        ("Jan van den Berg", "jan", None, "vandenberg", None),
        ("Juan de la Cruz", "juan", None, "delacruz", None),
        ("Omar al-Rashid", "omar", None, "al rashid".replace(" ", ""), None),
        ("Ann-Marie Smith-Jones", "annmarie", None, "smith jones", None),
        ('Robert "Bob" Smith', "robert", None, "smith", None),
        ("Bob (Robert) Smith", "bob", None, "smith", None),
        ("Пётр Чайковский", "petr", None, "chaykovskiy", None),
        ("Wang Xiaoming", "xiaoming", None, "wang", None),
        ("Xiaoming Wang", "xiaoming", None, "wang", None),
        ("王小明", "小明", None, "wang", None),
        ("小明 王", "小明", None, "wang", None),
        ("陳大文先生", "大文", None, "chen", None),
        ("欧阳小明", "小明", None, "ouyang", None),
        ("김철수", "철수", None, "kim", None),
    ],
)
def test_full_names(text: str, given_name: str, middle: str | None, family: str, suffix: str | None) -> None:
    name = full(text)
    assert (name.given, name.middle, name.family, name.suffix) == (given_name, middle, family, suffix)


def test_order_and_spelling_do_not_change_the_key() -> None:
    keys = {full(text).key for text in ("John Smith", "Smith, John", "Smith John", "JOHN A. SMITH")}
    assert keys == {"john smith"}
    assert full("王小明").key == full("Wang Xiaoming").key == normalise_name("Xiao", "Ming", "Wang", None).key
    assert full("王小明").root == full("Xiaoming Wang").root == "xiaoming"
    assert normalise_name("Maria", None, "Garcia Lopez", None).key == full("Maria Garcia-Lopez").key


def test_a_single_word_is_no_given_name() -> None:
    assert full("Chavez") == Name(family="chavez", full="chavez", key="chavez")
    assert full("Sandra") == Name(full="sandra", key="sandra")
    assert normalise_name("Sandra", None, None, None).given == "sandra"


def test_empty_columns_are_completed() -> None:
    assert normalise_name("John", None, None, "John Smith").family == "smith"
    assert normalise_name(None, None, "Smith", "Smith, John").given == "john"
    assert normalise_name(None, None, "John Smith", None).given == "john"
    assert normalise_name("Zorblax Quimby", None, None, None).family == "quimby"
    assert normalise_name("Mary Ann", None, None, None).family is None
    assert normalise_name(None, None, "Garcia Lopez", None).family == "garcia lopez"


@pytest.mark.parametrize(
    "text",
    ["Acme Widgets GmbH", "Smith & Sons LLC", "University of Somewhere", "北京科技有限公司", "Taller Gómez S.L."],
)
def test_organisations_are_full_names_only(text: str) -> None:
    name = full(text)
    assert name.given is None and name.family is None and name.full and name.key


def test_organisation_in_the_last_name_column() -> None:
    assert normalise_name(None, None, "Acme Corp", None) == Name(full="acme corp", key="acme corp")


@pytest.mark.parametrize(
    "columns",
    [
        (None, None, None, "Unknown"),
        (None, None, None, "n/a"),
        (None, None, None, "Test User"),
        (None, None, None, "Lady Of The House"),
        ("Lady In The", None, "House", None),
        ("Unknown", None, "Unknown", None),
        ("Male", None, "Child", None),
        ("-", None, "-", None),
        ("😀", None, "🎉", None),
        ("123", None, None, None),
        (None, None, None, None),
        ("", "", "", ""),
    ],
)
def test_nobody(columns: tuple[str | None, ...]) -> None:
    assert normalise_name(*columns) == NOBODY


def test_one_column_that_names_nobody_leaves_the_other() -> None:
    assert normalise_name("Unknown", None, "Roberts", None).family == "roberts"
    assert normalise_name("Female Child", None, "Roberts", None).given is None
    assert normalise_name("Heather", None, "Of The Home", None) == normalise_name("Heather", None, None, None)
    assert normalise_name("Daniel", None, "Herr", None).family == "herr"
    assert normalise_name("Christopher", None, "Guest", None).family == "guest"


def test_scanned_digits() -> None:
    assert normalise_name("Me1issa", None, "C1arke", None)[:1] == ("melissa",)
    assert normalise_name("Me1issa", None, "C1arke", None).family == "clarke"


def test_couples_have_a_family_only() -> None:
    name = full("John & Mary Smith")
    assert (name.given, name.family) == (None, "smith")


def test_nicknames() -> None:
    assert given_roots("bob") == ("robert",)
    assert given_roots("bill")[0] == given_roots("william")[0] == "william"
    assert given_roots("alex")[0] == "alexander"
    assert {"alexander", "alexandra"} <= set(given_roots("alex"))
    assert given_roots("pepe")[0] == given_roots("jose")[0]
    assert given_roots("zorblax") == ("zorblax",)
    assert set(given_roots("pat")) >= {"patricia", "patrick"}


@pytest.mark.parametrize("size", [300, 5000])
def test_long_names(size: int) -> None:
    assert len(normalise_name("x" * size, None, "é" * size, None).full or "") <= 2001
    full("van " * size)
    full("jr " * size)
    full("王" * size)


PIECES = (
    "van de la der jr sr iii dr mr phd o' mc al- unknown test the house , . & - ( ) \" 王小明 欧阳 김 Иван é 😀 محمد "
    "bob smith x 3 inc"
)
words = st.one_of(st.sampled_from(PIECES.split()), st.text(max_size=8))
texts = st.one_of(st.none(), st.lists(words, max_size=6).map(" ".join))


@settings(max_examples=300, deadline=None)
@given(texts, texts, texts, texts)
def test_never_raises_and_is_idempotent(
    first: str | None, middle: str | None, last: str | None, whole: str | None
) -> None:
    name = normalise_name(first, middle, last, whole)
    if name.given and name.family and name.given.isalpha() and name.family.replace(" ", "").isalpha():
        again = normalise_name(name.given, name.middle, name.family, None)
        assert (again.given, again.family) == (name.given, name.family)
    if name.full:
        assert name.key


@settings(deadline=None)
@given(texts)
def test_no_field_is_empty_text(whole: str | None) -> None:
    assert all(value != "" for value in normalise_name(None, None, None, whole))
