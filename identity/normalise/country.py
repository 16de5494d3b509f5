"""Country as written (US, USA, Deutschland, 中国) → ISO 3166-1 alpha-2 code.

Two-letter codes are checked against the regions that have a telephone plan; three-letter codes and names come from
`data/countries.csv`.
"""

from __future__ import annotations

from functools import cache

from identity.normalise.text import clean, tokens
from identity.normalise.word_lists import rows


@cache
def country_code(text: str | None) -> str | None:
    """The alpha-2 code, upper-case; None when the text names no country we know."""
    if not text:
        return None
    name = "".join(tokens(clean(text)))
    if len(name) == 2 and name.upper() in _regions():
        return name.upper()
    return _names().get(name)


@cache
def _regions() -> frozenset[str]:
    from phonenumbers import SUPPORTED_REGIONS

    return frozenset(SUPPORTED_REGIONS)


@cache
def _names() -> dict[str, str]:
    return {
        "".join(tokens(clean(name))): row["alpha2"]
        for row in rows("countries")
        for name in (row["alpha3"], *row["names"].split("|"))
        if name
    }
