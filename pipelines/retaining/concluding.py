"""The end of what a rule of retention began: one signed receipt, an entry of the audit log, and no plan any more."""

from __future__ import annotations

from typing import Any

from cdp.clock import wall_now
from cdp.settings import Settings
from cdp.store import open_store
from cdp.store.base import AuditEntry
from privacy import receipts
from privacy.receipts import Receipt
from privacy.work import Work

RETAINED = "privacy.retention"


def conclude(settings: Settings, work: Work, receipt: Receipt) -> dict[str, Any]:
    """The signed receipt of a plan; repeated after a kill it is the same."""
    signed = receipts.issue(settings.privacy, receipt)
    body = signed["receipt"]
    detail = {"status": body["status"], "receipt": receipts.digest(body), "sequence": body["sequence"]}
    with open_store(settings.database_url) as store:
        name = work.request
        store.append_audit([AuditEntry(f"retention-{name}", wall_now(), "retention", RETAINED, name, detail)])
    work.wipe()
    return signed
