"""The texts of interventions, and what people filled in: read from YAML, merged by key, written back by key.

The shipped catalogue is `catalogue.yaml`; an own file may change entries (same key) and add new ones.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from cdp.errors import ConfigurationError, InputError, NotFoundError
from cdp.ids import digest
from cdp.wording import reason
from journeys.interventions.model import Status
from journeys.measures import Frozen
from journeys.naming import unknown

# What belongs to the user.
FILLED_IN = ("investment", "difficulty", "period_days", "status")
SHIPPED = Path(__file__).with_name("catalogue.yaml")


class Audience(Frozen):
    """The people to begin with: what a segment of them may be used for, and its definition in text form."""

    purpose: Literal["marketing", "personalisation", "analytics", "service"]
    where: str = Field(min_length=1, max_length=5_000)


class Entry(Frozen):
    """One intervention as people know it, before anything is measured."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    finding: str
    title: dict[str, str] = Field(min_length=1)
    segment: Audience | None = None
    investment: str | None = Field(None, max_length=200)
    difficulty: Literal[1, 2, 3] | None = None
    period_days: int | None = Field(None, ge=1, le=3650)
    status: Status = "open"

    @property
    def tag(self) -> str:
        """Tells one state of what people filled in from another."""
        return digest(self.key, repr([getattr(self, name) for name in FILLED_IN]))[:32]

    def named(self, lang: str) -> str:
        """The title in a language, in English where that is missing."""
        return self.title.get(lang) or self.title.get("en") or next(iter(self.title.values()))


def load(own: Path | None = None) -> tuple[Entry, ...]:
    """The shipped entries, changed and extended by those of `own` when it exists."""
    merged = {str(entry["key"]): entry for entry in _entries(SHIPPED)}
    if own is not None and own.exists():
        for entry in _entries(own):
            merged[str(entry.get("key"))] = {**merged.get(str(entry.get("key")), {}), **entry}
    return tuple(_validated(entry, own or SHIPPED) for entry in merged.values())


def find(own: Path | None, key: str) -> Entry:
    """One entry as it is now. NotFoundError naming the nearest when there is none with this key."""
    known = {entry.key: entry for entry in load(own)}
    if key not in known:
        raise NotFoundError(unknown("intervention", key, known))
    return known[key]


def edit(
    own: Path, key: str, changes: dict[str, Any], *, allow: Callable[[Entry], object] = lambda entry: None
) -> Entry:
    """Keep what a person filled in for one intervention in the file `own`; returns the entry as it is now.

    `allow` sees the entry as it was, while nobody else can change it, and may raise. NotFoundError for an unknown
    intervention, InputError for a field that is not the user's or a value that does not fit.
    """
    with _alone(own):
        allow(find(own, key))
        return _edited(own, key, changes)


def _edited(own: Path, key: str, changes: dict[str, Any]) -> Entry:
    allowed = {*FILLED_IN, "title", "segment"}
    unknown = sorted(set(changes) - allowed)
    if unknown:
        raise InputError(f"`{unknown[0]}` cannot be edited; {', '.join(sorted(allowed))} can.")
    before = find(own, key)
    kept = {str(entry["key"]): entry for entry in _entries(own)} if own.exists() else {}
    kept[key] = {**kept.get(key, {"key": key}), **changes}
    try:
        entry = Entry.model_validate({**before.model_dump(), **kept[key]})
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"`{first['loc'][0]}` is wrong: {reason(first)}") from None
    draft = own.with_suffix(".draft")
    draft.write_text(
        yaml.safe_dump({"interventions": list(kept.values())}, allow_unicode=True, sort_keys=False), encoding="utf-8"
    )
    draft.replace(own)
    return entry


@contextmanager
def _alone(own: Path) -> Iterator[None]:
    """One editor at a time: command line and API write the same file."""
    own.parent.mkdir(parents=True, exist_ok=True)
    with own.with_suffix(".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not YAML: {str(error).splitlines()[0]}.") from None
    entries = content.get("interventions", []) if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and "key" in entry for entry in entries):
        raise ConfigurationError(f"{path} must hold a list `interventions` of entries with a `key`.")
    return entries


def _validated(entry: dict[str, Any], path: Path) -> Entry:
    try:
        return Entry.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{path}: `{entry.get('key')}`: `{place}` is wrong: {reason(first)}") from None
