"""Suppressions lifted for people by their identifiers; those of whole requests are lifted in `check`."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from cdp.clock import wall_now
from cdp.settings import Settings
from cdp.store import open_store
from cdp.store.base import AuditEntry
from pipelines.erasing.freezing import parse
from pipelines.erasing.requests import COMMAND_LINE
from privacy import suppression

AUDITED = "privacy.unsuppressed"


def lift_people(settings: Settings, identifiers: Sequence[str]) -> tuple[str, int]:
    """Let the people with these identifiers (`type:value`) come in again, whatever requests keep them out.

    Returns the id of the lifting and how many people were kept out. InputError for what is no identifier of one person,
    ConflictError for an address of several; nothing is lifted then.
    """
    named, now = [parse(text) for text in identifiers], wall_now()
    name = suppression.new_name(now)

    def audit() -> None:
        detail = {"identifiers": len(named)}
        entry = AuditEntry(secrets.token_hex(16), now, COMMAND_LINE, AUDITED, name, detail)
        with open_store(settings.database_url) as store:
            store.append_audit([entry])

    return name, suppression.lift(settings.privacy, named, name=name, at=now, audit=audit)
