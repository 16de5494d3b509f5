"""Names of people: columns or one text → given, middle, family, suffix, and keys that compare across spellings.

Honorifics, degrees and texts that name nobody (Unknown, Lady of the House) are taken away; `Last, First` is turned round;
particles join the surname that follows (van den Berg → vandenberg); a digit inside a word of a scanned form becomes the
letter it looks like. A single word in a full name could be either part: it is the family name only when the table does
not know it as a given name. Organisations keep `full` and `key` only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from identity.normalise import chinese
from identity.normalise.nicknames import given_roots, is_known_given_name
from identity.normalise.text import clean
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


class _Parts(NamedTuple):
    """Tokens by role; given tokens keep their hyphens, family tokens are split and glued."""

    given: tuple[str, ...] = ()
    middle: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    suffix: str | None = None
    whole: tuple[str, ...] = ()


NOBODY = Name()
_NO_PARTS = _Parts()
_CACHE = 300_000
_WORD = re.compile(r"[a-z0-9\u0080-\U0010ffff]+(?:-[a-z0-9\u0080-\U0010ffff]+)*")
_ASIDE = re.compile(r"\([^()]*\)|\"[^\"]*\"|\[[^\[\]]*\]")
_DEGREE = re.compile(r"\b(ph\.? ?d|m\. ?d|d\. ?d\. ?s|m\. ?b\. ?a|j\. ?d|r\. ?n|c\. ?p\. ?a|dipl\.? ?-?ing)\b\.?")
_SCANNED = str.maketrans("01358", "olesb")
_GENERATIONS = ("jr", "sr", "ii", "iii", "iv", "v")


def normalise_name(first: str | None, middle: str | None, last: str | None, full: str | None) -> Name:
    """The name in whichever of the four texts there are; never raises."""
    given = _given_part(first) if first else _NO_PARTS
    family = _family_part(last) if last else _NO_PARTS
    if given.given and family.family:
        between = given.middle + (_middle_part(middle) if middle else ())
        return _built(_Parts(given.given, between, family.family, family.suffix or given.suffix))
    if not given.whole and not family.whole:
        return _built(_whole_part(full)) if full else NOBODY
    if full and (parts := _whole_part(full)).family and parts.given:
        return _built(parts)
    if given.whole and not family.whole and first:
        alone = _whole_part(first)
        if len(alone.whole) > 1 and alone.family and not is_known_given_name(alone.family[-1]):
            return _built(alone)
    if family.whole and not given.whole and last:
        alone = _whole_part(last)
        if alone.given and is_known_given_name(alone.given[0]) or not alone.family:
            return _built(alone)
    between = given.middle + (_middle_part(middle) if middle else ())
    return _built(_Parts(given.given, between, family.family, family.suffix or given.suffix))


def _built(parts: _Parts) -> Name:
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
def _given_part(text: str) -> _Parts:
    found = _people_words(text)
    if not found or (len(found) == 1 and found[0] in words("name_words", "nobody_given")):
        return _NO_PARTS
    found, suffix = _without_suffix(found)
    return _Parts(given=(found[0],), middle=tuple(_split(found[1:])), suffix=suffix, whole=tuple(found))


@lru_cache(maxsize=_CACHE)
def _family_part(text: str) -> _Parts:
    found, suffix = _without_suffix(_people_words(text))
    family = tuple(_glued(_split(found)))
    return _Parts(family=family, suffix=suffix, whole=family)


@lru_cache(maxsize=_CACHE)
def _middle_part(text: str) -> tuple[str, ...]:
    return tuple(_split(_people_words(text)))


@lru_cache(maxsize=_CACHE)
def _whole_part(text: str) -> _Parts:
    """A full name in one text."""
    line = clean(text)
    found = _people_words(text)
    if not found:
        return _NO_PARTS
    plain = _split(found)
    if _is_organisation(plain):
        return _Parts(whole=tuple(plain))
    if not line.isascii() and (parts := _ideographic(plain)):
        return parts
    before, comma, after = line.partition(",")
    if comma and (behind := _without_suffix(_people_words(after))[0]) and (family := _family_part(before)).family:
        suffix = _without_suffix(_people_words(after))[1] or family.suffix
        return _Parts((behind[0],), tuple(_split(behind[1:])), family.family, suffix, tuple(plain))
    found, suffix = _without_suffix(found)
    if len(found) == 1:
        alone = tuple(_split(found))
        family = () if is_known_given_name(alone[0]) else alone
        return _Parts(family=family, suffix=suffix, whole=alone)
    start = len(found) - 1
    while start > 1 and found[start - 1] in words("name_words", "particle"):
        start -= 1
    behind = tuple(_glued(_split(found[start:])))
    if "and" in plain or "&" in line:
        return _Parts(family=behind, suffix=suffix, whole=tuple(plain))
    if len(found) == 2 and chinese.is_latin_surname(found[0]) and chinese.is_two_syllables(found[1]):
        return _Parts((found[1],), (), (found[0],), suffix, tuple(plain))
    return _Parts((found[0],), tuple(_split(found[1:start])), behind, suffix, tuple(plain))


def _ideographic(found: list[str]) -> _Parts | None:
    """A name in Chinese characters, written together or in two words in either order."""
    if not all(chinese.is_ideographic(token) for token in found) or len(found) > 2:
        return None
    family: str | None
    given: str | None
    if len(found) == 1:
        family, given = chinese.split_ideographic(found[0])
    else:
        family, given = found if chinese.is_surname(found[0]) or not chinese.is_surname(found[1]) else found[::-1]
    if family is None or given is None:
        return _Parts(whole=tuple(found))
    return _Parts((given,), (), (family,), None, tuple(found))


@lru_cache(maxsize=_CACHE)
def _people_words(text: str) -> list[str]:
    """The words of a name, hyphens kept, without honorifics, degrees and fillers; empty when nobody is named."""
    if text.isascii() and text.isalpha():
        found = [text.lower()]
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
    while len(found) > 1 and found[0] in words("name_words", "honorific"):
        found = found[1:]
    while len(found) > 1 and found[-1] in words("name_words", "postnominal"):
        found = found[:-1]
    return [] if _names_nobody(found) else found


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
        kind = next((kind for kind in _GENERATIONS if last in words("name_words", f"generation_{kind}")), None)
        if kind is None:
            break
        suffix, found = kind, found[:-1]
    return found, suffix


def _is_organisation(plain: list[str]) -> bool:
    if plain[-1].endswith(("公司", "集团", "大学", "学校", "医院", "株式会社")):
        return True
    if len(plain) < 2:
        return False
    return plain[-1] in words("name_words", "legal") or any(
        token in words("name_words", "organisation") for token in plain
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
