"""Postal addresses: a street line → street, house number and unit; postcode, city and region in one spelling each.

`street` holds the words of the street only, abbreviated the same way in every language we know (street → st, straße →
str, avenue → ave), without house number and unit: each part is compared for itself. A post box counts as a street.
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
    r"\b(?:p\.? ?o\.? ?box|post office box|postfach|apartado(?: de correos)?|apdo\.?|casilla(?: de correo)?"
    r"|boite postale|bp|caixa postal|postbus|casella postale)\s*#?\s*([0-9a-z]+)\b"
)
# Calle Mayor, 12, 3º B
_NUMBER_BEHIND = re.compile(r"([^0-9,#]{3,}),\s*(?:n[ro]?\.?\s*|nº\s*)?([0-9]{1,6}[a-z]?)\b[,\s]*(.{0,12})")
_GERMAN = re.compile(r"(.{3,})(?:strasse|strase|str)")
_BEGINS_WITH_WORD = re.compile(r"(?!bis\b|ter\b|quater\b)[a-z]{2}")
_ORDINALS = ("st", "nd", "rd", "th")
_CHINESE_NUMBER = re.compile(r"([0-9]+)(?:号|號|番)")
_CHINESE_UNIT = re.compile(r"([0-9]+)(?:室|房)")


def normalise_street(text: str) -> Street:
    """The parts of a street line; never raises."""
    line = clean(text)
    number, _, rest = line.partition(" ")
    if number.isdigit() and number.isascii() and len(number) <= 6 and _BEGINS_WITH_WORD.match(rest):
        # Only the name behind the number takes work, and far fewer names than addresses exist.
        known = numbered_street(rest)
        return known._replace(house_number=_plain(number)) if known.house_number else known
    return _parsed(line)


@lru_cache(maxsize=300_000)
def numbered_street(rest: str) -> Street:
    """What stands behind a house number, read as behind the number 1; `rest` is cleaned."""
    return _parsed(f"1 {rest}")


def _parsed(line: str) -> Street:
    if box := _POST_BOX.search(line):
        return Street(f"po box {box.group(1)}", None, None)
    if not line.isascii() and ("号" in line or "號" in line or "番" in line):
        return _chinese(line)
    if match := _NUMBER_BEHIND.fullmatch(line):
        name = _parsed(match.group(1))
        return Street(name.street, _plain(match.group(2)), "".join(tokens(match.group(3))) or name.unit)
    parts = _without_announcements(_TOKEN.findall(line.replace("'", "").replace(".", " ")))
    if not parts:
        return NOTHING
    parts, unit = _without_unit(parts)
    parts, number = _without_number(parts)
    if unit is None and number is not None and len(parts) > 1 and _is_bare_unit(parts):
        unit = _plain(parts.pop())
    street = " ".join(_canonical(part) for part in parts)
    return Street(street or None, number, unit)


def _without_announcements(parts: list[str]) -> list[str]:
    """`no`, `nr`, `number` before a number, and `#` behind a word that says the same (`unit # 5`), simplified.

    Behind a house number such a word stands before a flat and becomes `#`; else the number is the house's.
    """
    kept: list[str] = []
    for part, following in zip(parts, [*parts[1:], ""][: len(parts)], strict=True):
        if not following[:1].isdigit() or (part != "#" and part not in words("street_words", "announcement")):
            kept.append(part)
        elif kept and kept[0][0].isdigit() and kept[-1] not in words("street_words", "unit"):
            kept.append("#")
        elif part == "#" and (not kept or kept[-1] not in words("street_words", "unit")):
            kept.append(part)
    return kept


def _without_unit(parts: list[str]) -> tuple[list[str], str | None]:
    """The parts without `apt 4b`, `# 12`, `3rd floor`, and the value of the first of them."""
    unit_words = words("street_words", "unit")
    for place, part in enumerate(parts):
        if part not in unit_words and part != "#":
            continue
        if place + 1 < len(parts) and (place > 0 or len(parts) > 2) and _may_be_unit(parts[place + 1], part):
            unit = parts[place + 1]
            rest, _ = _without_unit(parts[:place] + parts[place + 2 :])
            return rest, _plain(unit)
        if place > 1 and parts[place - 1][0].isdigit() and part in words("street_words", "floor"):
            rest, _ = _without_unit(parts[: place - 1] + parts[place + 1 :])
            return rest, _plain(parts[place - 1])
    return [part for part in parts if part != "#"], None


def _may_be_unit(value: str, word: str) -> bool:
    return value[0].isdigit() or (len(value) <= 2 and value.isascii()) or (word == "#" and value.isalnum())


def _without_number(parts: list[str]) -> tuple[list[str], str | None]:
    """The house number before the street (12 Main St) or behind it (Hauptstr. 5a, Calle Mayor 12)."""
    if len(parts) < 2:
        return parts, None
    if _NUMBER.fullmatch(parts[0]) and not parts[0].endswith(_ORDINALS):
        return _without_leading_number(parts[0], parts[1:])
    if _NUMBER.fullmatch(parts[-1]) and parts[-2] not in words("street_words", "numbered"):
        return parts[:-1], _plain(parts[-1])
    letter = len(parts) > 2 and parts[-2].isdigit() and len(parts[-1]) == 1 and parts[-1].isalpha()
    if letter and parts[-3] not in words("street_words", "numbered"):
        return parts[:-2], _plain(parts[-2] + parts[-1])
    return parts, None


def _without_leading_number(number: str, rest: list[str]) -> tuple[list[str], str | None]:
    """`12 1/2 Main`, `12 bis Rue`, `12 B Oak Street`: what still belongs to the number is taken off the street."""
    if len(rest) > 1 and (_FRACTION.fullmatch(rest[0]) or rest[0] in ("bis", "ter", "quater")):
        rest = rest[1:]
    if len(rest) > 2 and len(rest[0]) == 1 and rest[0].isalpha() and rest[0] not in "nsew" and number.isdigit():
        number, rest = number + rest[0], rest[1:]
    return rest, _plain(number)


def _plain(number: str) -> str:
    """Without leading zeros."""
    return number.lstrip("0") or number


def _is_bare_unit(parts: list[str]) -> bool:
    """A number left at the end after the house number is a flat, except in names such as Highway 101."""
    return bool(_NUMBER.fullmatch(parts[-1])) and parts[-2] not in words("street_words", "numbered")


def _chinese(line: str) -> Street:
    number, unit = _CHINESE_NUMBER.search(line), _CHINESE_UNIT.search(line)
    name = line[: number.start()] if number else line
    return Street("".join(tokens(name)) or None, number.group(1) if number else None, unit.group(1) if unit else None)


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
    return {
        word: row["short"] for row in rows("street_abbreviations") for word in (row["short"], *row["words"].split())
    }


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
    """The code of a state or province where we know it, else its words; `region` is the country's alpha-2 code."""
    name = " ".join(tokens(clean(text)))
    return _provinces().get((region or "", name)) or name or None


@cache
def _provinces() -> dict[tuple[str, str], str]:
    return {
        (row["country"], " ".join(tokens(clean(name)))): row["code"].lower()
        for row in rows("regions")
        for name in row["names"].split("|")
    }
