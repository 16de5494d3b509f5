from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity.normalise.address import (
    NOTHING,
    normalise_city,
    normalise_postcode,
    normalise_region,
    normalise_street,
)


@pytest.mark.parametrize(
    ("text", "street", "number", "unit"),
    [
        ("123 Main Street", "main st", "123", None),
        ("123 MAIN ST.", "main st", "123", None),
        ("0123 Main St", "main st", "123", None),
        ("123 North Main Street", "n main st", "123", None),
        ("123 Fourth Avenue Apt 5B", "4th ave", "123", "5b"),
        ("123 4th ave #5b", "4th ave", "123", "5b"),
        ("123 4th Ave, Unit # 05B", "4th ave", "123", "5b"),
        ("350 5th Ave 3rd Floor", "5th ave", "350", "3rd"),
        ("12 pine st 204", "pne st", "12", "204"),
        ("4 Black Hawk Road Number 215", "black hawk rd", "4", "215"),
        ("69 S Hwy 701", "s hwy 701", "69", None),
        ("US Highway 101", "us hwy 101", None, None),
        ("riverside dr", "riverside dr", None, None),
        ("12 1/2 Elm Street", "elm st", "12", None),
        ("12-14 High Street", "high st", "12-14", None),
        ("221B Baker Street", "baker st", "221b", None),
        ("221 B Baker Street", "baker st", "221b", None),
        ("PO Box 123", "po box 123", None, None),
        ("P.O. Box 123", "po box 123", None, None),
        ("Hauptstraße 5a", "hauptstr", "5a", None),
        ("Hauptstr. 5 a", "hauptstr", "5a", None),
        ("Am Alten Markt 12", "am alten markt", "12", None),
        ("Calle Mayor, 12, 3º B", "c mayor", "12", "3ob"),
        ("C/ Mayor 12", "c mayor", "12", None),
        ("Avenida de la Paz 7", "ave de la paz", "7", None),
        ("12 bis rue de la Paix", "r de la paix", "12", None),
        ("12 avenue des Champs-Élysées", "ave des champs elysees", "12", None),
        ("ул. Ленина, дом 5, кв. 12", "ul lenina", "5", "12"),
        ("北京市朝阳区建国路88号1203室", "北京市朝阳区建国路", "88", "1203"),
    ],
)
def test_street(text: str, street: str, number: str | None, unit: str | None) -> None:
    assert normalise_street(text) == (street, number, unit)


@pytest.mark.parametrize("text", ["", "   ", "#", "😀", "---"])
def test_nothing(text: str) -> None:
    assert normalise_street(text) == NOTHING


@pytest.mark.parametrize(
    ("text", "region", "code"),
    [
        ("98874", "US", "98874"),
        ("98874-1234", "US", "98874"),
        ("988741234", "US", "98874"),
        ("2139", "US", "02139"),
        ("98874.0", "US", "98874"),
        ("SW1A 1AA", "GB", "sw1a1aa"),
        ("k1a 0b1", "CA", "k1a0b1"),
        ("01067", "DE", "01067"),
        ("00000", "US", None),
        ("n/a", "US", None),
        ("", "US", None),
    ],
)
def test_postcode(text: str, region: str, code: str | None) -> None:
    assert normalise_postcode(text, region) == code


def test_city_and_region() -> None:
    assert normalise_city("Saint Paul") == normalise_city("St. Paul") == "st paul"
    assert normalise_city("MÜNCHEN") == "munchen"
    assert normalise_city(" ") is None
    assert normalise_region("Washington", "US") == normalise_region("WA", "US") == "wa"
    assert normalise_region("WA", "AU") == normalise_region("Western Australia", "AU") == "wa"
    assert normalise_region("Bayern", "DE") == normalise_region("Bavaria", "DE") == "by"
    assert normalise_region("Elsewhere", "US") == "elsewhere"


PIECES = (
    "12 5a 1/2 12-14 007 n sw main oak street st ave calle rue strasse hauptstrasse apt # unit no 3rd floor bis b hwy "
    "101 , . 号 88 po box"
)
lines = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES.split()), max_size=8).map(" ".join))


@settings(deadline=None)
@given(lines)
def test_never_raises_and_gives_no_empty_part(text: str) -> None:
    assert all(part != "" for part in normalise_street(text))


@settings(deadline=None)
@given(st.integers(1, 99999), st.sampled_from(["Main Street", "4th Avenue", "N Oak Dr", "Rue Royale", "S 50 W"]))
def test_the_parts_written_out_are_a_fixed_point(number: int, name: str) -> None:
    once = normalise_street(f"{number} {name}")
    assert normalise_street(f"{once.house_number} {once.street}") == once


@settings(deadline=None)
@given(st.text(max_size=20), st.sampled_from(["US", "GB", "DE", None]))
def test_small_parts_never_raise_and_are_idempotent(text: str, region: str | None) -> None:
    for function in (normalise_postcode, normalise_region):
        once = function(text, region)
        if once is not None:
            assert function(once, region) == once
    city = normalise_city(text)
    if city is not None:
        assert normalise_city(city) == city
