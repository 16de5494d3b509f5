"""The register of legal holds: a small file each without personal data, and what it keeps sealed beside it.

It lies in the privacy folder, so that a restored backup of the home neither forgets a hold nor brings back what one
kept. Every change is made under one lock on the record as it is then, and written whole.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from cdp.errors import ConfigurationError, ConflictError, NotFoundError
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
        self, identifiers: Sequence[str], normal: Sequence[tuple[str, str]], *, basis: str, categories: tuple[str, ...],
        until: str, actor: str, now: datetime, records: Sequence[str] | None = None,
    ) -> Hold:  # fmt: skip
        """Keep a new hold of one person, named as `type:value` and in normal form; `records` (source:id) are theirs.

        ConflictError when one of the same basis is open for the same identifiers, and while an erasure is half done:
        what the hold is about may be gone already.
        """
        keys = token_keys(self._privacy)
        tokens = {version: _tokens(normal, key) for version, key in keys.versions.items()}
        with locked(self._folder):
            for one in self.open_ones():
                if one.basis == basis and one.status == "active" and one.tokens in tokens.values():
                    raise ConflictError(f"Hold {one.hold} of basis {basis} is open for this person; extend it instead.")
            name = f"{PREFIX}-{now:%Y%m%d}-{secrets.token_hex(6)}"
            history = (Step(now.isoformat(), actor, "place", until),)
            hold = Hold(
                name, basis, categories, until, now.isoformat(), actor, tokens=tokens[keys.current], history=history
            )
            # First whom it means: a record without could never be met.
            known = {} if records is None else {"records": list(records)}
            self.sealed(name).create({"identifiers": list(identifiers), **known, "kept": {}})
            keep(self._path(hold.hold), asdict(hold))
            # Asked when the hold is there already: an erasure that begins from now on meets it.
            if any(one.state is State.EXECUTING for one in Register(self._privacy).open_ones()):
                self._path(name).unlink()
                self.sealed(name).destroy()
                raise ConflictError("An erasure is half done: finish it with `cdp privacy run`, then place the hold.")
        return hold

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

    def _path(self, name: str) -> Path:
        return self._folder / f"{Path(name).name}.json"


def _tokens(normal: Sequence[tuple[str, str]], key: bytes) -> tuple[str, ...]:
    return tuple(sorted({digest(key, f"hold|{kind}", value) for kind, value in normal}))
