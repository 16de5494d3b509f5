"""Chinese names: surname and given name, and both in pinyin as far as the table of common characters reaches.

王小明 → surname 王, given 小明, pinyin wang and xiaoming. A name with a character that the table lacks stays in
characters, and so stays apart from its Latin spelling. Korean names of three syllables are split in the same way, given
names left in Hangul. Japanese names are not taken for Chinese ones.
"""

from __future__ import annotations

import re
from functools import cache

from identity.normalise.word_lists import rows

_IDEOGRAPHS = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]{1,6}")
_HANGUL_NAME = re.compile(r"[\uac00-\ud7a3]{2,3}")
_SYLLABLE = (
    r"(?:zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?"
    r"(?:iang|iong|uang|ang|eng|ing|ong|ian|iao|uai|uan|ai|ei|ao|ou|an|en|in|un|ia|ie|iu|ua|ue|ui|uo|a|e|i|o|u)"
)
_ONE_SYLLABLE = re.compile(_SYLLABLE)
_TWO_SYLLABLES = re.compile(_SYLLABLE * 2)


def is_ideographic(text: str) -> bool:
    """Whether the text is one to six Chinese characters and nothing else."""
    return not text.isascii() and _IDEOGRAPHS.fullmatch(text) is not None


def simplified(text: str) -> str:
    """The text with the traditional characters of our table replaced by the simplified ones."""
    return text.translate(_simplified())


def split_ideographic(text: str) -> tuple[str | None, str | None]:
    """(surname, given) of a whole name without spaces; (None, None) when it does not look like a Chinese one."""
    surnames = _surnames()
    if len(text) in (3, 4) and text[:2] in surnames:
        return text[:2], text[2:]
    if len(text) in (2, 3) and text[0] in surnames:
        return text[0], text[1:]
    return None, None


def split_hangul(text: str) -> tuple[str | None, str | None]:
    """(surname romanised, given) of a Korean name without spaces; (None, None) when it does not look like one."""
    surname = _korean_surnames().get(text[0])
    return (surname, text[1:]) if surname and _HANGUL_NAME.fullmatch(text) else (None, None)


def surname_pinyin(text: str) -> str:
    """The surname in pinyin, or as it is where the table does not know it."""
    return _surnames().get(text, text)


def given_pinyin(text: str) -> str:
    """The given name in pinyin, or as it is where the table lacks one of its characters."""
    syllables = [_given().get(letter) for letter in text]
    return text if None in syllables else "".join(syllable for syllable in syllables if syllable)


def is_surname(text: str) -> bool:
    """Whether the characters are a Chinese surname."""
    return text in _surnames()


def is_latin_surname(token: str) -> bool:
    """Whether the token is a Chinese surname in pinyin."""
    return token in _latin_surnames()


def is_syllable(token: str) -> bool:
    """Whether the token is one pinyin syllable."""
    return _ONE_SYLLABLE.fullmatch(token) is not None


def is_two_syllables(token: str) -> bool:
    """Whether the token is two pinyin syllables and cannot be read as one."""
    return _TWO_SYLLABLES.fullmatch(token) is not None and not is_syllable(token)


@cache
def _surnames() -> dict[str, str]:
    return {row["simplified"]: row["pinyin"] for row in rows("chinese_names") if row["kind"] == "surname"}


@cache
def _korean_surnames() -> dict[str, str]:
    return {row["simplified"]: row["pinyin"] for row in rows("chinese_names") if row["kind"] == "korean_surname"}


@cache
def _latin_surnames() -> frozenset[str]:
    return frozenset(_surnames().values())


@cache
def _given() -> dict[str, str]:
    known = {row["simplified"]: row["pinyin"] for row in rows("chinese_names") if row["kind"] == "given"}
    single = {name: pinyin for name, pinyin in _surnames().items() if len(name) == 1}
    return {**single, **known}


@cache
def _simplified() -> dict[int, str]:
    return {
        ord(old): new
        for row in rows("chinese_names")
        for old, new in zip(row["traditional"], row["simplified"], strict=True)
        if old != new
    }
