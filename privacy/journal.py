"""The journal of erasures: what was erased, as tokens only, in order, in a file that no restored backup touches.

It is the truth about what must not come back. One JSON line per request, each carrying the hash of the line before, so
that a line cannot be changed or taken out unseen. A last line that a crash cut short was never acknowledged and is cut
off by the next writer. Lifting a suppression adds a line, for all people of an erasure or for some; nothing is ever
removed.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, get_args

from cdp.errors import ConfigurationError, ResourceError
from privacy.tokens import Token

FILE = "erasures.jsonl"
GENESIS = "0" * 64

# A kind of its own for some people of an erasure: who does not know it must not take it for the lifting of all.
Kind = Literal["erased", "lifted", "lifted_in_part"]


@dataclass(frozen=True)
class Suppressed:
    """A person kept out by an erasure: its request, the person's number in it, and the tokens."""

    request: str
    number: int
    tokens: tuple[Token, ...]


@dataclass(frozen=True)
class Entry:
    """One line: an erasure with its tokens, the lifting of an earlier one, or of some people of earlier ones."""

    seq: int
    kind: Kind
    request: str
    at: datetime
    tokens: tuple[Token, ...]
    # Of an erasure: the places in `tokens` of each person's. Lines of before they were kept have none.
    people: tuple[tuple[int, ...], ...] = ()
    # Of a lifting in part: requests, each with the number of a person in it.
    lifted: tuple[tuple[str, int], ...] = ()

    def places(self) -> Sequence[tuple[int, ...]]:
        """By person of an erasure; where nobody knows which tokens are whose, each is taken for a person's."""
        return self.people or tuple((place,) for place in range(len(self.tokens)))

    def each(self) -> list[Suppressed]:
        """The people of an erasure, by their `places`."""
        return [
            Suppressed(self.request, number, tuple(self.tokens[place] for place in own))
            for number, own in enumerate(self.places())
        ]


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
        self,
        kind: Literal["erased", "lifted"],
        requests: Iterable[tuple[str, Sequence[Sequence[Token]]]],
        at: datetime,
    ) -> int:
        """Add an entry per request, with the tokens of each of its people, that has none of this kind yet.

        Returns the number of the last entry.
        """
        with self._locked():
            known = self._read()
            done = {(entry.kind, entry.request) for entry, _ in known}
            new = [_entry_of(kind, request, at, people) for request, people in requests if (kind, request) not in done]
            return self._add(known, new)

    def lift(self, name: str, choose: Callable[[list[Suppressed]], Iterable[Suppressed]], at: datetime) -> int:
        """Lift those people that `choose` finds among all in force; one entry called `name`, also when it is nobody.

        Returns how many people. What `choose` raises changes nothing.
        """
        with self._locked():
            known = self._read()
            found = tuple((one.request, one.number) for one in choose(_people([entry for entry, _ in known])))
            self._add(known, [Entry(0, "lifted_in_part", name, at, (), lifted=found)])
        return len(found)

    def in_force(self) -> list[Entry]:
        """Erasures that were not lifted since, oldest first, with the tokens of those who were not lifted."""
        return _in_force(self.entries())

    def liftings(self) -> list[Entry]:
        """Liftings in part, in order. A look at a long journal in passing: only these lines are read, and no chain."""
        try:
            lines = self.path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        try:
            return [_entry(json.loads(line)) for line in lines if b'"kind":"lifted_in_part"' in line]
        except (ValueError, KeyError, TypeError):
            raise ConfigurationError(f"{self.path} is damaged; restore the journal.") from None

    def suppressed(self) -> list[tuple[str, Token]]:
        """Tokens in force with the request they came from."""
        return [(entry.request, token) for entry in self.in_force() for token in entry.tokens]

    def _add(self, known: Sequence[tuple[Entry, str]], new: Iterable[Entry]) -> int:
        seq, previous = (known[-1][0].seq, known[-1][1]) if known else (0, GENESIS)
        lines = []
        for entry in new:
            seq += 1
            body = _body(replace(entry, seq=seq), previous)
            previous = sha256(body.encode()).hexdigest()
            lines.append(body + "\n")
        self._write("".join(lines).encode())
        return seq

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


def _entry_of(kind: Kind, request: str, at: datetime, people: Sequence[Sequence[Token]]) -> Entry:
    """An entry without a number yet; a token that several people have is kept once."""
    places = {token: place for place, token in enumerate(dict.fromkeys(token for own in people for token in own))}
    return Entry(0, kind, request, at, tuple(places), tuple(tuple(places[token] for token in own) for own in people))


def _standing(entries: Iterable[Entry]) -> list[tuple[Entry, set[int]]]:
    """Erasures that were not lifted as a whole, with the numbers of their people who were."""
    held: dict[str, tuple[Entry, set[int]]] = {}
    for entry in entries:
        if entry.kind == "erased":
            held[entry.request] = entry, set()
        elif entry.kind == "lifted":
            held.pop(entry.request, None)
        for request, number in entry.lifted:
            if request in held:
                held[request][1].add(number)
    return list(held.values())


def _people(entries: Iterable[Entry]) -> list[Suppressed]:
    return [one for entry, lifted in _standing(entries) for one in entry.each() if one.number not in lifted]


def _in_force(entries: Iterable[Entry]) -> list[Entry]:
    found = []
    for entry, lifted in _standing(entries):
        if not lifted:
            found.append(entry)
            continue
        # A token that somebody else of the same erasure has too stays.
        left = {place for number, own in enumerate(entry.places()) if number not in lifted for place in own}
        if left:
            found.append(replace(entry, tokens=tuple(entry.tokens[place] for place in sorted(left)), people=()))
    return found


def _body(entry: Entry, previous: str) -> str:
    tokens = [
        [one.kind, one.key_version, one.value, _text(one.held_from), _text(one.held_to)]
        if one.held_from or one.held_to
        else [one.kind, one.key_version, one.value]
        for one in entry.tokens
    ]
    said: dict[str, Any] = {"seq": entry.seq, "kind": entry.kind, "request": entry.request, "at": entry.at.isoformat()}
    said["tokens"] = tokens
    said |= {"people": entry.people} if entry.people else {}
    said |= {"lifted": entry.lifted} if entry.lifted else {}
    return json.dumps({**said, "previous": previous}, separators=(",", ":"))


def _entry(said: dict[str, Any]) -> Entry:
    tokens = tuple(
        Token(kind, version, value, *(datetime.fromisoformat(text) if text else None for text in held))
        for kind, version, value, *held in said["tokens"]
    )
    if said["kind"] not in get_args(Kind):
        raise ValueError("no such kind")
    people = tuple(tuple(own) for own in said.get("people", ()))
    lifted = tuple((request, number) for request, number in said.get("lifted", ()))
    at = datetime.fromisoformat(said["at"])
    return Entry(said["seq"], said["kind"], said["request"], at, tokens, people, lifted)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
