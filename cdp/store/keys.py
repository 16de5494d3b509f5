"""API keys: making, listing, revoking and recognising them.

A key is `cdp_<prefix>_<secret>`: the prefix finds its row, the secret is 256 random bits of which only the SHA-256 is
kept (so many bits need no slow hash). The text is shown once. What a scope allows is decided in `api`.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256

from cdp.clock import wall_now
from cdp.errors import InputError, NotFoundError
from cdp.store.base import ApiKey, AuditEntry, Store

SCOPES: dict[str, str] = {
    "profiles:read": "read profiles, their journey and events, with personal data masked",
    "pii:read": "see personal data unmasked",
    "segments:read": "list segments, their members and changes, preview and export them",
    "segments:write": "create, change and delete segments",
    "destinations:read": "list destinations and what they were told of whom",
    "destinations:write": "create, change and delete destinations, replay and resync them",
    "journeys:read": "read journey maps, and ask about journeys",
    "journeys:write": "fill in what interventions take, and how far they are",
    "identity:read": "see the review queue, decisions and explanations, with personal data masked",
    "identity:write": "decide who is who, and withdraw decisions",
    "consent:read": "see what people agreed and objected to",
    "consent:write": "write down what people agree and object to, and restrict the use of their data",
    "privacy:read": "list subject requests and by when they are due; with pii:read, receipts",
    "privacy:write": "make, verify, approve, extend, refuse and cancel subject requests; correct values",
    "metrics:read": "read the server's metrics from another machine",
    "admin": "see and revoke API keys, read the audit log",
}

_SCHEME = "cdp"
_LONGEST = 200
_NOBODY = sha256(b"").hexdigest()


def create(store: Store, name: str, scopes: Sequence[str]) -> str:
    """Make a key and return its text, which cannot be read again. Raises InputError for an unknown or missing scope."""
    wanted = tuple(dict.fromkeys(scopes))
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown or not wanted:
        problem = f"{unknown[0]!r} is no scope" if unknown else "A key needs at least one scope"
        raise InputError(f"{problem}; there are: {', '.join(SCOPES)}.")
    if not name.strip() or len(name) > _LONGEST:
        raise InputError(f"A key needs a name of 1 to {_LONGEST} characters that says what it is for.")
    prefix, secret = secrets.token_hex(6), secrets.token_hex(32)
    key = ApiKey(secrets.token_hex(8), name.strip(), prefix, _digest(secret), wanted, wall_now())
    store.add_key(key)
    store.append_audit([_entry("key.create", key.id, scopes=list(wanted))])
    return f"{_SCHEME}_{prefix}_{secret}"


def list_keys(store: Store) -> list[ApiKey]:
    """All keys, oldest first, revoked ones included."""
    return store.list_keys()


def revoke(store: Store, key_id: str, *, actor: str = "command line") -> None:
    """Make a key useless from its next call on. Raises NotFoundError when there is none with this id."""
    if not store.revoke_key(key_id, wall_now()):
        raise NotFoundError(f"There is no API key with the id {key_id}; `cdp keys list` shows them.")
    store.append_audit([_entry("key.revoke", key_id, actor=actor)])


def split(text: str) -> tuple[str, str] | None:
    """Prefix and secret of a key's text, or None when it does not look like one."""
    parts = text.split("_")
    if len(parts) != 3 or parts[0] != _SCHEME or not parts[1] or not parts[2] or len(text) > _LONGEST:
        return None
    return parts[1], parts[2]


def fits(key: ApiKey | None, secret: str) -> bool:
    """Whether the secret is that of the key and the key is not revoked; takes the same time for every wrong secret."""
    same = hmac.compare_digest(key.secret_hash if key else _NOBODY, _digest(secret))
    return same and key is not None and key.revoked_at is None


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _entry(action: str, object_: str, *, actor: str = "command line", **detail: object) -> AuditEntry:
    return AuditEntry(secrets.token_hex(16), wall_now(), actor, action, object_, detail)
