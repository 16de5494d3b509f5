"""Receipts: what an erasure did, as signed facts without any personal data.

A receipt is one JSON file, named by its request. Its canonical text (sorted keys, no blanks: RFC 8785 for what is in
it, which is text, integers and lists) is signed with Ed25519 and holds the hash of the receipt before, so that none can
be changed or taken out unseen. Anybody verifies with the public key file alone.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from cdp.errors import NotFoundError
from privacy import keys

FOLDER = "receipts"
GENESIS = "0" * 64
SCANNER = "1"


@dataclass(frozen=True)
class StoreLine:
    """One place: what was found there, what went, what was kept and why, and what is still found."""

    store: str
    matched: int
    erased: int
    kept: int = 0
    reason: str = ""
    control_hits: int | None = None
    residual_hits: int | None = None
    checked: bool = True


@dataclass(frozen=True)
class Receipt:
    """What happened to one request; times are ISO 8601 in UTC."""

    request: str
    kind: str
    status: Literal["completed", "partial"]
    subjects: int
    doubtful: int
    requested_at: str
    erased_at: str
    verified_at: str
    tokens: int
    stores: tuple[StoreLine, ...]
    notes: tuple[str, ...] = ()
    scanner: str = SCANNER
    sequence: int = 0
    previous: str = GENESIS
    extra: dict[str, Any] = field(default_factory=dict)


def canonical(content: dict[str, Any]) -> bytes:
    """The text that is signed."""
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def issue(folder: Path, receipt: Receipt) -> dict[str, Any]:
    """Sign, chain and keep a receipt; a request that has one gets the same again."""
    path = folder / FOLDER / f"{receipt.request}.json"
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    issued = _all(folder)
    body = {
        **asdict(receipt),
        "sequence": len(issued) + 1,
        "previous": digest(issued[-1]["receipt"]) if issued else GENESIS,
    }
    body = json.loads(json.dumps(body))
    signature = keys.signing_key(folder).sign(canonical(body))
    signed = {"receipt": body, "signature": base64.b64encode(signature).decode(), "algorithm": "Ed25519"}
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_suffix(".part")
    with partial.open("w", encoding="utf-8") as target:
        json.dump(signed, target, ensure_ascii=False, indent=1)
        target.flush()
        os.fsync(target.fileno())
    partial.replace(path)
    return signed


def read(folder: Path, request: str) -> dict[str, Any]:
    """A receipt. NotFoundError when the request has none."""
    path = folder / FOLDER / f"{Path(request).name}.json"
    if not path.exists():
        raise NotFoundError(f"There is no receipt for {request[:60]}; `cdp privacy list` shows the requests.")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def verify(folder: Path, public_key: Path | None = None) -> list[str]:
    """Sentences about receipts whose signature or place in the chain does not hold; offline, from the files alone."""
    from cryptography.exceptions import InvalidSignature

    issued = _all(folder)
    if not issued:
        return []
    public = keys.public_key(public_key or folder / keys.PUBLIC_KEY)
    problems = []
    previous = GENESIS
    for number, signed in enumerate(issued, start=1):
        body = signed["receipt"]
        try:
            public.verify(base64.b64decode(signed["signature"]), canonical(body))
        except (InvalidSignature, ValueError):
            problems.append(f"The signature of receipt {body['request']} does not hold.")
        if body["sequence"] != number or body["previous"] != previous:
            problems.append(f"Receipt {body['request']} does not follow from the one before it.")
        previous = digest(body)
    return problems


def _all(folder: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in (folder / FOLDER).glob("*.json")]
    return sorted(found, key=lambda signed: int(signed["receipt"]["sequence"]))


def digest(body: dict[str, Any]) -> str:
    """The hash of a receipt, which the next one holds."""
    return sha256(canonical(body)).hexdigest()
