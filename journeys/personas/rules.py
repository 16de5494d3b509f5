"""The rule file of the personas: read, checked, and turned into what the pipeline needs.

Conditions stay text here; whoever evaluates them says whether they fit the data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from cdp.errors import ConfigurationError
from cdp.wording import reason
from journeys.measures import Frozen

SHIPPED = Path(__file__).with_name("personas.yaml")
KEY = r"^[a-z][a-z0-9_]*$"


class Rest(Frozen):
    """The persona of whoever no rule describes."""

    key: str = Field(pattern=KEY, max_length=60)
    title: dict[str, str] = Field(min_length=1)
    description: str = Field(min_length=1, max_length=500)

    def named(self, lang: str = "en") -> str:
        """The title in a language, in English or the first given where that is missing."""
        return self.title.get(lang) or self.title.get("en") or next(iter(self.title.values()))


class Persona(Rest):
    """One persona and the condition that makes people belong to it."""

    where: str = Field(min_length=1)


class PersonaRules(Frozen):
    """All personas in the order in which they are tried, and the rest."""

    personas: tuple[Persona, ...] = Field(max_length=30)
    rest: Rest

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        keys = [one.key for one in self.everyone]
        repeated = sorted({key for key in keys if keys.count(key) > 1})
        if repeated:
            raise ValueError(f"the key {repeated[0]} is used twice")
        return self

    @property
    def everyone(self) -> tuple[Rest, ...]:
        """All personas, the rest last."""
        return (*self.personas, self.rest)


def load(own: Path | None = None) -> PersonaRules:
    """The rules of `own` when that file exists, the shipped ones otherwise.

    ConfigurationError names the file and the entry that is wrong.
    """
    path = own if own is not None and own.exists() else SHIPPED
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{path} cannot be read; it must be a YAML file of personas.") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not YAML: {str(error).splitlines()[0]}.") from None
    try:
        return PersonaRules.model_validate(content or {})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigurationError(f"{path}: `{place}` is wrong: {reason(first)}") from None
