"""The rule file of survivorship, read strictly: an unknown word is an error that names the file and the place.

Every trait stands in exactly one unit. `identity/survivorship.yaml` explains the rules and is what ships.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cdp.errors import ConfigurationError
from cdp.wording import reason

SHIPPED = Path(__file__).with_name("survivorship.yaml")

Trait = Literal[
    "first_name",
    "last_name",
    "full_name",
    "email",
    "phone",
    "birth_date",
    "street",
    "city",
    "region",
    "postcode",
    "country",
]
Rule = Literal["verified_first", "most_frequent", "most_recent", "most_complete", "source_priority"]
TRAITS: tuple[Trait, ...] = get_args(Trait)
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Unit(BaseModel):
    """Traits that are judged together, by rules in order."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    traits: list[Trait] = Field(min_length=1)
    rules: list[Rule] = Field(min_length=1)
    fill: bool = True


class Rules(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: Literal[1]
    source_priority: list[Name]
    units: list[Unit]


def read_rules(path: Path | None = None) -> Rules:
    """The rules in `path`, else the shipped ones; ConfigurationError names what is wrong and where."""
    import yaml

    file = path or SHIPPED
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError:
        raise ConfigurationError(f"The survivorship rules {file} cannot be read.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"The survivorship rules {file} are no valid YAML{line}.") from None
    try:
        rules = Rules.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the top"
        raise ConfigurationError(f"The survivorship rules {file} are wrong at {place}: {reason(first)}") from None
    _check(rules, file)
    return rules


def _check(rules: Rules, file: Path) -> None:
    named: list[str] = [trait for unit in rules.units for trait in unit.traits]
    lists: list[tuple[str, list[str]]] = [("trait", named), ("source", list(rules.source_priority))]
    lists += [("rule of one unit", list(unit.rules)) for unit in rules.units]
    for what, words in lists:
        twice = next((word for place, word in enumerate(words) if word in words[:place]), None)
        if twice is not None:
            raise ConfigurationError(f"The survivorship rules {file} name the {what} {twice} twice.")
    missing = [trait for trait in TRAITS if trait not in named]
    if missing:
        raise ConfigurationError(f"The survivorship rules {file} have no unit that holds the trait {missing[0]}.")
