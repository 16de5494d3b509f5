"""The gate in front of landing: nothing of an erased person comes in again, whatever file it is in.

The journal of erasures says what is suppressed. While it is empty the gate is open and costs nothing; else every file
that would be landed is read first, and what matches is left out of the copy that is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cdp.settings import Settings
from pipelines.ingest.screening import Screen, open_screen
from privacy.journal import Journal
from privacy.keys import token_keys
from privacy.matching import Keys


@contextmanager
def open_gate(settings: Settings) -> Iterator[Screen | None]:
    """What looks at files before they are landed; None while nothing is suppressed."""
    held = Journal(settings.privacy).suppressed()
    if not held:
        yield None
        return
    from identity.normalise.columns import record_columns

    keys = Keys.of_tokens((0, token) for _, token in held)
    with open_screen(settings, keys, record_columns, token_keys(settings.privacy)) as screen:
        yield screen
