"""Identifiers that Wayfinder itself hands out.

Profile ids are random (UUID 4): they must not tell when a person was first seen. Run ids sort by time.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid

from cdp.clock import wall_now


def new_profile_id() -> str:
    """A random UUID in canonical lower-case form."""
    return str(uuid.uuid4())


def new_run_id() -> str:
    """An id that sorts by start time and is unique: `20260101T120000Z-1a2b3c`."""
    return f"{wall_now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def digest(*parts: str) -> str:
    """Hex SHA-256 over the parts, unambiguous under concatenation (each part is length-prefixed)."""
    state = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        state.update(f"{len(raw)}:".encode())
        state.update(raw)
    return state.hexdigest()
