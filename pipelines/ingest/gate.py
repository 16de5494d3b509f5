"""The gate in front of landing: nothing of an erased person comes in again, nor what has outlived a rule of retention.

The journal of erasures says what is suppressed, the rules in force what is too old. While there is neither, the gate is
open and costs nothing; else every file that may hold some is read first, and what matches is left out of the copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cdp.settings import Settings
from pipelines.ingest.limits import at_the_gate
from pipelines.ingest.screening import Screen, open_screen
from privacy.journal import Journal
from privacy.keys import token_keys
from privacy.matching import Keys


@contextmanager
def open_gate(settings: Settings) -> Iterator[Screen | None]:
    """What looks at files before they are landed; None while nothing is kept out."""
    held, limits = Journal(settings.privacy).suppressed(), at_the_gate(settings)
    if not held and not limits:
        yield None
        return
    from identity.normalise.columns import record_columns

    keys = Keys.of_tokens((0, token) for _, token in held)
    with open_screen(settings, keys, record_columns, token_keys(settings.privacy), limits=limits) as screen:
        yield screen
