"""What to say when a name is not known: the nearest ones that are, or all of them when they are few.

Names come from callers, so they are cut before they are repeated; known names come from the data and never from people.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 80
FEW = 12


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One sentence: `There is no stage `decison`; did you mean `decision`?`."""
    return f"There is no {kind} `{name[:LONGEST]}`; {hint(name, known)}"


def hint(name: str, known: Iterable[str]) -> str:
    """What to take instead: ``did you mean `decision`?``, or which names there are."""
    names = sorted(set(known))
    if not names:
        return "there is none yet."
    lower = {each.lower(): each for each in names}
    near = [lower[each] for each in get_close_matches(name.lower()[:LONGEST], list(lower), n=3, cutoff=0.5)]
    if near:
        return f"did you mean {' or '.join(f'`{each}`' for each in near)}?"
    if len(names) <= FEW:
        return f"there are {', '.join(names)}."
    return f"there are {len(names)}, among them {', '.join(names[:FEW])}."
