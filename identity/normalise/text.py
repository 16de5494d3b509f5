"""Unicode text → comparable lower-case text.

`clean` folds case, width, diacritics and Cyrillic and Greek letters, keeps ASCII punctuation (the callers give it a
meaning) and turns every other symbol into a space; letters of other scripts stay. `tokens` splits cleaned text. Both
are idempotent and never raise.
"""

from __future__ import annotations

import re
import unicodedata

# Longer text is no name, street or address; the bound keeps one absurd value from costing a whole run.
LONGEST = 1000

_CYRILLIC = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "y",
    "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
    "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu",
    "я": "ya", "і": "i", "ї": "i", "є": "e", "ґ": "g", "ў": "u", "ј": "j", "љ": "lj", "њ": "nj", "ћ": "c", "ђ": "dj",
    "џ": "dz", "ѓ": "g", "ќ": "k", "ѕ": "dz", "ә": "a", "ғ": "g", "қ": "k", "ң": "n", "ө": "o", "ұ": "u", "ү": "u",
    "һ": "h",
}  # fmt: skip
_GREEK = {
    "α": "a", "β": "v", "γ": "g", "δ": "d", "ε": "e", "ζ": "z", "η": "i", "θ": "th", "ι": "i", "κ": "k", "λ": "l",
    "μ": "m", "ν": "n", "ξ": "x", "ο": "o", "π": "p", "ρ": "r", "σ": "s", "ς": "s", "τ": "t", "υ": "y", "φ": "f",
    "χ": "ch", "ψ": "ps", "ω": "o",
}  # fmt: skip
_LATIN = {
    "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i", "ħ": "h", "ŋ": "n",
    "ŧ": "t", "ĸ": "k", "ə": "a", "ɓ": "b", "ɗ": "d", "ƙ": "k",
}  # fmt: skip
_ARABIC = {"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ة": "ه", "ک": "ك", "ؤ": "و", "ئ": "ي", "ـ": ""}
_LETTERS = {ord(key): value for key, value in {**_CYRILLIC, **_GREEK, **_LATIN, **_ARABIC}.items()}
_APOSTROPHES = "’‘‛ʼʻ´`′＇"
_DASHES = "‐‑‒–—―−﹣－"


class _Folding(dict[int, str]):
    """Character → its folded form, worked out once per character ever seen."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if code < 128:
            folded = character
        elif character in _APOSTROPHES:
            folded = "'"
        elif character in _DASHES:
            folded = "-"
        elif category == "Nd":
            folded = str(unicodedata.digit(character))
        elif category[0] == "M":
            folded = "" if _is_accent(code) else character
        elif category[0] == "L":
            folded = character
        elif category == "Cf":
            folded = ""
        elif character in "、，":
            folded = ","
        else:
            folded = " "
        self[code] = folded
        return folded


def _is_accent(code: int) -> bool:
    """Marks that a writer may leave out; the vowel signs of Indic and Thai scripts are not among them."""
    return 0x300 <= code <= 0x36F or 0x591 <= code <= 0x5C7 or 0x64B <= code <= 0x65F or 0xFE00 <= code <= 0xFE0F


_FOLDING = _Folding()
# After `clean`, whatever is not ASCII is a letter, digit or mark.
_TOKEN = re.compile(r"[a-z0-9\u0080-\U0010ffff]+")


def clean(text: str) -> str:
    """Case, width, accents, Cyrillic and Greek folded; symbols and emoji become spaces; ASCII punctuation stays."""
    if len(text) > LONGEST:
        text = text[:LONGEST]
    if text.isascii():
        return text.lower()
    for _ in range(4):
        folded = _fold(text)
        if folded == text:
            break
        text = folded
    return text


def _fold(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold().replace("ου", "ou").replace("ού", "ou").translate(_LETTERS)
    folded = unicodedata.normalize("NFKD", folded).translate(_LETTERS).translate(_FOLDING)
    return unicodedata.normalize("NFC", folded).lower()


def tokens(cleaned: str) -> list[str]:
    """The words and numbers of cleaned text; apostrophes join, every other punctuation mark splits."""
    return _TOKEN.findall(cleaned.replace("'", "") if "'" in cleaned else cleaned)
