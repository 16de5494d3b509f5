"""Cursors of lists: opaque to callers, signed by us.

A cursor says where a page ended (a key, never personal data) and which publication the first page came from. It is
bound to its list, so that one list's cursor is refused by another.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from dataclasses import dataclass
from typing import Any

from cdp.errors import InputError

_SIGNATURE_BYTES = 16
LONGEST = 600


@dataclass(frozen=True)
class Position:
    """Where a page ended: the values of the sort key, and the publication that the first page was read from."""

    publication: int
    after: list[Any]


class Cursors:
    """Makes and reads cursors with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encode(self, listing: str, position: Position) -> str:
        """The cursor for a place in a list."""
        payload = json.dumps([position.publication, *position.after], separators=(",", ":")).encode()
        return _text(self._sign(listing, payload) + payload)

    def decode(self, listing: str, cursor: str | None) -> Position | None:
        """The place that a cursor stands for; None for the first page. InputError when it is not one of this list."""
        if cursor is None:
            return None
        raw = _raw(cursor)
        signature, payload = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(listing, payload)):
            raise InputError("This cursor does not belong to this list; begin again without one.")
        publication, *after = json.loads(payload)
        return Position(publication, after)

    def _sign(self, listing: str, payload: bytes) -> bytes:
        message = len(listing).to_bytes(4) + listing.encode(errors="replace") + payload
        return hmac.digest(self._key, message, "sha256")[:_SIGNATURE_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _raw(cursor: str) -> bytes:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InputError("This is no cursor of ours; begin again without one.") from None
