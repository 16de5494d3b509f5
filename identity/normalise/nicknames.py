"""Given names and their short forms: Bob, Rob and Roberto lead to `robert`.

A short form may belong to several names (Alex, Pat, Sandy): `given_roots` gives all of them, best guess first, so that
two records agree when any root is shared. A name that the table does not know is its own root.
"""

from __future__ import annotations

from functools import cache

from identity.normalise.text import clean, tokens
from identity.normalise.word_lists import rows


def given_roots(given: str) -> tuple[str, ...]:
    """The names that `given` (folded) may stand for, best guess first; `given` itself when none is known."""
    return _roots().get(given) or (given,)


def is_known_given_name(token: str) -> bool:
    """Whether the table knows the token as a given name."""
    return token in _roots()


@cache
def _roots() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for row in rows("nicknames"):
        root = _folded(row["root"])
        for name in dict.fromkeys((root, *(_folded(word) for word in row["also"].split()))):
            roots = found.setdefault(name, [])
            if root not in roots:
                roots.append(root)
    best = {_folded(row["word"]): _folded(row["root"]) for row in rows("nickname_choices")}
    return {name: _first(best.get(name, name), roots) for name, roots in found.items()}


def _first(chosen: str, roots: list[str]) -> tuple[str, ...]:
    return (chosen, *(root for root in roots if root != chosen)) if chosen in roots else tuple(roots)


def _folded(word: str) -> str:
    return "".join(tokens(clean(word)))
