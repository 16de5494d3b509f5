"""The secrets of privacy: keys for tokens, in versions, and the pair that signs receipts.

They lie in the privacy folder (`CDP_PRIVACY_DIR`), never in a database: a token must not be reversible by whoever reads
the store. Tokens are made under the newest version and recognised under all, since an old token cannot be made anew
without the value it stands for.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cdp.errors import ConfigurationError, ResourceError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TOKEN_KEYS = "token-keys.json"  # noqa: S105  # a file's name
SIGNING_KEY = "signing-key.pem"
PUBLIC_KEY = "signing-key.pub.pem"


@dataclass(frozen=True)
class TokenKeys:
    """Keys by version; `current` makes new tokens."""

    versions: dict[int, bytes]

    @property
    def current(self) -> int:
        """The newest version."""
        return max(self.versions)


def token_keys(folder: Path) -> TokenKeys:
    """The token keys, made on first use. ConfigurationError when the file is damaged."""
    path = folder / TOKEN_KEYS
    if not path.exists():
        _create(path, json.dumps({"1": secrets.token_hex(32)}))
    try:
        versions = {int(version): bytes.fromhex(key) for version, key in json.loads(path.read_text()).items()}
    except (ValueError, AttributeError):
        versions = {}
    if not versions or any(len(key) != 32 for key in versions.values()):
        raise ConfigurationError(f"{path} does not hold token keys; restore it from its own backup.")
    return TokenKeys(versions)


def rotate_token_keys(folder: Path) -> TokenKeys:
    """Add a version; tokens of the former ones are still recognised."""
    keys = token_keys(folder)
    versions = {**keys.versions, keys.current + 1: secrets.token_bytes(32)}
    path = folder / TOKEN_KEYS
    partial = path.with_suffix(".part")
    partial.unlink(missing_ok=True)
    _create(partial, json.dumps({str(version): key.hex() for version, key in versions.items()}))
    partial.replace(path)
    return TokenKeys(versions)


def signing_key(folder: Path) -> Ed25519PrivateKey:
    """The key that signs receipts, made on first use together with its public half."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = folder / SIGNING_KEY
    if not path.exists():
        fresh = Ed25519PrivateKey.generate()
        pem = fresh.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _create(path, pem.decode())
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{path} is no Ed25519 key; restore it from its own backup.")
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    if not (folder / PUBLIC_KEY).exists():
        _create(folder / PUBLIC_KEY, public.decode(), mode=0o644)
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """A public key file, with which anybody verifies receipts."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError):
        raise ConfigurationError(f"{path} is no public key file.") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"{path} is no Ed25519 key.")
    return key


def _create(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file that is not there yet; when another process was first, its file is the one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as target:
            target.write(text)
            target.flush()
            os.fsync(target.fileno())
        try:
            os.link(beside, path)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    except OSError as error:
        raise ResourceError(f"{path.parent} cannot be written: {error.strerror}.") from None
