"""Country as written (US, USA, Deutschland, 中国) → ISO 3166-1 alpha-2 code.

Two-letter codes are checked against the regions that have a telephone plan; names come from the locale names that
`phonenumbers` ships in many languages, three-letter codes from `data/countries.csv`.
"""

from __future__ import annotations

from functools import cache

from identity.normalise.text import clean, tokens
from identity.normalise.word_lists import rows

# Folding the names of all hundred languages of the library would take seconds.
_LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "pl", "ru", "uk", "cs", "sv", "tr", "el", "ar", "zh", "ja", "ko")


@cache
def country_code(text: str | None) -> str | None:
    """The alpha-2 code, upper-case; None when the text names no country we know."""
    if not text:
        return None
    name = "".join(tokens(clean(text)))
    if len(name) == 2 and name.upper() in _regions():
        return name.upper()
    return _codes().get(name) or _names().get(name)


@cache
def _regions() -> frozenset[str]:
    from phonenumbers import SUPPORTED_REGIONS

    return frozenset(SUPPORTED_REGIONS)


@cache
def _codes() -> dict[str, str]:
    return {
        "".join(tokens(clean(word))): row["alpha2"]
        for row in rows("countries")
        for word in (row["alpha3"], *row["also"].split("|"))
        if word
    }


@cache
def _names() -> dict[str, str]:
    """Country names in the languages above, folded; a name that means two countries is left out."""
    from phonenumbers.geodata.locale import LOCALE_DATA

    found: dict[str, set[str]] = {}
    for code, names in LOCALE_DATA.items():
        for name in (names.get(language, "*") for language in _LANGUAGES):
            if not name.startswith("*"):
                found.setdefault("".join(tokens(clean(name))), set()).add(code)
    return {name: codes.pop() for name, codes in found.items() if len(codes) == 1 and len(name.encode()) > 2}
