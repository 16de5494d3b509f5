"""The register of legal holds: a small file each without personal data, and what it keeps sealed beside it.

It lies in the privacy folder, so that a restored backup of the home neither forgets a hold nor brings back what one
kept. Every change is made under one lock on the record as it is then, and written whole.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from cdp.errors import ConfigurationError, ConflictError, InputError, NotFoundError
from privacy.folder import keep, locked
from privacy.holds.hold import Hold
from privacy.keys import token_keys
from privacy.register import Register
from privacy.requests.request import Step
from privacy.requests.words import State
from privacy.sealed import Sealed
from privacy.tokens import digest

FOLDER = "holds"
PREFIX = "ho"


@dataclass(frozen=True)
class Meant:
    """One person of whom something is to be held: the identifiers as `type:value`, and type and value in normal form.

    `records` (source:id) are theirs, where somebody looked that up.
    """

    identifiers: Sequence[str]
    normal: Sequence[tuple[str, str]]
    records: Sequence[str] = ()


class Holds:
    """The holds in a privacy folder."""

    def __init__(self, folder: Path) -> None:
        self._privacy = folder
        self._folder = folder / FOLDER

    def read(self, name: str) -> Hold:
        """A hold by its id. NotFoundError when there is none."""
        path = self._path(name)
        try:
            return Hold.from_json(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise NotFoundError(f"There is no hold {name[:60]}; `cdp privacy hold list` shows them.") from None
        except (OSError, ValueError, TypeError, KeyError):
            raise ConfigurationError(f"{path} is damaged; restore the privacy folder from its own backup.") from None

    def all(self) -> list[Hold]:
        """All holds, oldest first."""
        found = [self.read(path.stem) for path in self._folder.glob(f"{PREFIX}-*.json")]
        return sorted(found, key=lambda one: (one.placed_at, one.hold))

    def open_ones(self) -> list[Hold]:
        """Holds that have not ended."""
        return [one for one in self.all() if one.status != "ended"]

    def place(
        self, people: Sequence[Meant], *, basis: str, categories: tuple[str, ...], until: str, actor: str,
        now: datetime,
    ) -> list[Hold]:  # fmt: skip
        """Keep a new hold of each person, in their order: all of them or none.

        ConflictError when one of the same basis is open for the same identifiers, and while an erasure is half done:
        what the hold is about may be gone already. InputError when somebody is named twice.
        """
        with locked(self._folder):
            made = [
                Hold(
                    f"{PREFIX}-{now:%Y%m%d}-{secrets.token_hex(6)}", basis, categories, until, now.isoformat(), actor,
                    tokens=tokens, history=(Step(now.isoformat(), actor, "place", until),),
                )
                for tokens in self._new(people, basis)
            ]  # fmt: skip
            try:
                # First whom they mean: a record without could never be met.
                for hold, person in zip(made, people, strict=True):
                    known = {} if not person.records else {"records": list(person.records)}
                    content = {"identifiers": list(person.identifiers), **known, "kept": {}}
                    self.sealed(hold.hold).create(content)
                for hold in made:
                    keep(self._path(hold.hold), asdict(hold))
                # Asked when the holds are there already: an erasure that begins from now on meets them.
                if any(one.state is State.EXECUTING for one in Register(self._privacy).open_ones()):
                    raise ConflictError(
                        "An erasure is half done: finish it with `cdp privacy run`, then place the hold."
                    )
            except BaseException:
                for hold in made:
                    self._path(hold.hold).unlink(missing_ok=True)
                    self.sealed(hold.hold).destroy()
                raise
        return made

    def change(self, name: str, action: Callable[[Hold], Hold]) -> Hold:
        """Replace a hold by what an action makes of it as it is now; what the action raises changes nothing."""
        with locked(self._folder):
            before = self.read(name)
            after = action(before)
            if after != before:
                keep(self._path(after.hold), asdict(after))
        return after

    def sealed(self, name: str) -> Sealed:
        """`identifiers`, `records` (source:id) of the person, as first looked up, and `kept`.

        `kept` has by erasure and category the entity and its reduced records.
        """
        return Sealed(self._folder, Path(name).name, ".sealed")

    def _new(self, people: Sequence[Meant], basis: str) -> list[tuple[str, ...]]:
        """The tokens of each person, of whom no hold of this basis is open."""
        keys = token_keys(self._privacy)
        known = {one.tokens: one.hold for one in self.open_ones() if one.basis == basis and one.status == "active"}
        numbers: dict[tuple[str, ...], int] = {}
        for number, person in enumerate(people, start=1):
            tokens = {version: _tokens(person.normal, key) for version, key in keys.versions.items()}
            who = f"Person {number}: " if len(people) > 1 else ""
            # A hold that was placed before the keys changed has tokens of a former one.
            placed = next((known[one] for one in tokens.values() if one in known), None)
            if placed is not None:
                raise ConflictError(f"{who}Hold {placed} of basis {basis} is open for this person; extend it instead.")
            current = tokens[keys.current]
            if current in numbers:
                raise InputError(f"{who}This is person {numbers[current]} again; name each person once.")
            numbers[current] = number
        return list(numbers)

    def _path(self, name: str) -> Path:
        return self._folder / f"{Path(name).name}.json"


def _tokens(normal: Sequence[tuple[str, str]], key: bytes) -> tuple[str, ...]:
    return tuple(sorted({digest(key, f"hold|{kind}", value) for kind, value in normal}))
