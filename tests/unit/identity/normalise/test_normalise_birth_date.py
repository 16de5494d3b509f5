from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity.normalise.birth_date import UNKNOWN, normalise_birth_date


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("1980-03-24", "1980-03-24"),
        ("1980/3/24", "1980-03-24"),
        ("19800324", "1980-03-24"),
        ("03/24/1980", "1980-03-24"),
        ("3/24/80", "1980-03-24"),
        ("24.03.1980", "1980-03-24"),
        ("24.3.80", "1980-03-24"),
        ("24/03/1980", "1980-03-24"),
        ("24-03-1980", "1980-03-24"),
        ("1980-03-24T00:00:00Z", "1980-03-24"),
        ("1980-03-24 12:30:00.000", "1980-03-24"),
        ("March 24, 1980", "1980-03-24"),
        ("24 Mar 1980", "1980-03-24"),
        ("24-MAR-80", "1980-03-24"),
        ("24th of March 1980", "1980-03-24"),
        ("24. März 1980", "1980-03-24"),
        ("24 de marzo de 1980", "1980-03-24"),
        ("24 mars 1980", "1980-03-24"),
        ("24 августа 1980", "1980-08-24"),
        ("1980年3月24日", "1980-03-24"),
        ("１９８０－０３－２４", "1980-03-24"),
        ("02/03/24", "2024-02-03"),
        ("02/03/26", "1926-02-03"),
        ("03/3o/|952", "1952-03-30"),
        ("O4/o7/1984", "1984-04-07"),
        ("|1/29/1976", "1976-11-29"),
        ("10/Z7/1983", "1983-10-27"),
    ],
)
def test_formats(text: str, iso: str) -> None:
    assert normalise_birth_date(text).iso == iso


def test_ambiguous_order() -> None:
    assert normalise_birth_date("03/04/1980").iso == "1980-03-04"
    assert normalise_birth_date("03/04/1980", day_first=True).iso == "1980-04-03"
    assert normalise_birth_date("03.04.1980").iso == "1980-04-03"
    assert (
        normalise_birth_date("13/04/1980").iso == normalise_birth_date("04/13/1980", day_first=True).iso == "1980-04-13"
    )


def test_swapped() -> None:
    assert normalise_birth_date("1980-03-04").swapped == "1980-04-03"
    assert normalise_birth_date("1980-03-24").swapped is None
    assert normalise_birth_date("1980-03-03").swapped is None


@pytest.mark.parametrize(
    ("text", "precision"),
    [
        ("1980-03-04", "day"),
        ("1980-01-01", "placeholder_day"),
        ("01/01/1900", "placeholder_day"),
        ("1970-01-01", "placeholder_day"),
        ("1899-12-30", "placeholder_day"),
        ("1980", "year"),
        ("1980-00-00", "year"),
        ("00/00/1980", "year"),
        ("1980-03", "year"),
        ("March 1980", "year"),
    ],
)
def test_precision(text: str, precision: str) -> None:
    assert normalise_birth_date(text).precision == precision


@pytest.mark.parametrize(
    "text",
    [
        "",
        "05/57/1550",
        "0000-00-00",
        "31/02/1980",
        "13/13/1980",
        "unknown",
        "07/02/1237",
        "2025-13-01",
        "12345",
        "x/y/z",
        "May",
        "1/2",
    ],
)
def test_garbled_is_unknown(text: str) -> None:
    assert normalise_birth_date(text) == UNKNOWN


@settings(deadline=None)
@given(st.dates(min_value=date(1870, 1, 1), max_value=date(2099, 12, 31)))
def test_every_date_is_read_back_in_every_form(day: date) -> None:
    assert normalise_birth_date(day.isoformat()).iso == day.isoformat()
    assert normalise_birth_date(day.strftime("%m/%d/%Y")).iso == day.isoformat()
    assert normalise_birth_date(day.strftime("%d/%m/%Y"), day_first=True).iso == day.isoformat()
    assert normalise_birth_date(day.strftime("%d %B %Y")).iso == day.isoformat()
    swapped = normalise_birth_date(day.isoformat()).swapped
    if swapped is not None:
        assert normalise_birth_date(swapped).swapped == day.isoformat()


@settings(deadline=None)
@given(st.one_of(st.text(max_size=30), st.text("0123456789/-. |lOo", max_size=12)), st.booleans())
def test_never_raises_and_is_idempotent(text: str, day_first: bool) -> None:
    found = normalise_birth_date(text, day_first=day_first)
    if found.iso is not None and found.precision != "year":
        assert normalise_birth_date(found.iso, day_first=day_first) == found
