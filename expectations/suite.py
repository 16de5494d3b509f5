"""Suites as data: a YAML file says which expectations hold, under which code, and the sentence a person reads.

    suite: sales.contacts
    expectations:
      - expectation: expect_column_values_to_not_be_null
        column: record_id
        code: record_id_missing
        reason: Record ID is empty.

Further keys are the expectation's own arguments. A time may be written `now + 31 days`; the runner fills in its `now`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from cdp.errors import ConfigurationError

FOLDER = Path(__file__).parent / "suites"
_RELATIVE = re.compile(r"now(?: \+ (\d+) days?)?")


@dataclass(frozen=True)
class Rule:
    """One expectation on one column, with the code and sentence for what breaks it."""

    expectation: str
    column: str
    code: str
    reason: str
    arguments: tuple[tuple[str, Any], ...]

    def resolved(self, now: datetime) -> dict[str, Any]:
        """The arguments for Great Expectations; relative times become naive UTC ones."""
        return {"column": self.column, **{name: _resolve(value, now) for name, value in self.arguments}}


@dataclass(frozen=True)
class Suite:
    """All rules of one raw entity or published table."""

    name: str
    rules: tuple[Rule, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the rules look at, each once."""
        return tuple(dict.fromkeys(rule.column for rule in self.rules))


@lru_cache(maxsize=64)
def load_suite(name: str) -> Suite:
    """The suite of `source.entity` or `schema.table`; ConfigurationError when it is missing or malformed."""
    import yaml

    path = FOLDER / f"{name.replace('.', '_')}.yaml"
    if not path.is_file():
        raise ConfigurationError(f"There is no suite {path.name} for {name}.")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if content.get("suite") != name:
        raise ConfigurationError(f"Suite file {path.name} must say `suite: {name}`.")
    return Suite(name, tuple(_rule(path, item) for item in content["expectations"]))


def _rule(path: Path, item: dict[str, Any]) -> Rule:
    said = dict(item)
    try:
        expectation, column, code, reason = (str(said.pop(key)) for key in ("expectation", "column", "code", "reason"))
    except KeyError as missing:
        raise ConfigurationError(f"Suite file {path.name}: an expectation has no {missing}.") from None
    return Rule(expectation, column, code, reason, tuple(said.items()))


def _resolve(value: Any, now: datetime) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    relative = _RELATIVE.fullmatch(value) if isinstance(value, str) else None
    if relative is None:
        return value
    return now.astimezone(UTC).replace(tzinfo=None) + timedelta(days=int(relative.group(1) or 0))
