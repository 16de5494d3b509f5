"""Names of people: columns or one text → given, middle, family, suffix, and keys that compare across spellings.

Honorifics, degrees and texts that name nobody (Unknown, Lady of the House) are taken away; `Last, First` is turned
round; particles join the surname that follows (van den Berg → vandenberg); a digit inside a word of a scanned form
becomes the letter it looks like. A single word in a full name could be either part: it is the family name only when the
table does not know it as a given name. Organisations keep `full` and `key` only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

from identity.normalise import chinese
from identity.normalise.nicknames import given_roots, is_known_given_name
from identity.normalise.text import LONGEST, clean
from identity.normalise.word_lists import words


class Name(NamedTuple):
    """One name. `root` is the best guess at the formal given name, `roots` all guesses; `key` ignores the order."""

    given: str | None = None
    root: str | None = None
    roots: tuple[str, ...] | None = None
    initial: str | None = None
    middle: str | None = None
    family: str | None = None
    suffix: str | None = None
    full: str | None = None
    key: str | None = None


class Parts(NamedTuple):
    """Tokens by role; given tokens keep their hyphens, family tokens are split and glued."""

    given: tuple[str, ...] = ()
    middle: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    suffix: str | None = None
    whole: tuple[str, ...] = ()
    # The one word that a plain part consists of: ASCII, no hyphen, no suffix, nothing behind it.
    simple: str | None = None


NOBODY = Name()
_NO_PARTS = Parts()
_CACHE = 300_000
_WORD = re.compile(r"[a-z0-9\u0080-\U0010ffff]+(?:-[a-z0-9\u0080-\U0010ffff]+)*")
_ASIDE = re.compile(r"\([^()]*\)|\"[^\"]*\"|\[[^\[\]]*\]")
_DEGREE = re.compile(r"\b(ph\.? ?d|m\. ?d|d\. ?d\. ?s|m\. ?b\. ?a|j\. ?d|r\. ?n|c\. ?p\. ?a|dipl\.? ?-?ing)\b\.?")
_COMPANY_ENDINGS = ("公司", "集团", "大学", "学校", "医院", "株式会社")
_SCANNED = str.maketrans("01358", "olesb")
_GENERATIONS = ("jr", "sr", "ii", "iii", "iv", "v")


def normalise_name(first: str | None, middle: str | None, last: str | None, full: str | None) -> Name:
    """The name in whichever of the four texts there are; never raises."""
    given = given_part(first) if first else _NO_PARTS
    family = family_part(last) if last else _NO_PARTS
    if given.simple and family.simple and not middle:
        return _simple(given, family)
    if first and not given.whole and words("name_words", "filler").issuperset(family.family):
        family = _NO_PARTS
    if not given.whole and not family.whole:
        return _built(_whole_part(full)) if full else NOBODY
    if not given.whole or not family.whole:
        found = _completed(first if given.whole else None, last if family.whole else None, full)
        if found is not None:
            return _built(found)
    between = given.middle + (_middle_part(middle) if middle else ())
    return _built(Parts(given.given, between, family.family, family.suffix or given.suffix))


def _completed(first: str | None, last: str | None, full: str | None) -> Parts | None:
    """Parts of a name of which one column is empty: from the full name, or because one column holds the whole."""
    if full and (parts := _whole_part(full)).family and parts.given:
        return parts
    alone = _whole_part(first or last or "")
    if not alone.given and not alone.family and len(alone.whole) > 1:
        return alone
    if first and alone.given and alone.family and not is_known_given_name(alone.family[-1]):
        return alone
    if last and alone.given and alone.family and is_known_given_name(alone.given[0]):
        return alone
    return None


def _simple(given: Parts, family: Parts) -> Name:
    """The common case, one plain word each, without the general way through lists of words."""
    first, last = given.simple or "", family.simple or ""
    roots = given_roots(first)
    key = f"{first} {last}" if first < last else f"{last} {first}"
    if len(first) == 1 or len(last) == 1 or first == last:
        return _built(Parts(given.given, (), family.family))
    return Name(first, roots[0], roots, first[0], None, last, None, f"{first} {last}", key)


def _built(parts: Parts) -> Name:
    given, middle, family = "".join(parts.given).replace("-", ""), " ".join(parts.middle), " ".join(parts.family)
    if not given and not family:
        if not parts.whole:
            return NOBODY
        return Name(full=" ".join(parts.whole), key=" ".join(sorted(parts.whole)), suffix=parts.suffix)
    if parts.middle and chinese.is_latin_surname(family):
        given, middle = _joined_syllables(given, middle)
    ideographic = chinese.is_ideographic(given)
    roots = (chinese.given_pinyin(given),) if ideographic else given_roots(given) if given else ()
    surname = chinese.surname_pinyin(family) if chinese.is_ideographic(family) else family
    pieces = [*(word for part in parts.given for word in part.split("-")), *middle.split(), *surname.split()]
    if ideographic:
        pieces = [roots[0], *middle.split(), *surname.split()]
    elif given and not middle and parts.middle:
        pieces = [given, *surname.split()]
    long = sorted({piece for piece in pieces if len(piece) > 1 or not piece.isascii()})
    full = family + given if ideographic else " ".join(filter(None, (given, middle, surname)))
    return Name(
        given=given or None,
        root=roots[0] if roots else None,
        roots=roots or None,
        initial=(roots[0] if ideographic else given)[0] if given else None,
        middle=middle or None,
        family=surname or None,
        suffix=parts.suffix,
        full=full,
        key=" ".join(long or sorted(pieces)),
    )


def _joined_syllables(given: str, middle: str) -> tuple[str, str]:
    """`xiao` + `ming` is one Chinese given name."""
    if " " not in middle and chinese.is_syllable(given) and chinese.is_syllable(middle) and len(given + middle) > 3:
        return given + middle, ""
    return given, middle


@lru_cache(maxsize=_CACHE)
def given_part(text: str) -> Parts:
    """The first-name column."""
    found = _people_words(text)
    no_given = words("name_words", "nobody_given") | words("name_words", "honorific")
    while found and found[0] in no_given:
        found = found[1:]
    if not found:
        return _NO_PARTS
    found, suffix = _without_suffix(found)
    if not found:
        return _NO_PARTS
    simple = found[0] if len(found) == 1 and suffix is None and found[0].isascii() and found[0].isalpha() else None
    return Parts((found[0],), tuple(_split(found[1:])), (), suffix, tuple(found), simple)


@lru_cache(maxsize=_CACHE)
def family_part(text: str) -> Parts:
    """The last-name column; `Herr` alone is a surname there."""
    found = [text.lower()] if text.lower() in words("name_words", "honorific") else _people_words(text)
    found, suffix = _without_suffix(found)
    family = tuple(_glued(_split(found)))
    simple = family[0] if len(family) == 1 and suffix is None and family[0].isascii() and family[0].isalpha() else None
    return Parts((), (), family, suffix, family, simple)


@lru_cache(maxsize=_CACHE)
def _middle_part(text: str) -> tuple[str, ...]:
    return tuple(_split(_people_words(text)))


@lru_cache(maxsize=_CACHE)
def _whole_part(text: str) -> Parts:
    """A full name in one text."""
    found = _people_words(text)
    if not found:
        return _NO_PARTS
    plain = _split(found)
    if _is_organisation(plain):
        return Parts(whole=tuple(plain))
    if not plain[0].isascii() and (parts := _ideographic(plain)):
        return parts
    line = clean(text)
    return ("," in line and _turned_round(line, plain)) or _in_order(found, plain, couple="&" in line)


def _turned_round(line: str, plain: list[str]) -> Parts | None:
    """`Last, First Middle`; None when only a suffix or a degree follows the comma."""
    before, _, after = line.partition(",")
    behind, suffix = _without_suffix(_people_words(after))
    family = family_part(before)
    if len(behind) > 1 and _is_suffix(behind[:1]):
        behind, suffix = behind[1:], suffix or _generation(behind[0])
    if not behind or not family.family or _is_suffix(behind):
        return None
    first = given_part(" ".join(behind))
    return Parts(first.given, first.middle, family.family, suffix or family.suffix, tuple(plain))


def _in_order(found: list[str], plain: list[str], *, couple: bool) -> Parts:
    """`First Middle Last Suffix`, a single word, a couple, or a Chinese name with the surname first."""
    found, suffix = _without_suffix(found)
    if len(found) < 2:
        alone = tuple(_split(found))
        return Parts(family=() if not alone or is_known_given_name(alone[0]) else alone, suffix=suffix, whole=alone)
    if len(found) == 2 and chinese.is_latin_surname(found[0]) and chinese.is_two_syllables(found[1]):
        return Parts((found[1],), (), (found[0],), suffix, tuple(plain))
    start = len(found) - 1
    while start > 1 and found[start - 1] in words("name_words", "particle"):
        start -= 1
    behind = tuple(_glued(_split(found[start:])))
    if couple or "and" in plain:
        return Parts(family=behind, suffix=suffix, whole=tuple(plain))
    # What the first-name column would not take for a name is none here either.
    return Parts(given_part(found[0]).given, _middle_part(" ".join(found[1:start])), behind, suffix, tuple(plain))


def _ideographic(found: list[str]) -> Parts | None:
    """A name in Chinese characters, written together or in two words in either order; a Korean one together."""
    if len(found) == 1:
        surname, rest = chinese.split_hangul(found[0])
        if surname and rest:
            return Parts((rest,), (), (surname,), None, tuple(found))
    if not all(chinese.is_ideographic(token) for token in found) or len(found) > 2:
        return None
    family: str | None
    given: str | None
    if len(found) == 1:
        family, given = chinese.split_ideographic(found[0])
    else:
        family, given = found if chinese.is_surname(found[0]) or not chinese.is_surname(found[1]) else found[::-1]
    if family is None or given is None:
        return Parts(whole=tuple(found))
    return Parts((given,), (), (family,), None, tuple(found))


@lru_cache(maxsize=_CACHE)
def _people_words(text: str) -> list[str]:
    """The words of a name, hyphens kept, without honorifics, degrees and fillers; empty when nobody is named."""
    if text.isascii() and text.isalpha():
        found = [text[:LONGEST].lower()]
    else:
        line = clean(text)
        if "(" in line or '"' in line or "[" in line:
            line = _ASIDE.sub(" ", line)
        if "." in line:
            line = _DEGREE.sub(lambda match: re.sub(r"[^a-z]", "", match.group(0)) + " ", line)
        found = _WORD.findall(line.replace("'", "").replace("|", "l"))
        found = [_letters(token) for token in found]
        if not line.isascii():
            found = [token for token in map(_without_chinese_honorific, map(chinese.simplified, found)) if token]
    found = [token for token in found if token not in words("name_words", "nobody")]
    if not _is_organisation(_split(found)):
        found = _spelled(found)
    while len(found) > 1 and found[-1] in words("name_words", "postnominal"):
        found = found[:-1]
    return [] if _names_nobody(found) else found


def _spelled(found: list[str]) -> list[str]:
    """The words that have a letter, from the first that is no honorific."""
    found = [token for token in found if any(letter.isalpha() for letter in token)]
    while len(found) > 1 and found[0] in words("name_words", "honorific"):
        found = found[1:]
    return found


def _letters(token: str) -> str:
    """`me1issa` → melissa; numbers and ordinals stay."""
    if token.isalpha() or not any(letter.isalpha() for letter in token) or token[0].isdigit():
        return token
    return token.translate(_SCANNED)


def _without_chinese_honorific(token: str) -> str:
    if token.isascii():
        return token
    for honorific in words("name_words", "chinese_honorific"):
        if token.endswith(honorific) and len(token) > len(honorific):
            return token.removesuffix(honorific)
    return "" if token in words("name_words", "chinese_honorific") else token


def _names_nobody(found: list[str]) -> bool:
    plain = _split(found)
    nobody, filler = words("name_words", "nobody"), words("name_words", "filler")
    if "".join(plain) in nobody or not any(letter.isalpha() for token in plain for letter in token):
        return True
    if len(plain) == 1:
        return plain[0] in nobody or (plain[0] in words("name_words", "honorific") and plain[0] not in ("ing", "mag"))
    return all(token in nobody or token in filler for token in plain)


def _without_suffix(found: list[str]) -> tuple[list[str], str | None]:
    """The words without generation suffixes at the end, and the last such suffix."""
    suffix: str | None = None
    while len(found) > 1:
        last = found[-1]
        if last in words("name_words", "postnominal"):
            found = found[:-1]
            continue
        kind = _generation(last)
        if kind is None:
            break
        suffix, found = kind, found[:-1]
    return ([], None) if suffix and _names_nobody(found) else (found, suffix)


def _is_suffix(found: list[str]) -> bool:
    """Whether the words are one suffix or degree and nothing else."""
    return len(found) == 1 and (found[0] in words("name_words", "postnominal") or _generation(found[0]) is not None)


def _generation(word: str) -> str | None:
    """The suffix that the word is, in one spelling."""
    return next((kind for kind in _GENERATIONS if word in words("name_words", f"generation_{kind}")), None)


def _is_organisation(plain: list[str]) -> bool:
    if not plain or plain[-1].endswith(_COMPANY_ENDINGS):
        return bool(plain)
    if len(plain) < 2:
        return False
    letters = "".join(reversed(list(takewhile(lambda token: len(token) == 1, reversed(plain)))))
    return (
        letters in words("name_words", "legal")
        or plain[-1] in words("name_words", "legal")
        or any(token in words("name_words", "organisation") for token in plain)
    )


def _split(found: list[str]) -> list[str]:
    return [piece for token in found for piece in token.split("-")] if any("-" in token for token in found) else found


def _glued(found: list[str]) -> list[str]:
    """Particles joined to the word that follows them."""
    while len(found) > 1:
        joined: list[str] = []
        held = ""
        for place, token in enumerate(found):
            if token in words("name_words", "particle") and place + 1 < len(found):
                held += token
            else:
                joined.append(held + token)
                held = ""
        if joined == found:
            break
        found = joined
    return found
