"""Which language a text is in, as far as scoring needs to know: by script, and among Latin letters by small words.

No model and no download. A Latin text without any known small word is `en` only when all its letters are ASCII and no
other language claims it: scored by an English word list it then gets no verdict unless it holds an English word of
feeling.
"""

from __future__ import annotations

import re
from collections import Counter

_WORDS = {
    "en": "the a is are was my i it to and of for this that not you your have has do does can will with on in be been "
    "at am they she very what how when where please would could should there",
    "de": "der die das den dem ein eine einen ich sie es ist sind war nicht und mit für auf wie wann mein meine bitte "
    "sehr kann können von zu habe haben wird wurde noch auch am",
    "fr": "le la les un une des je vous il elle est sont pas et avec pour sur mon ma mes que qui de du ne quand "
    "comment très merci dans ce cette",
    "es": "el la los las un una es son no y con para por mi me se lo que de del cuándo cómo muy gracias puedo quiero "
    "está hace nunca tarde",
    "it": "il lo la gli le un una è sono non e con per mio mia che di del quando come molto grazie posso voglio",
    "pt": "o os as um uma é são não e com para por meu minha que de do da quando como muito obrigado posso",
    "nl": "de het een ik is zijn niet en met voor op mijn dat van wanneer hoe heel bedankt kan",
    "pl": "i w z na nie to jest są mój moja że do kiedy jak bardzo dziękuję czy mogę się",
}  # fmt: skip
SMALL_WORDS = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_SCRIPTS = (
    ("ja", "\u3040", "\u30ff"),
    ("zh", "\u4e00", "\u9fff"),
    ("ko", "\uac00", "\ud7af"),
    ("cyrillic", "\u0400", "\u04ff"),
    ("arabic", "\u0600", "\u06ff"),
)
_WORD = re.compile(r"[^\W\d_]+")


def language(text: str) -> str:
    """An ISO 639 code, a script where the script does not tell the language, `latin`, or `none` without letters."""
    letters = [character for character in text.lower() if character.isalpha()]
    if not letters:
        return "none"
    scripts = Counter(_script(character) for character in letters)
    if scripts["ja"]:
        return "ja"
    script, most = scripts.most_common(1)[0]
    if script != "latin":
        # Latin names and brands are common in other scripts, not the other way round.
        return script
    foreign = max((name for name in scripts if name != "latin"), key=lambda name: scripts[name], default=None)
    return foreign if foreign is not None and 3 * scripts[foreign] >= most else _latin(text.lower(), letters)


def _script(character: str) -> str:
    return next((name for name, first, last in _SCRIPTS if first <= character <= last), "latin")


def _latin(text: str, letters: list[str]) -> str:
    words = Counter(_WORD.findall(text))
    hits = {name: sum(words[word] for word in small) for name, small in SMALL_WORDS.items()}
    best = max(hits, key=lambda name: hits[name])
    if hits[best] == 0:
        return "en" if all(character.isascii() for character in letters) else "latin"
    rivals = [name for name in hits if name != best and hits[name] == hits[best]]
    return "latin" if rivals else best
