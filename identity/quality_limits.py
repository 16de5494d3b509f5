"""Limits of the label-free quality measures, and the judgement whether identity may be published.

The limits come from YAML, read strictly; `identity/quality.yaml` explains them and is what ships. A judgement holds
numbers only. What a verdict blocks is the caller's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cdp.errors import ConfigurationError
from cdp.wording import reason
from identity.quality import MEASURES, Figure

SHIPPED = Path(__file__).with_name("quality.yaml")

Severity = Literal["block", "warn"]


class Limit(BaseModel):
    """The largest value of one measure that passes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    at_most: float = Field(ge=0, strict=False)
    ignore_below: int = Field(0, ge=0)
    severity: Severity = "block"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: Literal[1]
    limits: dict[str, Limit]


@dataclass(frozen=True)
class Verdict:
    """One measure against its limit; `sentence` says what is wrong, with numbers only."""

    measure: str
    value: float
    at_most: float
    concerned: int
    severity: Severity
    passed: bool

    @property
    def sentence(self) -> str:
        """What a person reads when the limit does not hold."""
        return f"{self.measure} is {self.value:.4g} (at most {self.at_most:.4g}; {self.concerned:,} concerned)"


def read_limits(path: Path | None = None) -> dict[str, Limit]:
    """The limits in `path`, else the shipped ones; ConfigurationError names what is wrong and where."""
    import yaml

    file = path or SHIPPED
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError:
        raise ConfigurationError(f"The identity limits {file} cannot be read.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"The identity limits {file} are no valid YAML{line}.") from None
    try:
        limits = _File.model_validate(content).limits
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the top"
        raise ConfigurationError(f"The identity limits {file} are wrong at {place}: {reason(first)}") from None
    unknown = next((name for name in limits if name not in MEASURES), None)
    if unknown is not None:
        raise ConfigurationError(
            f"The identity limits {file} name the unknown measure {unknown}; there are: {', '.join(MEASURES)}."
        )
    return limits


def judge(figures: Mapping[str, Figure], limits: Mapping[str, Limit]) -> list[Verdict]:
    """One verdict per limit, in the order of the measures; a measure without a limit is not judged."""
    verdicts = []
    for name in MEASURES:
        limit = limits.get(name)
        if limit is None:
            continue
        figure = figures[name]
        passed = figure.value <= limit.at_most or figure.concerned < limit.ignore_below
        verdicts.append(Verdict(name, figure.value, limit.at_most, figure.concerned, limit.severity, passed))
    return verdicts
