"""One identifier value as it stands in `identity.identifiers`, so that what a caller types finds it.

Mails and phones are normalised as in matching; ids of sources are kept as they are, without blanks around them.
"""

from __future__ import annotations

from cdp.domain.words import IdentifierType
from cdp.errors import InputError
from identity.normalise.email import normalise_email
from identity.normalise.phone import normalise_phone

# No area of North America begins so: the number is another country's, and would be looked for where it is not.
_NO_AREA = ("+10", "+11")


def lookup_value(kind: str, value: str, *, default_country: str | None = "US") -> str:
    """The stored form of a value of an identifier type.

    InputError for an unknown type, with the known ones, and for a mail or phone that cannot be one; the sentence never
    repeats the value. A phone without a country code is read in `default_country`.
    """
    known = [str(one) for one in IdentifierType]
    if kind not in known:
        raise InputError(f"There is no identifier type {kind[:40]!r}; there are: {', '.join(known)}.")
    if kind == IdentifierType.EMAIL:
        found = normalise_email(value).norm
    elif kind == IdentifierType.PHONE:
        found = normalise_phone(value, default_country).e164
        if found is None or (found[:3] in _NO_AREA and not value.strip().startswith("+")):
            raise InputError("The value cannot be a phone: write it with its country code, as +49 30 901820.")
    else:
        found = value.strip()
    if not found:
        raise InputError(f"The value cannot be a {kind}: check its form.")
    return found
