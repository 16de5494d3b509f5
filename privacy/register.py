"""The register of subject requests: one small file each in the privacy folder, without personal data.

It lies where no backup of the home reaches, because a restored home must not forget whom an answer is owed. Whom a
request means is sealed in the plan beside it (`privacy.work`) until it is done. Every change is made under one lock on
the record as it is then, and written whole: a server, a command and the pipeline may act at the same time.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from cdp.errors import ConfigurationError, InputError, NotFoundError
from privacy.folder import keep, locked
from privacy.keys import TokenKeys, token_keys
from privacy.policy import Policy
from privacy.requests import request as acts
from privacy.requests.request import OPEN_STANDINGS, Request
from privacy.requests.words import PACKAGED, PREFIXES, Kind
from privacy.tokens import digest
from privacy.work import FOLDER as WORK_FOLDER
from privacy.work import Work

FOLDER = "requests"
# Plans of replays are kept under other names, by whoever replays.
_OWN_PLANS = tuple(f"{prefix}-" for prefix in PREFIXES.values())


@dataclass(frozen=True)
class Asked:
    """What is asked: the kind, and the people as texts `type:value` together with the values in normal form.

    `origin`: by which way it came; its `way`, `controller` and `id` name it there. `since`: when the person asked
    whoever passed it on, from which the time to answer runs.
    """

    kind: Kind
    subjects: Sequence[Sequence[str]]
    normal: Sequence[Sequence[tuple[str, str]]]
    rules: str | None = None
    origin: dict[str, Any] | None = None
    since: datetime | None = None


class Register:
    """The register in a privacy `folder`. Records are read again only when their file changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._folder = folder / FOLDER
        self._known: dict[str, tuple[tuple[int, int, int], Request]] = {}
        self._reading = threading.Lock()

    def read(self, name: str) -> Request:
        """A request by its id. NotFoundError when there is none."""
        path = self._path(name)
        try:
            return self._read(path, path.stat())
        except FileNotFoundError:
            raise NotFoundError(f"There is no request {name[:60]}; `cdp privacy list` shows them.") from None

    def all(self) -> list[Request]:
        """All requests, oldest first."""
        try:
            with os.scandir(self._folder) as entries:
                found = [self._read(Path(one.path), one.stat()) for one in entries if one.name.endswith(".json")]
        except FileNotFoundError:
            return []
        return sorted(found, key=lambda one: (one.requested_at, one.request))

    def open_ones(self) -> list[Request]:
        """Requests on which something is still to be done, oldest first."""
        return [one for one in self.all() if one.is_open]

    def by_origin(self, **wanted: str) -> Request | None:
        """The request whose origin has these values."""
        for one in self.all():
            if all(one.origin.get(name) == value for name, value in wanted.items()):
                return one
        return None

    def standings(self, now: datetime) -> dict[str, int]:
        """How many open requests stand how to their deadline: `open`, `due_soon`, `overdue`."""
        counted = Counter(acts.standing(one, now) for one in self.open_ones())
        return {standing: counted[standing] for standing in OPEN_STANDINGS}

    def sweep(self) -> None:
        """Destroy plans that nobody needs: a kill came before their record was kept, or after it was closed."""
        if not any((self.folder / WORK_FOLDER).glob("*.plan")):
            return
        with locked(self._folder):
            known = {one.request: one for one in self.all()}
            for name in Work.open_ones(self.folder):
                if name.startswith(_OWN_PLANS) and (name not in known or not known[name].is_open):
                    Work(self.folder, name, {}).wipe()

    def receive(
        self,
        asked: Asked,
        *,
        actor: str,
        now: datetime,
        policy: Policy,
        then: Callable[[Request], Request] | None = None,
    ) -> tuple[Request, bool]:
        """Keep a new request, as `then` makes it, and seal whom it means; or the one that asks the same, and False.

        The same is: the same kind, and the same identifiers, in any order, while it is open. One that names fewer may
        mean somebody else. What has a name where it comes from is the same by that name, closed or not.
        """
        if asked.kind in PACKAGED and len(asked.subjects) != 1:
            raise InputError(f"A request for {asked.kind} names one person: its package is handed to one person.")
        keys = token_keys(self.folder)
        with locked(self._folder):
            known = self._asked_before(asked, keys)
            if known is not None:
                return known, False
            name = f"{PREFIXES[asked.kind]}-{now:%Y%m%d}-{secrets.token_hex(6)}"
            request = acts.receive(
                name,
                asked.kind,
                subjects=len(asked.subjects),
                requester=actor,
                now=now,
                rules=asked.rules or policy.rules,
                days=policy.days,
                tokens=tuple(_tokens(asked.normal, keys.versions[keys.current])),
                origin=asked.origin,
                since=asked.since,
            )
            request = then(request) if then is not None else request
            # First the plan: a record without one could never be carried out, a plan without a record is nobody's.
            content = {"requested_at": request.requested_at, "subjects": [list(one) for one in asked.subjects]}
            Work.begin(self.folder, name, {**content, "closures": None, "done": {}})
            keep(self._path(request.request), asdict(request))
        return request, True

    def change(self, name: str, action: Callable[[Request], Request]) -> Request:
        """Replace a request by what an action makes of it as it is now; what the action raises changes nothing."""
        with locked(self._folder):
            before = self.read(name)
            after = action(before)
            if after != before:
                keep(self._path(after.request), asdict(after))
            if not after.is_open:
                # Nothing needs to know any more whom it meant.
                Work(self.folder, name, {}).wipe()
        return after

    def _asked_before(self, asked: Asked, keys: TokenKeys) -> Request | None:
        if asked.origin is not None:
            return self.by_origin(**{name: asked.origin[name] for name in ("way", "controller", "id")})
        for one in self.open_ones():
            if one.kind == asked.kind and _asks(one, asked.normal, keys):
                return one
        return None

    def _read(self, path: Path, stat: os.stat_result) -> Request:
        state = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        with self._reading:
            known = self._known.get(path.name)
        if known is not None and known[0] == state:
            return known[1]
        try:
            request = Request.from_json(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise
        except (OSError, ValueError, TypeError, AttributeError):
            raise ConfigurationError(f"{path} is damaged; restore the privacy folder from its own backup.") from None
        with self._reading:
            self._known[path.name] = (state, request)
        return request

    def _path(self, name: str) -> Path:
        return self._folder / f"{Path(name).name}.json"


def _tokens(normal: Sequence[Sequence[tuple[str, str]]], key: bytes) -> list[str]:
    """A token an identifier of one person; one in all for a list of people, which is only ever repeated as a whole."""
    each = [sorted({digest(key, f"request|{kind}", value) for kind, value in person}) for person in normal]
    if len(each) == 1:
        return each[0]
    return [sha256("\n".join(sorted(" ".join(person) for person in each)).encode()).hexdigest()]


def _asks(known: Request, normal: Sequence[Sequence[tuple[str, str]]], keys: TokenKeys) -> bool:
    if known.subjects != len(normal) or not known.tokens:
        return False
    return any(set(_tokens(normal, key)) == set(known.tokens) for key in keys.versions.values())
