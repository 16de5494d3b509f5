"""One identifier value as it stands in `identity.identifiers`, so that what a caller types finds it.

Mails and phones are normalised as in matching; ids of sources are kept as they are, without blanks around them.
"""

from __future__ import annotations

from cdp.domain.words import IdentifierType
from cdp.errors import InputError
from identity.normalise.email import normalise_email
from identity.normalise.phone import normalise_phone


def lookup_value(kind: str, value: str, *, default_country: str | None = "US") -> str:
    """The stored form of a value of an identifier type.

    InputError for an unknown type, with the known ones, and for a mail or phone that cannot be one; the sentence never
    repeats the value.
    """
    known = [str(one) for one in IdentifierType]
    if kind not in known:
        raise InputError(f"There is no identifier type {kind[:40]!r}; there are: {', '.join(known)}.")
    if kind == IdentifierType.EMAIL:
        found = normalise_email(value).norm
    elif kind == IdentifierType.PHONE:
        found = normalise_phone(value, default_country).e164
    else:
        found = value.strip()
    if not found:
        raise InputError(f"The value cannot be a {kind}: check its form.")
    return found
