"""The audit log on the command line: what was done, who saw whom, whether it holds, and its signed checkpoints."""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdp.clock import wall_now
from cdp.errors import CdpError, NotFoundError
from cdp.settings import Settings
from cdp.store import open_store
from cdp.store.base import AuditEntry, AuditRow
from pipelines.context import Progress

if TYPE_CHECKING:
    from privacy.seen import Sight

ACTOR = "command line"


def checkpoint(settings: Settings) -> bool:
    """Sign where the audit log ends; False when nothing was added since the last time."""
    from privacy import checkpoints

    with open_store(settings.database_url) as store:
        return checkpoints.write(settings.privacy, store, wall_now())


def sign(settings: Settings, progress: Progress) -> None:
    """The checkpoint at the end of a run; when it cannot be signed that is told, and what was published stays so."""
    try:
        checkpoint(settings)
    except (CdpError, OSError):
        progress("the audit log could not be signed; see whether the privacy folder (CDP_PRIVACY_DIR) can be written")


def verify(settings: Settings, *, public_key: Path | None = None, copy: Path | None = None) -> list[str]:
    """What is wrong with the audit log, in sentences; none when all holds. See `privacy.checkpoints.verify`."""
    from privacy import checkpoints

    with open_store(settings.database_url) as store:
        return checkpoints.verify(settings.privacy, store, public_key=public_key, copy=copy)


def rows(settings: Settings, *, action: str | None, object: str | None, after: int, limit: int) -> list[AuditRow]:
    """Entries above a place in the log, oldest first."""
    with open_store(settings.database_url) as store:
        found = store.audit_rows(after=after, limit=limit, action=action, object=object)
        note_down(store, "audit.read", object or "all", rows=len(found))
        return found


def seen(
    settings: Settings, profile_id: str, *, since: datetime | None, until: datetime | None, limit: int
) -> list[Sight]:
    """Who saw a profile. NotFoundError for an id that never was one."""
    from privacy.seen import sights

    with open_store(settings.database_url) as store:
        if store.get_profile(profile_id) is None:
            raise NotFoundError("There was never a profile with this id; `cdp profile` finds people by what is known.")
        found = sights(store, profile_id, since=since, until=until, limit=limit)
        note_down(store, "audit.read", profile_id, rows=len(found))
        return found


def note_down(store: Any, action: str, object: str, **detail: Any) -> None:
    """Write down what somebody did at the command line."""
    store.append_audit([AuditEntry(secrets.token_hex(16), wall_now(), ACTOR, action, object, detail)])
