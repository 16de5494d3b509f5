"""What touchpoints cost, as people know it: read from a YAML file in the state home.

    currency: EUR
    touchpoints: {mail_sent: 0.002, promotion_click: 0.35}

Without the file no cost is known, and none is guessed.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from cdp.errors import ConfigurationError
from cdp.wording import reason
from journeys.measures import Frozen

FILE = "touchpoint_costs.yaml"


class Costs(Frozen):
    """Cost of one touchpoint by type, in one currency."""

    currency: str = Field(pattern=r"^[A-Z]{3}$")
    touchpoints: dict[str, float] = Field(default_factory=dict)


def load(path: Path | None) -> Costs | None:
    """The costs of a file, null without one; ConfigurationError names the file and the wrong entry."""
    if path is None or not path.exists():
        return None
    try:
        costs = Costs.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path.name} is not YAML: {str(error).splitlines()[0]}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigurationError(f"{path.name}: `{place}` is wrong: {reason(first)}") from None
    negative = next((name for name, cost in costs.touchpoints.items() if not 0 <= cost < float("inf")), None)
    if negative is not None:
        raise ConfigurationError(f"{path.name}: the cost of `{negative}` must be zero or more.")
    return costs
