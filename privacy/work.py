"""The plan of an erasure under way: what it needs to know until it is done, encrypted, and then gone.

The plan is sealed with AES-256-GCM under a key of its own in a file beside it. Destroying thirty-two bytes makes every
copy of the plan unreadable, on whatever block of whatever disk it lies.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

from cdp.errors import NotFoundError

FOLDER = "work"


class Work:
    """The plan of one request; `content` is what was saved last."""

    def __init__(self, folder: Path, request: str, content: dict[str, Any]) -> None:
        self._folder = folder / FOLDER
        self.request = request
        self.content = content

    @classmethod
    def begin(cls, folder: Path, request: str, content: dict[str, Any]) -> Work:
        """Make the key and keep the first plan."""
        work = cls(folder, request, content)
        work._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(work._key, secrets.token_bytes(32))
        work.save()
        return work

    @classmethod
    def resume(cls, folder: Path, request: str) -> Work:
        """The plan as it was saved last. NotFoundError when there is none."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        work = cls(folder, request, {})
        if not work._plan.exists() or not work._key.exists():
            raise NotFoundError(f"There is no erasure {request[:60]} under way.")
        sealed = work._plan.read_bytes()
        text = AESGCM(work._key.read_bytes()).decrypt(sealed[:12], sealed[12:], request.encode())
        work.content = json.loads(text)
        return work

    @staticmethod
    def open_ones(folder: Path) -> list[str]:
        """Requests whose plan is there: waiting, or half done."""
        return sorted(path.stem for path in (folder / FOLDER).glob("*.plan"))

    def save(self) -> None:
        """Keep the content, whole or not at all."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(12)
        text = json.dumps(self.content).encode()
        sealed = AESGCM(self._key.read_bytes()).encrypt(nonce, text, self.request.encode())
        partial = self._plan.with_suffix(".part")
        _write(partial, nonce + sealed)
        partial.replace(self._plan)

    def wipe(self) -> None:
        """Destroy the key, then remove what it locked."""
        if self._key.exists():
            with self._key.open("r+b") as handle:
                handle.write(b"\0" * 32)
                handle.flush()
                os.fsync(handle.fileno())
        for path in (self._key, self._plan, self._plan.with_suffix(".part")):
            path.unlink(missing_ok=True)

    @property
    def _plan(self) -> Path:
        return self._folder / f"{self.request}.plan"

    @property
    def _key(self) -> Path:
        return self._folder / f"{self.request}.key"


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())
