"""Tokens: keyed hashes by which an erased person's data is recognised, without keeping any of it.

A token is HMAC-SHA-256 (RFC 2104) over "v1|kind|value" of a normalised value, in hex. `token_sql` computes the same
inside DuckDB, so that a whole column is hashed without leaving the database.

Kinds: `record` (source:id), `mailbox` (the mailbox behind an address), `device`, and the combinations `phone+name` and
`address+name`; a phone or an address alone is a household's, never one person's.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from privacy.keys import TokenKeys

if TYPE_CHECKING:
    import duckdb

Kind = Literal["record", "mailbox", "device", "phone+name", "address+name"]
KINDS: tuple[Kind, ...] = ("record", "mailbox", "device", "phone+name", "address+name")

_BLOCK = 64


@dataclass(frozen=True)
class Token:
    """A keyed hash of one identifier; with `held_from` or `held_to` it counts for what happened in between only.

    A device is held for a time. Of somebody who left by a rule of retention everything is, up to that day.
    """

    kind: Kind
    key_version: int
    value: str
    held_from: datetime | None = None
    held_to: datetime | None = None


def make(
    keys: TokenKeys, kind: Kind, value: str, *, held_from: datetime | None = None, held_to: datetime | None = None
) -> Token:
    """The token of a normalised value under the newest key."""
    version = keys.current
    return Token(kind, version, digest(keys.versions[version], kind, value), held_from, held_to)


def digest(key: bytes, kind: str, value: str) -> str:
    """HMAC-SHA-256 of a value of a kind, hex."""
    return hmac.new(key, f"v1|{kind}|{value}".encode(), sha256).hexdigest()


def install(connection: duckdb.DuckDBPyConnection, keys: TokenKeys) -> None:
    """Give a connection the keys, as variables of its session, so that no statement's text holds them."""
    for version, key in keys.versions.items():
        padded = key.ljust(_BLOCK, b"\0")
        for name, pad in (("inner", 0x36), ("outer", 0x5C)):
            connection.execute(f"set variable token_{name}_{version} = ?", [bytes(byte ^ pad for byte in padded)])


def token_sql(version: int, kind: str, value: str) -> str:
    """SQL for `digest` of the text expression `value` on a connection that has the keys."""
    inner, outer = (f"getvariable('token_{name}_{version}')" for name in ("inner", "outer"))
    message = f"encode('v1|{kind}|' || ({value}))"
    return f"sha256({outer} || unhex(sha256({inner} || {message})))"


def any_version(keys: TokenKeys, kind: str, value: str, wanted: Iterable[str]) -> bool:
    """Whether one of `wanted` is the token of a value, under any version of the key."""
    known = frozenset(wanted)
    return any(digest(key, kind, value) in known for key in keys.versions.values())
