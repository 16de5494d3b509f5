"""One right value of a trait, as a person says it → the form in which it takes the place of what a source says.

Mails, phones, birth dates and countries get their normal form; other texts stay as they are said, without blanks around
them. A value that would not count as one is refused, never repeated.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from cdp.domain.corrections import NAME_PARTS, Field
from cdp.errors import InputError
from identity.normalise.country import country_code
from identity.normalise.email import normalise_email
from identity.normalise.name import normalise_name
from identity.normalise.phone import normalise_phone

LONGEST = 300
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EARLIEST = date(1870, 1, 1)


def corrected_value(field: Field, text: str, *, country: str | None, today: date) -> str:
    """The form to keep; `country` is the person's, for phones that name none. InputError says what is wrong."""
    value = text.strip()
    if not value:
        raise InputError(f"The {_named(field)} is empty; say that there is none instead.")
    if len(value) > LONGEST:
        raise InputError(f"The {_named(field)} is longer than {LONGEST} characters.")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise InputError(f"The {_named(field)} is one line of text without control characters.")
    if field == "email":
        return _email(value)
    if field == "phone":
        return _phone(value, country)
    if field == "birth_date":
        return _birth_date(value, today)
    if field == "country" and country_code(value) is None:
        raise InputError("The country is not known: give its name in English or its two letters.")
    if field in NAME_PARTS:
        first, last = (value, None) if field == "first_name" else (None, value)
        if normalise_name(first, None, last, None).full is None:
            raise InputError(f"The {_named(field)} is no name of a person.")
    return value


def _email(value: str) -> str:
    found = normalise_email(value)
    if found.norm is None:
        raise InputError("The email is no mail address: it has the form name@domain.")
    if found.kind == "placeholder":
        raise InputError("The email is a placeholder at which nobody reads mail.")
    return found.norm


def _phone(value: str, country: str | None) -> str:
    found = normalise_phone(value, country_code(country) if country else "US").e164
    if found is None:
        raise InputError("The phone is no telephone number; write it with + and the country code.")
    return found


def _birth_date(value: str, today: date) -> str:
    if not _ISO.fullmatch(value):
        raise InputError("The birth date is written YYYY-MM-DD, so that day and month cannot be confused.")
    try:
        born = date.fromisoformat(value)
    except ValueError:
        raise InputError("The birth date is no day of the calendar.") from None
    if not _EARLIEST <= born <= today:
        raise InputError("The birth date is not a day on which somebody living can have been born.")
    return value


def _named(field: str) -> str:
    return field.replace("_", " ")
