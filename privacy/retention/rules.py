"""Rules of retention, read from YAML: records of a source, people or files that are older than a limit.

    rules:
      - name: web_events
        records: web.events
        older_than: 25 months
      - name: closed_tickets
        records: support.tickets
        since: solved_at
        only: {status: [solved, closed]}
        older_than: 3 years
      - name: lapsed_people
        people: without_activity
        older_than: 36 months
      - name: exports
        files: exports
        older_than: 14 days

Without `since` the age of a record is that of the time it speaks of. Values only: what the sources have is handed in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import Any

from cdp.errors import ConfigurationError

UNITS = ("days", "months", "years")
WITHOUT_ACTIVITY = "without_activity"
EXPORTS, LOGS, PACKAGES = "exports", "logs", "packages"
_PERIOD = re.compile(r"\s*(\d+)\s+([a-z]+)\s*")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_KEYS = {"records": {"since", "only"}, "people": set[str](), "files": set[str]()}


@dataclass(frozen=True)
class Period:
    """A length of time, as `25 months`."""

    count: int
    unit: str

    def before(self, now: datetime) -> datetime:
        """What is older than this has outlived the period: the start of a day in UTC, without zone."""
        day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        if self.unit == "days":
            return day - timedelta(days=self.count)
        months = day.year * 12 + day.month - 1 - self.count * (12 if self.unit == "years" else 1)
        year, month = divmod(months, 12)
        first = day.replace(year=year, month=month + 1, day=1)
        following = (first + timedelta(days=32)).replace(day=1)
        return first.replace(day=min(day.day, (following - timedelta(days=1)).day))

    def __str__(self) -> str:
        return f"{self.count} {self.unit}"


@dataclass(frozen=True)
class RecordsRule:
    """Records of an entity (`of`, as source.entity) go that are older than `period`."""

    name: str
    of: str
    period: Period
    since: str | None = None
    only: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def digest(self) -> str:
        """Tells one meaning of a rule from another, whatever it is called."""
        return sha256(repr((self.of, self.since, self.only, str(self.period))).encode()).hexdigest()


@dataclass(frozen=True)
class PeopleRule:
    """People go of whom nothing was heard for `period`."""

    name: str
    period: Period

    @property
    def digest(self) -> str:
        """See `RecordsRule.digest`."""
        return sha256(repr((WITHOUT_ACTIVITY, str(self.period))).encode()).hexdigest()


@dataclass(frozen=True)
class FilesRule:
    """Files of a kind (exports, logs) go that were last written longer than `period` ago."""

    name: str
    files: str
    period: Period

    @property
    def digest(self) -> str:
        """See `RecordsRule.digest`."""
        return sha256(repr(("files", self.files, str(self.period))).encode()).hexdigest()


# What holds where no rule says otherwise: these are copies and traces, which nothing is derived from.
_SHIPPED = (FilesRule(EXPORTS, EXPORTS, Period(30, "days")), FilesRule(LOGS, LOGS, Period(30, "days")))

Rule = RecordsRule | PeopleRule | FilesRule


@dataclass(frozen=True)
class Rules:
    """All rules of an installation; none when it has no file."""

    records: tuple[RecordsRule, ...] = ()
    people: tuple[PeopleRule, ...] = ()
    files: tuple[FilesRule, ...] = ()

    def __iter__(self) -> Iterator[Rule]:
        return iter((*self.records, *self.people, *self.files))

    def __bool__(self) -> bool:
        return bool(self.records or self.people or self.files)

    @property
    def about_files(self) -> tuple[FilesRule, ...]:
        """One rule for each kind of files: the written one, else the one that is shipped."""
        written = {rule.files: rule for rule in self.files}
        return tuple(written.get(rule.files, rule) for rule in _SHIPPED)

    @property
    def digest(self) -> str:
        """Changes when any rule does."""
        return sha256("".join(sorted(rule.digest for rule in self)).encode()).hexdigest()


def load(path: Path | None, entities: Mapping[str, Iterable[str]]) -> Rules:
    """The rules of a file, checked against the columns of each entity. No file means no rules.

    ConfigurationError names the file, the rule and the field that is wrong, and what comes nearest.
    """
    if path is None:
        return Rules()
    said = _read(path)
    rules = [_rule(f"{path.name}, rules.{number}", entry, entities) for number, entry in enumerate(said, start=1)]
    names = [rule.name for rule in rules]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"{path.name}: two rules are called {twice}; a receipt could not tell them apart.")
    files = tuple(rule for rule in rules if isinstance(rule, FilesRule))
    again = next((rule for rule in files if [one.files for one in files].count(rule.files) > 1), None)
    if again is not None:
        raise ConfigurationError(f"{path.name}: two rules are about the same files ({again.files}); keep one of them.")
    return Rules(
        tuple(rule for rule in rules if isinstance(rule, RecordsRule)),
        tuple(rule for rule in rules if isinstance(rule, PeopleRule)),
        files,
    )


def _read(path: Path) -> list[Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"CDP_PRIVACY_RETENTION: {path.name} cannot be read as text.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise ConfigurationError(f"{path.name}{line}: this is not readable YAML.") from None
    if not isinstance(content, dict) or set(content) != {"rules"} or not isinstance(content["rules"], list):
        raise ConfigurationError(f"{path.name} says `rules`, a list, and nothing else.")
    return list(content["rules"])


def _rule(where: str, entry: Any, entities: Mapping[str, Iterable[str]]) -> Rule:
    if not isinstance(entry, dict):
        raise ConfigurationError(f"{where}: a rule says name, older_than and one of {', '.join(_KEYS)}.")
    kinds = [kind for kind in _KEYS if kind in entry]
    if len(kinds) != 1:
        raise ConfigurationError(f"{where}: say one of {', '.join(_KEYS)}, each in a rule of its own.")
    known = {"name", "older_than", *kinds, *_KEYS[kinds[0]]}
    strange = next((str(key) for key in entry if key not in known), None)
    if strange is not None:
        raise ConfigurationError(f"{where}.{strange}: this is not known{_nearest(strange, sorted(known))}.")
    name = entry.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigurationError(f"{where}.name: a name is small letters, digits and _, like web_events.")
    period = _period(where, entry.get("older_than"))
    if kinds == ["people"]:
        if entry["people"] != WITHOUT_ACTIVITY:
            raise ConfigurationError(f"{where}.people: people can be {WITHOUT_ACTIVITY}.")
        return PeopleRule(name, period)
    if kinds == ["files"]:
        return _of_files(where, name, period, entry["files"])
    return _of_records(where, name, period, entry, entities)


def _of_records(
    where: str, name: str, period: Period, entry: Mapping[str, Any], entities: Mapping[str, Iterable[str]]
) -> RecordsRule:
    of, since, only = _entity(where, "records", entry, entities), entry.get("since"), entry.get("only", {})
    columns = list(entities[of])
    if since is not None and since not in columns:
        raise ConfigurationError(
            f"{where}.since: {of} has no field {str(since)[:40]!r}{_nearest(str(since), columns)}."
        )
    if not isinstance(only, dict):
        raise ConfigurationError(f"{where}.only: say a field and the values it may have, like {{status: [closed]}}.")
    for field, values in only.items():
        if field not in columns:
            raise ConfigurationError(
                f"{where}.only: {of} has no field {str(field)[:40]!r}{_nearest(str(field), columns)}."
            )
        if not isinstance(values, list) or not values or not all(isinstance(one, str) for one in values):
            raise ConfigurationError(f"{where}.only.{field}: the values are a list of texts.")
    chosen = tuple((field, tuple(value.lower() for value in values)) for field, values in sorted(only.items()))
    return RecordsRule(name, of, period, since, chosen)


def _of_files(where: str, name: str, period: Period, said: Any) -> FilesRule:
    if said == PACKAGES:
        raise ConfigurationError(
            f"{where}.files: a package goes on the day that its person was told: set CDP_PRIVACY_PACKAGE_DAYS."
        )
    known = [rule.files for rule in _SHIPPED]
    if said not in known:
        raise ConfigurationError(f"{where}.files: there are no files {str(said)[:40]!r}{_nearest(str(said), known)}.")
    return FilesRule(name, said, period)


def _entity(where: str, key: str, entry: Mapping[str, Any], entities: Mapping[str, Iterable[str]]) -> str:
    of = str(entry[key])
    if of not in entities:
        raise ConfigurationError(f"{where}.{key}: no source has {of[:40]!r}{_nearest(of, entities)}.")
    return of


def _period(where: str, said: Any) -> Period:
    found = _PERIOD.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        raise ConfigurationError(f"{where}.older_than: a limit is a number and a unit, like 25 months.")
    count, unit = int(found[1]), found[2] if found[2].endswith("s") else f"{found[2]}s"
    if unit not in UNITS:
        raise ConfigurationError(f"{where}.older_than: {found[2][:20]!r} is no unit{_nearest(unit, UNITS)}.")
    if not 1 <= count <= 36_500 // {"days": 1, "months": 30, "years": 365}[unit]:
        raise ConfigurationError(f"{where}.older_than: a limit is between a day and a hundred years.")
    return Period(count, unit)


def _nearest(text: str, known: Iterable[str]) -> str:
    names = list(known)
    close = get_close_matches(text, names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there are: {', '.join(names)}"
