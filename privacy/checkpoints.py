"""Signed checkpoints of the audit log, kept outside of the database that holds it.

The chain of the log shows whether a row was changed, taken out, put in or moved. That its newest rows were cut off, or
that the whole log was written anew, shows only against a hash kept elsewhere: a line in the privacy folder, signed with
the key of receipts (Ed25519) and chained to the line before.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from cdp.errors import InputError
from cdp.store import chain
from cdp.store.base import Store
from privacy import keys, receipts

FILE = "audit-checkpoints.jsonl"
_BATCH = 5000


def write(folder: Path, store: Store, now: datetime) -> bool:
    """Sign where the log ends; False when it ended there at the last checkpoint too."""
    last = store.last_audit()
    if last is None:
        return False
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = keys.signing_key(folder)
    with _locked(folder / FILE) as file:
        written = _read(file)
        former = written[-1]["checkpoint"] if written else None
        # Another process may have signed a later place meanwhile.
        if former is not None and (former["seq"] > last.seq or former["hash"] == last.hash):
            return False
        body = {
            "seq": last.seq,
            "hash": last.hash,
            "at": now.isoformat(),
            "sequence": len(written) + 1,
            "previous": receipts.digest(former) if former else receipts.GENESIS,
        }
        signature = base64.b64encode(key.sign(receipts.canonical(body))).decode()
        file.write(json.dumps({"checkpoint": body, "signature": signature}).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return True


def verify(folder: Path, store: Store, *, public_key: Path | None = None, copy: Path | None = None) -> list[str]:
    """Sentences about what is wrong with the log or its checkpoints; none when all holds.

    Whoever may write the folder too can cut off its newest lines, or sign all anew with another key. That shows against
    a `copy` of the checkpoints and the `public_key`, kept elsewhere. InputError when they cannot be read.
    """
    path = folder / FILE
    written: list[dict[str, Any]] = []
    if path.exists():
        with _locked(path) as file:
            written = _read(file)
    key = public_key or folder / keys.PUBLIC_KEY
    problems = _signatures(written, key, "checkpoint") if written else []
    copied = _copied(copy) if copy is not None else []
    problems += _signatures(copied, key, "the copy's checkpoint") + _against(copied, written) if copied else []
    signed = {one["checkpoint"]["seq"]: one["checkpoint"] for one in (*written, *copied)}
    after, previous, broken = 0, chain.GENESIS, None
    while rows := store.audit_rows(after=after, limit=_BATCH):
        if broken is None:
            broken = chain.first_break(rows, previous)
        for row in rows:
            checkpoint = signed.pop(row.seq, None)
            if checkpoint is not None and checkpoint["hash"] != row.hash:
                problems.append(f"Entry {row.seq} of the audit log is not the one that was signed {_when(checkpoint)}.")
        after, previous = rows[-1].seq, rows[-1].hash
    if broken is not None:
        problems.append(f"Entry {broken} of the audit log does not follow from the one before it.")
    missing = [one for one in signed.values() if one["seq"] > after]
    if missing:
        newest = max(missing, key=lambda one: int(one["seq"]))
        problems.append(
            f"The audit log ends with entry {after}, but entry {newest['seq']} was signed {_when(newest)}: "
            "its newest entries were cut off, or an older backup of the store was restored."
        )
    gone = sorted(one["seq"] for one in signed.values() if one["seq"] <= after)
    problems += [f"Entry {seq} of the audit log was signed and is not there any more." for seq in gone]
    return problems


def _copied(file: Path) -> list[dict[str, Any]]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"The copy {file.name} cannot be read.") from None
    return [_checkpoint(line, f"Line {number} of {file.name}") for number, line in enumerate(lines, start=1)]


def _checkpoint(line: str, place: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(line)
        body, _ = dict(found["checkpoint"]), found["signature"]
        complete = body.keys() >= {"seq", "hash", "at", "sequence", "previous"}
    except (ValueError, KeyError, TypeError):
        complete = False
    if not complete:
        raise InputError(f"{place} is no checkpoint; copy {FILE} as it is.")
    return found


def _against(copied: list[dict[str, Any]], written: list[dict[str, Any]]) -> list[str]:
    """What the privacy folder holds otherwise than a copy of it that was taken before."""
    for number, (former, now) in enumerate(zip(copied, written, strict=False), start=1):
        if former != now:
            return [f"Checkpoint {number} in the privacy folder is not the one in the copy."]
    if len(copied) > len(written):
        told = f"checkpoint {len(written) + 1}, signed {_when(copied[len(written)]['checkpoint'])}, and what follows it"
        return [f"The privacy folder has lost {told}."]
    return []


def _signatures(written: list[dict[str, Any]], public_key: Path, what: str) -> list[str]:
    from cryptography.exceptions import InvalidSignature

    public = keys.public_key(public_key)
    problems, previous = [], receipts.GENESIS
    for number, signed in enumerate(written, start=1):
        body = signed["checkpoint"]
        try:
            public.verify(base64.b64decode(signed["signature"]), receipts.canonical(body))
        except (InvalidSignature, ValueError):
            problems.append(f"The signature of {what} {number} does not hold.")
        if body["sequence"] != number or body["previous"] != previous:
            name = f"{what} {number}"
            problems.append(f"{name[0].upper()}{name[1:]} does not follow from the one before it.")
        previous = receipts.digest(body)
    return problems


def _when(checkpoint: dict[str, Any]) -> str:
    return f"on {checkpoint['at'][:10]} at {checkpoint['at'][11:16]} UTC"


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(handle, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _read(file: IO[bytes]) -> list[dict[str, Any]]:
    """The checkpoints; a line that a kill cut off goes, and the next one is written in its place."""
    content = file.read()
    whole = content.rfind(b"\n") + 1
    file.truncate(whole)
    file.seek(whole)
    return [json.loads(line) for line in content[:whole].splitlines()]
