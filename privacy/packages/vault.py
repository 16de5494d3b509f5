"""Where packages are kept: sealed under the home, their keys in the privacy folder, for as long as they can be fetched.

Of each package three files are made, the last of which makes it count: whose it is (sealed), the archive (sealed), and
the record, which holds counts and no personal data and stays when the rest is gone. Keys go before what they lock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from cdp.errors import NotFoundError
from privacy.folder import keep, locked, partial
from privacy.sealed import Sealed

FOLDER = "packages"
# How the audit log calls a hand-out.
READ = "privacy.package.read"
Ending = Literal["expired", "erased"]
_SENTENCES: dict[str, str] = {
    "expired": "The package of request {} could be fetched until {}; make a new request for a new one.",
    "erased": "The package of request {} was destroyed, because the data in it was erased.",
    "lost": "The package of request {} is not there any more, or damaged; make a new request for a new one.",
}


class PackageGone(NotFoundError):
    """A package that there was, and that cannot be fetched any more."""

    status = 410
    title = "Package gone"


@dataclass(frozen=True)
class Record:
    """What is kept of a package without personal data; moments are ISO 8601 in UTC.

    `rows` is 0 when nothing is held of the person: then there is no archive. `doubtful` records were left to a person.
    """

    request: str
    kind: str
    made_at: str
    expires_at: str
    rows: int
    tables: int
    doubtful: int
    bytes: int = 0
    digest: str = ""
    ended: str | None = None

    @property
    def holds_nothing(self) -> bool:
        """The answer is that nothing is held of the person."""
        return self.rows == 0


@dataclass(frozen=True)
class Whose:
    """Whose a package is: source records (source:id), profiles, mailboxes and devices."""

    records: frozenset[str]
    profiles: frozenset[str]
    values: frozenset[str]

    def meets(self, other: Whose) -> bool:
        """Whether something of one person is in both."""
        return bool(self.records & other.records or self.profiles & other.profiles or self.values & other.values)


class Vault:
    """The packages of a state home; `archives` is the folder under it, `privacy` the privacy folder."""

    def __init__(self, archives: Path, privacy: Path) -> None:
        self._archives = archives
        self._folder = privacy / FOLDER

    def keep(self, record: Record, whose: Whose, archive: bytes) -> Record:
        """Keep a package in place of a former one of the same request; nothing counts until all of it is there."""
        with locked(self._folder):
            self._path(record.request).unlink(missing_ok=True)
            if not record.holds_nothing:
                said = {name: sorted(values) for name, values in vars(whose).items()}
                self._whose(record.request).create(said)
                sealed = self._archive(record.request)
                sealed.make_key()
                sealed.write(archive)
                record = replace(record, bytes=len(archive), digest=sha256(archive).hexdigest())
            keep(self._path(record.request), asdict(record))
        return record

    def record(self, request: str) -> Record:
        """The record of a request's package. NotFoundError while there is none."""
        found = self._read(self._path(request))
        if found is None:
            raise NotFoundError(f"Request {request[:60]} has no package.")
        return found

    def open(self, request: str, now: datetime) -> tuple[Record, Whose, bytes]:
        """A package: its record, whose it is, and the archive.

        NotFoundError while there is none and where nothing is held, PackageGone when its time is over.
        """
        record = self.record(request)
        if record.holds_nothing:
            raise NotFoundError(f"Request {request} has no package: nothing is held of the person.")
        why = record.ended or "expired"
        if record.ended is None and now < datetime.fromisoformat(record.expires_at):
            try:
                return record, self._read_whose(request), self._archive(request).read()
            except (FileNotFoundError, ValueError):
                # Ended at this moment, or the home was restored from a backup.
                why = self.record(request).ended or "lost"
        raise PackageGone(_SENTENCES[why].format(request, record.expires_at[:10]))

    def expire(self, now: datetime) -> list[str]:
        """End the packages whose time is over, and remove files that no record speaks of; returns the requests."""
        if not self._folder.exists() and not self._archives.exists():
            return []
        with locked(self._folder):
            ended = [one for one in self._living() if now >= datetime.fromisoformat(one.expires_at)]
            for record in ended:
                self._end(record, "expired")
            living = {one.request for one in self._living()}
            for name in {path.name.partition(".")[0] for path in self._files()} - living:
                self._destroy(name)
        return [one.request for one in ended]

    def ending(self, now: datetime) -> tuple[list[str], int]:
        """Requests whose packages have their time over at a moment and are still there, and how many there are."""
        living = self._living()
        return [one.request for one in living if now >= datetime.fromisoformat(one.expires_at)], len(living)

    def of(self, whose: Whose) -> list[str]:
        """Requests whose packages can be fetched and hold something of these people."""
        return [one.request for one in self._living() if self._is_of(one.request, whose)]

    def erase(self, whose: Whose) -> int:
        """Destroy the packages that hold something of these people; returns how many."""
        with locked(self._folder):
            found = [one for one in self._living() if self._is_of(one.request, whose)]
            for record in found:
                self._end(record, "erased")
        return len(found)

    def _is_of(self, request: str, whose: Whose) -> bool:
        try:
            return self._read_whose(request).meets(whose)
        except (FileNotFoundError, ValueError, KeyError):
            # Nobody can say whose it is: it is not kept then.
            return True

    def _end(self, record: Record, how: Ending) -> None:
        self._destroy(record.request)
        keep(self._path(record.request), asdict(replace(record, ended=how, digest="")))

    def _destroy(self, request: str) -> None:
        self._archive(request).destroy()
        self._whose(request).destroy()
        partial(self._path(request)).unlink(missing_ok=True)

    def _living(self) -> list[Record]:
        found = [self._read(path) for path in sorted(self._folder.glob("*.json"))]
        return [one for one in found if one is not None and one.ended is None and not one.holds_nothing]

    def _files(self) -> Iterator[Path]:
        yield from self._archives.glob("*") if self._archives.is_dir() else ()
        for suffix in ("*.key", "*.whose", "*.part"):
            yield from self._folder.glob(suffix)

    def _archive(self, request: str) -> Sealed:
        return Sealed(self._archives, f"{request}.zip", ".sealed", keys=self._folder)

    def _whose(self, request: str) -> Sealed:
        return Sealed(self._folder, request, ".whose")

    def _read_whose(self, request: str) -> Whose:
        said: Mapping[str, list[str]] = self._whose(request).load()
        return Whose(**{name: frozenset(values) for name, values in said.items()})

    def _read(self, path: Path) -> Record | None:
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return Record(**content)

    def _path(self, request: str) -> Path:
        return self._folder / f"{Path(request).name}.json"
