"""The audit trail of reads: recorded before the answer leaves, chained into the store a moment later.

An entry is first appended to a spool file in the state home (microseconds, survives a kill), then moved in batches to
the store's hash chain. Entry ids make the move repeatable, so a crash between the two loses and doubles nothing. Each
process writes files of its own, held by a lock; files whose owner is gone are taken over at the next start.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import secrets
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from cdp.clock import wall_now
from cdp.errors import CdpError, ResourceError
from cdp.store.base import AuditEntry, Store

INTERVAL = 1.0
BATCH = 500

logger = logging.getLogger("wayfinder.api")


class AuditTrail:
    """Records who read what; thread-safe."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._lock = threading.Lock()
        self._moving = threading.Lock()
        self._current: _Spool | None = None
        self._waiting: list[_Spool] = []
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._waiting.extend(_orphans(folder))

    def record(self, actor: str, action: str, object: str, detail: Mapping[str, Any] | None = None) -> None:
        """Keep an entry before the answer leaves. ResourceError when it cannot be kept: then nothing is answered."""
        entry = AuditEntry(secrets.token_hex(16), wall_now(), actor, action, object, detail or {})
        with self._lock:
            try:
                if self._current is None:
                    self._current = _Spool.create(self._folder)
                self._current.append(entry)
            except OSError:
                raise ResourceError("The audit trail cannot be written, so nothing is answered.") from None

    def flush(self) -> int:
        """Move what was recorded to the store; returns how many entries were new there."""
        with self._moving:
            with self._lock:
                if self._current is not None:
                    self._waiting.append(self._current)
                    self._current = None
            moved = 0
            while self._waiting:
                entries = self._waiting[0].entries()
                for start in range(0, len(entries), BATCH):
                    moved += self._store.append_audit(entries[start : start + BATCH])
                self._waiting.pop(0).remove()
            return moved

    async def keep_flushing(self) -> None:
        """Flush every moment until cancelled. When the store does not answer, entries wait in their files."""
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await asyncio.to_thread(self.flush)
            except CdpError as error:
                logger.warning("audit entries wait for the store: %s", error.message)

    def close(self) -> None:
        """Flush a last time; what the store does not take waits for the next start."""
        try:
            self.flush()
        except CdpError as error:
            logger.warning("audit entries wait for the next start: %s", error.message)
        for spool in self._waiting:
            spool.release()


class _Spool:
    """One file of entries, one JSON array a line, locked by its owner."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path = path
        self._handle = handle

    @classmethod
    def create(cls, folder: Path) -> _Spool:
        path = folder / f"{secrets.token_hex(8)}.jsonl"
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        return cls(path, handle)

    def append(self, entry: AuditEntry) -> None:
        fields = [entry.entry_id, entry.at.isoformat(), entry.actor, entry.action, entry.object, dict(entry.detail)]
        os.write(self._handle, json.dumps(fields).encode() + b"\n")

    def entries(self) -> list[AuditEntry]:
        lines = self._path.read_bytes().split(b"\n")
        # What follows the last newline is a line that a kill cut off; its answer never left.
        return [_entry(json.loads(line)) for line in lines[:-1]]

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        os.close(self._handle)


def _orphans(folder: Path) -> list[_Spool]:
    """Files whose owner is gone: the lock of a process ends with it."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        try:
            handle = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        found.append(_Spool(path, handle))
    return found


def _entry(fields: list[Any]) -> AuditEntry:
    entry_id, at, actor, action, object_, detail = fields
    return AuditEntry(entry_id, datetime.fromisoformat(at), actor, action, object_, detail)
