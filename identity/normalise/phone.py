"""Telephone numbers: what was written → E.164, an extension, and whether it is a number at all.

Numbers without a country code are read in the record's country. Kinds: `ok` (a possible length for its country; typing
errors inside the number stay comparable); `placeholder` (0000000000, 1234567890: nobody's); `invalid`. Only `ok` has a
value. Plain digits take a short way through the same metadata that `phonenumbers` uses; everything else goes through
the library, and a test holds the two together.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any, NamedTuple

import phonenumbers
from phonenumbers.phonemetadata import PhoneMetadata


class Phone(NamedTuple):
    """One number; `e164` and `extension` null unless the kind is `ok`."""

    e164: str | None
    kind: str
    extension: str | None = None


class _Plan(NamedTuple):
    """What a region's numbering plan says about plain digits."""

    code: str
    lengths: frozenset[int]
    prefix: re.Pattern[str] | None
    plain_prefix: bool
    number: re.Pattern[str]
    international: re.Pattern[str] | None


INVALID = Phone(None, "invalid")
PLACEHOLDER = Phone(None, "placeholder")
_LONGEST = 250
_NORTH_AMERICA = re.compile(r"(?:\+1|1)?[ .-]?\(?([2-9][0-9]{2})\)?[ .-]?([0-9]{3})[ .-]?([0-9]{4})")
_PLAIN = re.compile(r"\+?[0-9(][0-9 ().-]{5,28}[0-9]")
_REMARK = re.compile(r"\([^0-9()]*\)")
_SEVERAL = re.compile(r"\s*(?:[/;,|&]|\bor\b|\bund\b|\bo\b|\bou\b)\s*")
_SEQUENCES = ("01234567890123456789", "98765432109876543210")
# One digit throughout, or a run like 1234567, where the subscriber's seven digits should be.
_NOBODYS = frozenset(
    {digit * 7 for digit in "0123456789"} | {row[place : place + 7] for row in _SEQUENCES for place in range(10)}
)


def normalise_phone(text: str, region: str | None = "US") -> Phone:
    """The number in `text`, read in `region` (alpha-2) when it names no country; never raises."""
    text = text.strip()
    if region in ("US", "CA") and (match := _NORTH_AMERICA.fullmatch(text)):
        area, exchange, line = match.groups()
        return _judged("1", f"{area}{exchange}{line}", None)
    return _by_plan(text, region) or _by_library(text, region)


def _judged(code: str, national: str, extension: str | None) -> Phone:
    if _is_placeholder(national):
        return PLACEHOLDER
    return Phone(f"+{code}{national}", "ok", extension)


def _is_placeholder(national: str) -> bool:
    return national[-7:] in _NOBODYS or (len(national) < 7 and len(set(national)) <= 1)


def _by_plan(text: str, region: str | None) -> Phone | None:
    """The short way for plain digits; None when the library must decide."""
    if not _PLAIN.fullmatch(text):
        return None
    digits = "".join(letter for letter in text if letter.isdigit())
    plan = _plan_of_code(digits) if text[0] == "+" else _plan_of_region(region)
    if plan is None:
        return None
    national = _after_code(digits, plan) if text[0] == "+" else _after_prefix(digits, plan)
    if national is None or len(national) not in plan.lengths or not national.strip("0"):
        return None
    return _judged(plan.code, national, None)


def _after_code(digits: str, plan: _Plan) -> str | None:
    """The national number behind the country code; None where a domestic prefix may have been left in."""
    national = digits[len(plan.code) :]
    return None if plan.prefix and plan.prefix.match(national) else national


def _after_prefix(digits: str, plan: _Plan) -> str | None:
    """The national number behind the domestic prefix; None where the digits may be something else."""
    if digits.startswith(plan.code) or (plan.international and plan.international.match(digits)):
        return None
    match = plan.prefix.match(digits) if plan.prefix else None
    if match is None:
        return digits
    national = digits[match.end() :]
    return national if plan.plain_prefix and plan.number.fullmatch(national) else None


def _by_library(text: str, region: str | None) -> Phone:
    folded = _REMARK.sub(" ", unicodedata.normalize("NFKC", text[:_LONGEST])).strip()
    digits = re.sub(r"\D", "", folded)
    if len(digits) < 3:
        return INVALID
    if len(digits) >= 7 and (len(set(digits)) == 1 or digits in _SEQUENCES[0] or digits in _SEQUENCES[1]):
        return PLACEHOLDER
    readings = [folded]
    if folded.startswith("00"):
        readings.append(f"+{folded[2:]}")
    parts = [part for part in _SEVERAL.split(folded) if sum(letter.isdigit() for letter in part) >= 7]
    for reading in [*readings, *parts]:
        phone = _parsed(reading, region)
        if phone is not None:
            return phone
    return INVALID


def _parsed(text: str, region: str | None) -> Phone | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    code, national = str(number.country_code), phonenumbers.national_significant_number(number)
    plan = _plan_of_code(code)
    if plan and plan.prefix and plan.prefix.match(national) and not _reads_back(number):
        return None
    return _judged(code, national, number.extension or None)


def _reads_back(number: phonenumbers.PhoneNumber) -> bool:
    """Whether the E.164 form means the same number again; a doubled domestic prefix does not."""
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    try:
        again = phonenumbers.parse(written, None)
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.format_number(again, phonenumbers.PhoneNumberFormat.E164) == written)


def _plan_of_code(digits: str) -> _Plan | None:
    """The plan of the country code that the digits start with; codes are prefix-free and at most three digits long."""
    for length in () if digits[0] == "0" else (1, 2, 3):
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(digits[:length]))
        if regions:
            return _plan_of_region(regions[0])
    return None


@cache
def _plan_of_region(region: str | None) -> _Plan | None:
    metadata: Any = PhoneMetadata.metadata_for_region(region, None) if region else None
    if metadata is None or not metadata.general_desc.possible_length:
        return None
    # Reading goes by the region, judging by the main region of its country code.
    main: Any = PhoneMetadata.metadata_for_region(
        phonenumbers.region_code_for_country_code(metadata.country_code), None
    )
    if main is None:
        return None
    prefix = metadata.national_prefix_for_parsing
    return _Plan(
        code=str(metadata.country_code),
        lengths=frozenset(metadata.general_desc.possible_length) & frozenset(main.general_desc.possible_length),
        prefix=re.compile(prefix) if prefix else None,
        plain_prefix=bool(prefix and prefix.isdigit() and not metadata.national_prefix_transform_rule),
        number=re.compile(metadata.general_desc.national_number_pattern),
        international=re.compile(metadata.international_prefix) if metadata.international_prefix else None,
    )
