"""Something that is read for a while and then never again: sealed with AES-256-GCM, the key in a file of its own.

Destroying thirty-two bytes makes every copy of the sealed file unreadable, on whatever block of whatever disk it lies.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

from privacy.folder import overwrite, partial, write

_NONCE = 12


class Sealed:
    """A sealed file; its name is bound into the seal, so that files cannot be exchanged for each other.

    The key lies beside it, or in the folder `keys`.
    """

    def __init__(self, folder: Path, name: str, suffix: str, *, keys: Path | None = None) -> None:
        self.path = folder / f"{name}{suffix}"
        self.key = (keys or folder) / f"{name}.key"
        self._name = name

    @property
    def exists(self) -> bool:
        """Whether it can be read: the file and its key are there."""
        return self.path.exists() and self.key.exists()

    def create(self, content: dict[str, Any]) -> None:
        """Make the key and keep the first content."""
        self.make_key()
        self.save(content)

    def make_key(self) -> None:
        """A new key: what was sealed with a former one cannot be read any more."""
        for folder in (self.key.parent, self.path.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        overwrite(self.key, secrets.token_bytes(32))

    def load(self) -> dict[str, Any]:
        """The document as it was saved last; FileNotFoundError when it or its key is gone."""
        content: dict[str, Any] = json.loads(self.read())
        return content

    def save(self, content: dict[str, Any]) -> None:
        """Keep a document, whole or not at all."""
        self.write(json.dumps(content).encode())

    def read(self) -> bytes:
        """The bytes as they were written last.

        FileNotFoundError when they or their key are gone, ValueError when one does not fit the other.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        sealed = self.path.read_bytes()
        try:
            return AESGCM(self.key.read_bytes()).decrypt(sealed[:_NONCE], sealed[_NONCE:], self._name.encode())
        except InvalidTag:
            raise ValueError(f"{self.path.name} does not fit its key") from None

    def write(self, content: bytes) -> None:
        """Keep bytes, whole or not at all."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(_NONCE)
        sealed = AESGCM(self.key.read_bytes()).encrypt(nonce, content, self._name.encode())
        write(self.path, nonce + sealed)

    def destroy(self) -> None:
        """Overwrite the key, then remove what it locked; nothing when it is gone already."""
        if self.key.exists():
            with self.key.open("r+b") as handle:
                handle.write(b"\0" * 32)
                handle.flush()
                os.fsync(handle.fileno())
        for path in (self.key, self.path, partial(self.path)):
            path.unlink(missing_ok=True)
