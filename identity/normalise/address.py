"""Postal addresses: a street line → street, house number and unit; postcode, city and region in one spelling each.

`street` holds the words of the street only, abbreviated the same way in every language we know (street → st, straße →
str, avenue → ave), without house number and unit, so that each part is compared for itself. A post box counts as a street.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import NamedTuple

from identity.normalise.text import clean, tokens
from identity.normalise.word_lists import rows, words


class Street(NamedTuple):
    """The parts of a street line, each null when absent."""

    street: str | None
    house_number: str | None
    unit: str | None


NOTHING = Street(None, None, None)
_TOKEN = re.compile(r"#|[0-9]+/[0-9]+|[0-9]+-[0-9]+[a-z]?(?![a-z0-9])|[a-z0-9\u0080-\U0010ffff]+")
_NUMBER = re.compile(r"[0-9]{1,6}[a-z]?|[0-9]{1,6}-[0-9]{1,6}[a-z]?")
_FRACTION = re.compile(r"[0-9]/[0-9]")
_POST_BOX = re.compile(
    r"\b(?:p\.? ?o\.? ?box|post office box|postfach|apartado(?: de correos)?|apdo\.?|casilla(?: de correo)?|boite postale"
    r"|bp|caixa postal|postbus|casella postale)\s*#?\s*([0-9a-z]+)\b"
)
_GERMAN = re.compile(r"(.{3,})(?:strasse|strase|str)")
_CHINESE_NUMBER = re.compile(r"([0-9]+)(?:号|號|番)")
_CHINESE_UNIT = re.compile(r"([0-9]+)(?:室|房)")


def normalise_street(text: str) -> Street:
    """The parts of a street line; never raises."""
    line = clean(text)
    if box := _POST_BOX.search(line):
        return Street(f"po box {box.group(1)}", None, None)
    if not line.isascii() and ("号" in line or "號" in line or "番" in line):
        return _chinese(line)
    parts = _TOKEN.findall(line.replace("'", "").replace(".", " ") if "'" in line or "." in line else line)
    if not parts:
        return NOTHING
    parts, unit = _without_unit(parts)
    parts, number = _without_number(parts)
    if unit is None and number is not None and len(parts) > 1 and _is_bare_unit(parts):
        unit = parts.pop()
    street = " ".join(_canonical(part) for part in parts)
    return Street(street or None, number, unit)


def _without_unit(parts: list[str]) -> tuple[list[str], str | None]:
    """The parts before and after `apt 4b`, `# 12`, `3rd floor`; the value of the first such pair."""
    unit_words = words("street_words", "unit")
    for place, part in enumerate(parts):
        if part not in unit_words and part != "#":
            continue
        if place + 1 < len(parts) and (place > 0 or len(parts) > 2) and _may_be_unit(parts[place + 1], part):
            unit = parts[place + 1]
            rest, _ = _without_unit(parts[:place] + parts[place + 2 :])
            return rest, unit.lstrip("0") or unit
    return [part for part in parts if part != "#"], None


def _may_be_unit(value: str, word: str) -> bool:
    return value[0].isdigit() or (len(value) <= 2 and value.isascii()) or (word == "#" and value.isalnum())


def _without_number(parts: list[str]) -> tuple[list[str], str | None]:
    """The house number before the street (12 Main St) or behind it (Hauptstr. 5a, Calle Mayor 12)."""
    if len(parts) > 1 and _NUMBER.fullmatch(parts[0]) and not _is_ordinal(parts[0]):
        number, rest = parts[0], parts[1:]
        if len(rest) > 1 and _FRACTION.fullmatch(rest[0]):
            rest = rest[1:]
        if len(rest) > 1 and rest[0] in ("bis", "ter", "quater"):
            rest = rest[1:]
        if len(rest) > 1 and len(rest[0]) == 1 and rest[0] not in "nsew" and number.isdigit() and len(rest) > 2:
            number, rest = number + rest[0], rest[1:]
        return rest, number.lstrip("0") or number
    last = len(parts) - 1
    if last > 0 and len(parts[last]) == 1 and not parts[last].isdigit() and parts[last - 1].isdigit() and last > 1:
        if parts[last - 2] not in words("street_words", "numbered"):
            return parts[: last - 1], parts[last - 1] + parts[last]
    if last > 0 and _NUMBER.fullmatch(parts[last]) and parts[last - 1] not in words("street_words", "numbered"):
        return parts[:last], parts[last].lstrip("0") or parts[last]
    return parts, None


def _is_ordinal(part: str) -> bool:
    return part.endswith(("st", "nd", "rd", "th"))


def _is_bare_unit(parts: list[str]) -> bool:
    """A number left at the end after the house number is a flat, except in names such as Highway 101."""
    return bool(_NUMBER.fullmatch(parts[-1])) and parts[-2] not in words("street_words", "numbered")


def _chinese(line: str) -> Street:
    number, unit = _CHINESE_NUMBER.search(line), _CHINESE_UNIT.search(line)
    name = line[: number.start()] if number else line
    return Street(
        "".join(tokens(name)) or None, number.group(1) if number else None, unit.group(1) if unit else None
    )


@lru_cache(maxsize=100_000)
def _canonical(part: str) -> str:
    known = _abbreviations().get(part)
    if known is not None:
        return known
    if match := _GERMAN.fullmatch(part):
        return f"{match.group(1)}str"
    return part


@cache
def _abbreviations() -> dict[str, str]:
    return {word: row["short"] for row in rows("street_abbreviations") for word in (row["short"], *row["words"].split())}


@lru_cache(maxsize=100_000)
def normalise_postcode(text: str, region: str | None = "US") -> str | None:
    """Letters and digits only, lower-case; American codes as their first five digits, lost leading zeros put back."""
    code = "".join(tokens(clean(text.removesuffix(".0"))))
    if not code or not any(letter.isdigit() for letter in code):
        return None
    if region == "US" and code.isascii() and code.isdigit():
        if len(code) in (8, 9):
            code = code.zfill(9)[:5]
        elif len(code) in (3, 4):
            code = code.zfill(5)
    return None if len(code) > 3 and set(code) == {"0"} else code


@lru_cache(maxsize=100_000)
def normalise_city(text: str) -> str | None:
    """Words of a city, saint, fort and mount abbreviated."""
    return " ".join(_CITY.get(part, part) for part in tokens(clean(text))) or None


_CITY = {"saint": "st", "sankt": "st", "sainte": "ste", "fort": "ft", "mount": "mt"}


@lru_cache(maxsize=10_000)
def normalise_region(text: str, region: str | None = "US") -> str | None:
    """The short code of a state or province where we know it, else its words; `region` is the country's alpha-2 code."""
    name = " ".join(tokens(clean(text)))
    return _provinces().get((region or "", name)) or name or None


@cache
def _provinces() -> dict[tuple[str, str], str]:
    return {
        (row["country"], " ".join(tokens(clean(name)))): row["code"].lower()
        for row in rows("regions")
        for name in row["names"].split("|")
    }
