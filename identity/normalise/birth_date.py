"""Dates of birth: text in any usual form → ISO date, its day/month twin, and how far to trust it.

A pure function of the text and of the reading order of ambiguous dates; the clock is not asked, so a value means the
same in every run. Precision: `day`; `year` (only the year is known: iso is its 1 January); `placeholder_day` (1 January
and the other dates that systems fill in). Look-alike letters of scanned forms (o, l, |, z …) are read as digits. What
cannot be a date gives null; the source's text is kept elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from functools import cache
from typing import NamedTuple

from identity.normalise.text import clean, tokens
from identity.normalise.word_lists import rows


class BirthDate(NamedTuple):
    """`iso` and `swapped` as YYYY-MM-DD; `swapped` only where day and month could be exchanged."""

    iso: str | None
    swapped: str | None
    precision: str | None


UNKNOWN = BirthDate(None, None, None)
EARLIEST_YEAR = 1870
LATEST_YEAR = 2099
# Two-digit years up to this one belong to this century; a constant, so that a date never changes its meaning.
PIVOT = 25
# Dates that software writes when it has none: epochs of Unix, Excel, FoxPro and SQL Server, and what people type.
_PLACEHOLDERS = frozenset(
    {"1899-12-30", "1899-12-31", "1970-01-01", "1969-12-31", "1911-11-11", "1912-12-12", "2011-11-11"}
)

_LOOK_ALIKE = str.maketrans({
    "o": "0", "O": "0", "Q": "0", "D": "0", "l": "1", "I": "1", "i": "1", "|": "1", "!": "1", "z": "2", "Z": "2",
    "A": "4", "s": "5", "S": "5", "G": "6", "b": "6", "T": "7", "B": "8", "g": "9", "q": "9",
})  # fmt: skip
_FRAME = re.compile(
    r"[0-9oOQDlIi|!zZAsSGbTBgq]{1,4}([/.\-])[0-9oOQDlIi|!zZAsSGbTBgq]{1,2}\1[0-9oOQDlIi|!zZAsSGbTBgq]{2,4}"
)
_YEAR_FIRST = re.compile(
    r"([0-9]{4})\s*[-/.年]\s*([0-9]{1,2})\s*[-/.月]\s*([0-9]{1,2})日?(?:[t ][0-9:.]+(?:z|[+-][0-9:]+)?)?"
)
_YEAR_LAST = re.compile(
    r"([0-9]{1,2})\s*([-/. ])\s*([0-9]{1,2})\s*\2\s*([0-9]{4}|[0-9]{2})(?:[t ][0-9:.]+(?: ?[ap]m)?)?"
)
_COMPACT = re.compile(r"((?:18|19|20)[0-9]{2})([0-9]{2})([0-9]{2})")
_COMPACT_YEAR_LAST = re.compile(r"([0-9]{2})([0-9]{2})((?:19|20)[0-9]{2})")
_YEAR_MONTH = re.compile(r"((?:18|19|20)[0-9]{2})[-/.]([0-9]{1,2})")
_YEAR = re.compile(r"(?:18|19|20)[0-9]{2}")
_WORD = re.compile(r"[a-z\u0080-\U0010ffff]{3,}")


def normalise_birth_date(text: str, *, day_first: bool = False) -> BirthDate:
    """The date in `text`; `day_first` decides 03/04/1980 where nothing else does. Never raises."""
    folded = unicodedata.normalize("NFKC", text[:100]).strip()
    if _FRAME.fullmatch(folded):
        folded = folded.translate(_LOOK_ALIKE)
    folded = clean(folded).strip(" .,;'\"()")
    return _numeric(folded, day_first) or _written(folded) or _partial(folded) or UNKNOWN


def _numeric(text: str, day_first: bool) -> BirthDate | None:
    if match := _YEAR_FIRST.fullmatch(text) or _COMPACT.fullmatch(text):
        year, month, day = (int(part) for part in match.groups())
        return _dated(year, month, day)
    if match := _YEAR_LAST.fullmatch(text):
        first, separator, second, last = match.groups()
        return _ordered(int(first), int(second), _full_year(last), day_first or separator == ".")
    if match := _COMPACT_YEAR_LAST.fullmatch(text):
        return _ordered(int(match.group(1)), int(match.group(2)), int(match.group(3)), day_first)
    return None


def _ordered(first: int, second: int, year: int, day_first: bool) -> BirthDate | None:
    if first > 12 or (day_first and second <= 12):
        first, second = second, first
    return _dated(year, first, second)


def _written(text: str) -> BirthDate | None:
    """`12 March 1980`, `March 12th, 1980`, `12-Mar-80`, `12. März 1980`."""
    months = {month for word in _WORD.findall(text) if (month := _months().get(word))}
    numbers = [part.rstrip("stndrh") for part in tokens(text) if part[0].isdigit()]
    if len(months) != 1 or len(numbers) not in (1, 2) or not all(number.isdecimal() for number in numbers):
        return None
    month = months.pop()
    if len(numbers) == 1:
        return _whole_year(int(numbers[0])) if len(numbers[0]) == 4 else None
    day, year = (numbers[1], numbers[0]) if len(numbers[0]) == 4 else (numbers[0], numbers[1])
    if len(day) > 2 or len(year) not in (2, 4):
        return None
    return _dated(_full_year(year), month, int(day))


def _partial(text: str) -> BirthDate | None:
    if match := _YEAR.fullmatch(text) or _YEAR_MONTH.fullmatch(text):
        return _whole_year(int(match.group(0)[:4]))
    return None


def _dated(year: int, month: int, day: int) -> BirthDate | None:
    if day == 0 or month == 0:
        return _whole_year(year)
    iso = _iso(year, month, day)
    if iso is None:
        return None
    swapped = _iso(year, day, month) if day != month else None
    placeholder = (month, day) == (1, 1) or iso in _PLACEHOLDERS
    return BirthDate(iso, swapped, "placeholder_day" if placeholder else "day")


def _whole_year(year: int) -> BirthDate | None:
    iso = _iso(year, 1, 1)
    return BirthDate(iso, None, "year") if iso else None


def _iso(year: int, month: int, day: int) -> str | None:
    if not EARLIEST_YEAR <= year <= LATEST_YEAR:
        return None
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def _full_year(text: str) -> int:
    year = int(text)
    if len(text) == 4:
        return year
    return year + (2000 if year <= PIVOT else 1900)


@cache
def _months() -> dict[str, int]:
    return {clean(word): int(row["month"]) for row in rows("months") for word in row["words"].split()}
