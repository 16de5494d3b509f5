"""Makes the package of an approved request, hands it out on this machine, and ends it when its time is over.

Making can be repeated: a kill leaves nothing that counts, and the package that is made again takes its place. Nothing
is ever written in plain text but the file that an operator asks for.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from cdp.clock import wall_now
from cdp.errors import InputError, ResourceError
from cdp.settings import Settings
from cdp.store import open_store
from cdp.store.base import AuditEntry
from pipelines.context import Progress, quiet
from pipelines.packaging.content import gather
from privacy.closure import Closure
from privacy.packages import formats
from privacy.packages.content import Kind
from privacy.packages.vault import READ, Record, Vault, Whose
from privacy.requests.request import Request

MADE, ENDED = "privacy.package.made", "privacy.package.expired"


def vault_of(settings: Settings) -> Vault:
    """The packages of this home."""
    return Vault(settings.packages, settings.privacy)


def make(settings: Settings, request: Request, closure: Closure, progress: Progress = quiet) -> Record:
    """Gather, write and seal the package of a request; its record says whether anything is held at all.

    The caller holds the writer lock.
    """
    progress(f"{request.kind}: gathering what is held …")
    now = wall_now()
    content, person = gather(settings, request.request, cast(Kind, request.kind), closure, now)
    record = Record(
        request=request.request,
        kind=request.kind,
        made_at=now.isoformat(),
        expires_at=(now + timedelta(settings.privacy_package_days)).isoformat(),
        rows=content.rows,
        tables=len(content.parts),
        doubtful=person.doubtful,
    )
    archive = formats.archive(content) if content.rows else b""
    named = whose([closure], person.profiles)
    kept = vault_of(settings).keep(record, named, archive)
    counts = {"kind": kept.kind, "rows": kept.rows, "tables": kept.tables, "doubtful": kept.doubtful}
    _audit(settings, [AuditEntry(f"package-{kept.request}", now, "pipeline", MADE, kept.request, counts)])
    return kept


def write(settings: Settings, request: str, target: Path, *, actor: str) -> Record:
    """Write the decrypted package to a file for its owner alone; kept in the audit log as a read of the person.

    Raises what `Vault.open` raises; InputError when the file is there already or its folder is not.
    """
    now = wall_now()
    record, named, archive = vault_of(settings).open(request, now)
    if target.exists():
        raise InputError(f"{target.name} is there already; name another file.")
    # First the audit log: nothing is shown of which nobody could say who saw it.
    _audit(
        settings,
        [
            AuditEntry(secrets.token_hex(16), now, actor, READ, seen, {"request": request})
            for seen in (request, *sorted(named.profiles))
        ],
    )
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        raise InputError(f"{target.name} cannot be written: {error.strerror}.") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(archive)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ResourceError(f"{target.name} cannot be written: {error.strerror}.") from None
    return record


def expire(settings: Settings, progress: Progress = quiet) -> list[str]:
    """Destroy the packages whose time is over; returns their requests."""
    now = wall_now()
    ended = vault_of(settings).expire(now)
    if ended:
        _audit(settings, [AuditEntry(f"package-end-{one}", now, "pipeline", ENDED, one, {}) for one in ended])
        progress(f"{len(ended)} package(s) whose time was over are destroyed")
    return ended


def whose(closures: Sequence[Closure], profiles: Sequence[str] = ()) -> Whose:
    """By what packages of these people are recognised."""
    return Whose(
        records=frozenset(record for one in closures for record in one.records),
        profiles=frozenset({*profiles, *(profile for one in closures for profile in one.profiles)}),
        values=frozenset(
            value for one in closures for value in (*one.mailboxes, *(d.device for d in one.devices if d.whole))
        ),
    )


def told(record: Record) -> dict[str, Any]:
    """A record as commands show it: without the digest, and with when it ends."""
    return {
        "request": record.request, "kind": record.kind, "made_at": record.made_at, "expires_at": record.expires_at,
        "rows": record.rows, "tables": record.tables, "doubtful": record.doubtful, "bytes": record.bytes,
        "nothing_held": record.holds_nothing, "ended": record.ended,
    }  # fmt: skip


def _audit(settings: Settings, entries: list[AuditEntry]) -> None:
    with open_store(settings.database_url) as store:
        store.append_audit(entries)
