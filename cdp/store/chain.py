"""The audit log's hash chain: each row's hash covers the row and the hash before it.

An edited, removed, inserted or reordered row breaks the chain from there on. Cutting off the newest rows is found only
against a hash kept elsewhere. Entries hold no personal data, so erasing a person never touches the chain.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256

from cdp.store.base import AuditEntry, AuditRow
from cdp.store.schema import moment_text

GENESIS = "0" * 64


def link(previous_hash: str, entry: AuditEntry) -> str:
    """The hash of an entry that follows `previous_hash`: hex SHA-256 over both."""
    return sha256((previous_hash + canonical(entry)).encode()).hexdigest()


def canonical(entry: AuditEntry) -> str:
    """The entry as one JSON array whose text is the same for equal entries."""
    fields = [entry.entry_id, moment_text(entry.at), entry.actor, entry.action, entry.object, entry.detail]
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def detail_text(entry: AuditEntry) -> str:
    """The entry's detail as stored."""
    return json.dumps(dict(entry.detail), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def first_break(rows: Iterable[AuditRow], previous_hash: str = GENESIS) -> int | None:
    """The `seq` of the first row that does not follow from the one before it."""
    for row in rows:
        if row.previous_hash != previous_hash or row.hash != link(previous_hash, row.entry):
            return row.seq
        previous_hash = row.hash
    return None
