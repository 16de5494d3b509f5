"""What a prediction looks at: a handful of facts about behaviour, each with its words.

The order is that of importance: where there are few events, only the first ones are used. No personal data, and nothing
that was not known at the moment it describes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from journeys.statistics import Floats

ACTIVITY_DAYS = 30
SERVICE_DAYS = 180
# What goes wrong on the way; touchpoint types of the seeds.
FAILURES = ("payment_error", "checkout_error", "error_page")

SILENCE = "silence"


@dataclass(frozen=True)
class Covariate:
    """One fact: the column it is in, whether it counts by its logarithm, and how a value is put into words."""

    key: str
    label: str
    words: Callable[[int], str]
    logarithm: bool = False

    def scaled(self, values: Floats) -> Floats:
        """The values as the model uses them: log(1 + value) for counts without bound."""
        return np.log1p(np.maximum(values, 0.0)) if self.logarithm else values


def _plural(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _counted(one: str, many: str, none: str, tail: str = "") -> Callable[[int], str]:
    return lambda count: none if count == 0 else f"{_plural(count, one, many)}{tail}"


def _ratings(balance: int) -> str:
    if balance == 0:
        return f"no clear rating of support in the last {SERVICE_DAYS} days"
    return f"support rated {'well' if balance > 0 else 'badly'} in the last {SERVICE_DAYS} days"


COVARIATES = (
    Covariate("days_in_stage", "days in the stage", lambda n: f"{_plural(n, 'day', 'days')} in this stage", True),
    Covariate(
        "activity",
        f"signs of life in {ACTIVITY_DAYS} days",
        _counted(
            "sign of life", "signs of life", f"no sign of life in the last {ACTIVITY_DAYS} days",
            f" in the last {ACTIVITY_DAYS} days",
        ),
        True,
    ),
    Covariate("purchases", "purchases so far", _counted("purchase", "purchases", "no purchase yet", " so far"), True),
    Covariate("channels", "channels used", _counted("channel used", "channels used", "no channel used yet")),
    Covariate(
        "restarts", "returns after a lapse", _counted("return", "returns", "never lapsed before", " after a lapse")
    ),
    Covariate(
        "tickets",
        f"tickets in {SERVICE_DAYS} days",
        _counted(
            "support ticket", "support tickets", f"no support ticket in the last {SERVICE_DAYS} days",
            f" in the last {SERVICE_DAYS} days",
        ),
    ),
    Covariate(
        "slow_tickets",
        f"slow tickets in {SERVICE_DAYS} days",
        _counted(
            "slow answer", "slow answers", f"no slow answer of support in the last {SERVICE_DAYS} days",
            f" of support in the last {SERVICE_DAYS} days",
        ),
    ),
    Covariate("ratings", f"good less bad ratings in {SERVICE_DAYS} days", _ratings),
    Covariate(
        "failures",
        f"failed payments and errors in {ACTIVITY_DAYS} days",
        _counted(
            "failed payment or error", "failed payments or errors", f"no error in the last {ACTIVITY_DAYS} days",
            f" in the last {ACTIVITY_DAYS} days",
        ),
    ),
)  # fmt: skip
