"""Given names and surnames of eight cultures: tables to draw from, in the own script and in Latin letters.

Lists live in `data/names/`; the tail of rare surnames is put together from syllables. Frequency falls with rank, as it
does in life, so that few people are called Mary Smith and many share no name with anybody.
"""

from __future__ import annotations

import unicodedata
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from demo.dice import Bools, Dice, Floats, Ints, Texts, cumulative, pick
from demo.sheets import sheet

CULTURES = ("english", "spanish", "german", "french", "polish", "russian", "chinese", "arabic")
FEMALE, MALE = 0, 1
COMBINED_GIVEN_NAMES = 900

_LATIN = (
    *("a", "b", "v", "g", "d", "e", "e", "zh", "z", "i", "y", "k", "l", "m", "n", "o", "p"),
    *("r", "s", "t", "u", "f", "kh", "ts", "ch", "sh", "shch", "", "y", "", "e", "yu", "ya"),
)
_CYRILLIC = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        _LATIN,
        strict=True,
    )
)
_PLAIN = str.maketrans({"ł": "l", "ß": "ss", "ı": "i", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe"})


@dataclass(frozen=True)
class NameTables:
    """All names in one row of arrays; `given_block[culture, sex]` and `surname_block[culture]` say where each lies."""

    given: Texts
    given_latin: Texts
    given_plain: Texts
    nick: Texts
    nick_latin: Texts
    given_block: dict[tuple[int, int], tuple[int, Floats]]
    # Surnames by sex: shape (2, n).
    surname: Texts
    surname_latin: Texts
    surname_plain: Texts
    surname_block: dict[int, tuple[int, Floats]]
    own_script: Bools
    double_surname: Bools

    def draw_given(self, dice: Dice, culture: Ints, sex: Ints) -> Ints:
        """One given name each."""
        out = np.zeros(len(culture), np.int64)
        for (which, gender), (start, sums) in self.given_block.items():
            rows = np.flatnonzero((culture == which) & (sex == gender))
            out[rows] = start + pick(dice, sums, len(rows))
        return out

    def draw_surname(self, dice: Dice, culture: Ints) -> Ints:
        """One surname each."""
        out = np.zeros(len(culture), np.int64)
        for which, (start, sums) in self.surname_block.items():
            rows = np.flatnonzero(culture == which)
            out[rows] = start + pick(dice, sums, len(rows))
        return out


def cyrillic_to_latin(text: str) -> str:
    """Letter by letter, capitals kept: Щукин → Shchukin."""
    letters = [_CYRILLIC.get(letter.lower(), letter) for letter in text]
    return "".join(new.capitalize() if old.isupper() else new for old, new in zip(text, letters, strict=True))


def plain(text: str) -> str:
    """Lower-case ASCII letters only, as used in mail addresses."""
    bare = unicodedata.normalize("NFKD", text.lower().translate(_PLAIN))
    return "".join(letter for letter in bare if "a" <= letter <= "z")


@lru_cache(maxsize=1)
def name_tables() -> NameTables:
    """Read and combine all lists (a few thousand names), once per process."""
    sheets = [sheet(f"names/{name}") for name in CULTURES]
    given: list[tuple[str, str]] = []
    nicks: list[str] = []
    given_block: dict[tuple[int, int], tuple[int, Floats]] = {}
    forms: list[tuple[str, str, str, str]] = []
    surname_block: dict[int, tuple[int, Floats]] = {}
    for culture, lists in enumerate(sheets):
        for sex, label in ((FEMALE, "female"), (MALE, "male")):
            entries = _given(lists, label)
            given_block[culture, sex] = (len(given), _by_rank(len(entries), shift=18.0, power=0.9))
            given += entries
            nicks += [str(lists.get("nicknames", {}).get(native, "")) for native, _ in entries]
        surnames = _surnames(lists)
        surname_block[culture] = (len(forms), _by_rank(len(surnames), shift=12.0, power=1.0))
        forms += surnames
    latin = [pair[1] for pair in given]
    return NameTables(
        given=np.array([pair[0] for pair in given]),
        given_latin=np.array(latin),
        given_plain=np.array([plain(text) for text in latin]),
        nick=np.array(nicks),
        nick_latin=np.array([_latin_nick(text) for text in nicks]),
        given_block=given_block,
        surname=np.array([[form[1] for form in forms], [form[0] for form in forms]]),
        surname_latin=np.array([[form[3] for form in forms], [form[2] for form in forms]]),
        surname_plain=np.array([[plain(form[3]) for form in forms], [plain(form[2]) for form in forms]]),
        surname_block=surname_block,
        own_script=np.array([name in ("russian", "chinese", "arabic") for name in CULTURES]),
        double_surname=np.array([bool(lists.get("double_surname")) for lists in sheets]),
    )


def _latin_nick(text: str) -> str:
    latin = cyrillic_to_latin(text)
    # A nickname that has no Latin form here (Arabic) is not used in Latin records.
    return latin if latin.isascii() or not any("؀" <= letter <= "ۿ" for letter in latin) else ""


def _by_rank(count: int, shift: float, power: float) -> Floats:
    return cumulative([(rank + shift) ** -power for rank in range(count)])


def _both(entry: str) -> tuple[str, str]:
    native, _, latin = str(entry).partition("=")
    return native, latin or cyrillic_to_latin(native)


def _given(lists: dict[str, Any], label: str) -> list[tuple[str, str]]:
    entries = [_both(entry) for entry in lists["given"][label]]
    if not lists.get("combine_given"):
        return entries
    pairs = [(a + b, (c + d).capitalize()) for a, c in entries for b, d in entries if a != b]
    singles = [(native, latin.capitalize()) for native, latin in entries]
    return singles[:12] + _shuffled(pairs + singles[12:])[:COMBINED_GIVEN_NAMES]


def _surnames(lists: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """(masculine, feminine, Latin masculine, Latin feminine), most frequent first, no form twice."""
    listed = [str(entry) for entry in lists["surnames"]]
    ends = [(str(end).split("/")) for end in lists.get("endings", [])]
    made = ["/".join(f"{stem}{end}" for end in pair) for stem in lists.get("stems", []) for pair in ends]
    known = dict.fromkeys(listed)
    known.update(dict.fromkeys(_shuffled([name for name in made if name not in known])))
    return [_surname_forms(entry) for entry in known]


def _surname_forms(entry: str) -> tuple[str, str, str, str]:
    native, latin = _both(entry)
    male, _, female = native.partition("/")
    latin_male, _, latin_female = latin.partition("/")
    return male, female or male, latin_male, latin_female or latin_male


def _shuffled(items: list[Any]) -> list[Any]:
    """A fixed order that has nothing to do with the spelling."""
    return sorted(items, key=lambda item: (zlib.crc32(repr(item).encode()), repr(item)))
