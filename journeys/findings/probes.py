"""What is asked of the data: hypotheses about where people defect, read from a YAML file.

Each probe becomes one or more units-of-comparison queries (`evidence`). The shipped file can be replaced; a wrong entry
is named with its place in the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from cdp.errors import ConfigurationError
from cdp.wording import reason
from journeys.measures import Frozen

SHIPPED = Path(__file__).with_name("probes.yaml")


class TicketProbe(Frozen):
    """Tickets with a property against tickets without it; outcome: no purchase within `days`.

    Counted from the ticket (slow) or from its solution, which the rating follows (bad_rating).
    """

    key: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    exposed: Literal["slow", "bad_rating"]
    days: int = Field(ge=1, le=3650)
    stage: str | None = None


class VisitProbe(Frozen):
    """Visits with an event against visits without it; outcome: no purchase within `days`.

    `counts` says when the event counts: only before the visit's order, or at any time of the visit. Where the event can
    come at any time, only the latter is fair (a visit that an order ended had less time for it), beside the length of
    the visit (a longer one had more).
    """

    key: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    exposed: tuple[str, ...] = Field(min_length=1)
    among: tuple[str, ...] = Field(min_length=1)
    days: int = Field(ge=1, le=3650)
    stage: str
    counts: Literal["before_order", "anytime"] = "before_order"
    by: Literal["device"] | None = None


class DeviceProbe(Frozen):
    """Visits on one device against visits on the others; outcome: no purchase within `days`.

    `subject` is the key of the probe that asks about the same thing on all devices, where there is one.
    """

    key: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    subject: str | None = Field(None, pattern=r"^[a-z][a-z0-9_]*$")
    among: tuple[str, ...] = Field(min_length=1)
    days: int = Field(ge=1, le=3650)
    stage: str


class AcquisitionProbe(Frozen):
    """Newcomers of one web channel against those of the others; outcome: no later stage within `days`."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    days: int = Field(ge=1, le=3650)


class Probes(Frozen):
    """All hypotheses of one search."""

    tickets: tuple[TicketProbe, ...] = ()
    visits: tuple[VisitProbe, ...] = ()
    devices: tuple[DeviceProbe, ...] = ()
    acquisition: tuple[AcquisitionProbe, ...] = ()


def load_probes(path: Path | None = None) -> Probes:
    """Probes of a file (the shipped one by default); ConfigurationError names the file and the wrong entry."""
    source = path or SHIPPED
    try:
        content = yaml.safe_load(source.read_text(encoding="utf-8"))
        return Probes.model_validate(content or {})
    except OSError:
        raise ConfigurationError(f"{source} cannot be read; give the path of a YAML file of probes.") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{source} is not YAML: {str(error).splitlines()[0]}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{source}: `{place}` is wrong: {reason(first)}") from None
