"""The journal of erasures: what was erased, as tokens only, in order, in a file that no restored backup touches.

It is the truth about what must not come back. One JSON line per request, each carrying the hash of the line before, so
that a line cannot be changed or taken out unseen. A last line that a crash cut short was never acknowledged and is cut
off by the next writer. Lifting a suppression adds a line; nothing is ever removed.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from cdp.errors import ConfigurationError, ResourceError
from privacy.tokens import Token

FILE = "erasures.jsonl"
GENESIS = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One line: an erasure with its tokens, or the lifting of an earlier one."""

    seq: int
    kind: Literal["erased", "lifted"]
    request: str
    at: datetime
    tokens: tuple[Token, ...]


class Journal:
    """The journal in a privacy folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def entries(self) -> list[Entry]:
        """All entries in order. ConfigurationError when the chain does not hold."""
        return [entry for entry, _ in self._read()]

    def last(self) -> int:
        """The number of the newest entry, 0 before the first; read from the end of the file."""
        entries = self.entries()
        return entries[-1].seq if entries else 0

    def append(
        self, kind: Literal["erased", "lifted"], requests: Iterable[tuple[str, Sequence[Token]]], at: datetime
    ) -> int:
        """Add an entry per request that has none of this kind yet; returns the number of the last entry."""
        with self._locked():
            known = self._read()
            done = {(entry.kind, entry.request) for entry, _ in known}
            seq, previous = (known[-1][0].seq, known[-1][1]) if known else (0, GENESIS)
            lines = []
            for request, tokens in requests:
                if (kind, request) in done:
                    continue
                seq += 1
                body = _body(Entry(seq, kind, request, at, tuple(tokens)), previous)
                previous = sha256(body.encode()).hexdigest()
                lines.append(body + "\n")
            self._write("".join(lines).encode())
        return seq

    def in_force(self) -> list[Entry]:
        """Erasures that were not lifted since, oldest first."""
        held: dict[str, Entry] = {}
        for entry in self.entries():
            if entry.kind == "erased":
                held[entry.request] = entry
            else:
                held.pop(entry.request, None)
        return list(held.values())

    def suppressed(self) -> list[tuple[str, Token]]:
        """Tokens in force with the request they came from."""
        return [(entry.request, token) for entry in self.in_force() for token in entry.tokens]

    def _read(self) -> list[tuple[Entry, str]]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        found: list[tuple[Entry, str]] = []
        previous = GENESIS
        for number, line in enumerate(content.split(b"\n")[:-1], start=1):
            try:
                said = json.loads(line)
                entry, before = _entry(said), said["previous"]
            except (ValueError, KeyError, TypeError):
                raise ConfigurationError(f"{self.path}, line {number} is damaged; restore the journal.") from None
            if before != previous or entry.seq != number:
                raise ConfigurationError(f"{self.path}, line {number} does not follow from the one before it.")
            previous = sha256(line).hexdigest()
            found.append((entry, previous))
        return found

    def _write(self, content: bytes) -> None:
        if not content:
            return
        try:
            with self.path.open("r+b") as handle:
                handle.seek(0)
                whole = handle.read().rfind(b"\n") + 1
                handle.truncate(whole)
                handle.seek(whole)
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            raise ResourceError(f"{self.path} cannot be written: {error.strerror}.") from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise ResourceError(f"{self.path.parent} cannot be written: {error.strerror}.") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _body(entry: Entry, previous: str) -> str:
    tokens = [
        [one.kind, one.key_version, one.value, _text(one.held_from), _text(one.held_to)]
        if one.held_from or one.held_to
        else [one.kind, one.key_version, one.value]
        for one in entry.tokens
    ]
    said = {"seq": entry.seq, "kind": entry.kind, "request": entry.request, "at": entry.at.isoformat()}
    return json.dumps({**said, "tokens": tokens, "previous": previous}, separators=(",", ":"))


def _entry(said: dict[str, Any]) -> Entry:
    tokens = tuple(
        Token(kind, version, value, *(datetime.fromisoformat(text) if text else None for text in held))
        for kind, version, value, *held in said["tokens"]
    )
    if said["kind"] not in ("erased", "lifted"):
        raise ValueError("no such kind")
    return Entry(said["seq"], said["kind"], said["request"], datetime.fromisoformat(said["at"]), tokens)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
