"""Something that is read for a while and then never again: sealed with AES-256-GCM, the key in a file beside it.

Destroying thirty-two bytes makes every copy of the sealed file unreadable, on whatever block of whatever disk it lies.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

_NONCE = 12


class Sealed:
    """A sealed JSON document; its name is bound into the seal, so that files cannot be exchanged for each other."""

    def __init__(self, folder: Path, name: str, suffix: str) -> None:
        self.path = folder / f"{name}{suffix}"
        self.key = folder / f"{name}.key"
        self._name = name

    @property
    def exists(self) -> bool:
        """Whether it can be read: the file and its key are there."""
        return self.path.exists() and self.key.exists()

    def create(self, content: dict[str, Any]) -> None:
        """Make the key and keep the first content."""
        self.key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(self.key, secrets.token_bytes(32))
        self.save(content)

    def load(self) -> dict[str, Any]:
        """The content as it was saved last; FileNotFoundError when it or its key is gone."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        sealed = self.path.read_bytes()
        text = AESGCM(self.key.read_bytes()).decrypt(sealed[:_NONCE], sealed[_NONCE:], self._name.encode())
        content: dict[str, Any] = json.loads(text)
        return content

    def save(self, content: dict[str, Any]) -> None:
        """Keep the content, whole or not at all."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(_NONCE)
        sealed = AESGCM(self.key.read_bytes()).encrypt(nonce, json.dumps(content).encode(), self._name.encode())
        _write(self._partial, nonce + sealed)
        self._partial.replace(self.path)

    def destroy(self) -> None:
        """Overwrite the key, then remove what it locked; nothing when it is gone already."""
        if self.key.exists():
            with self.key.open("r+b") as handle:
                handle.write(b"\0" * 32)
                handle.flush()
                os.fsync(handle.fileno())
        for path in (self.key, self.path, self._partial):
            path.unlink(missing_ok=True)

    @property
    def _partial(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())
