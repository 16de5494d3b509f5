"""Evidence over the wire: each answer's own fields beside whom it is about. No personal data."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field

from journeys.audience import Audience
from journeys.breaks.model import Breaks
from journeys.experiments import ExperimentResults
from journeys.feeling.curve import FeelingCurve
from journeys.findings.model import Findings
from journeys.holdouts import HoldoutResult
from journeys.measures import Frozen
from journeys.touchpoints.model import TouchpointTable

WindowDays = Annotated[int, Query(description="Days in which a stay must go forward after the touchpoint.")]
By = Annotated[
    str | None,
    Query(max_length=60, description="stage, first_channel, customer or quarter, as it was at assignment."),
]
HoldoutKey = Annotated[
    str, Query(min_length=1, max_length=200, description="As in the segment condition `sample('KEY', 5%)`.")
]
Percent = Annotated[float, Query(gt=0, lt=100, description="Percent of people who are held out.")]
Since = Annotated[
    datetime | None, Query(description="When what they are spared began; without it only the sizes are told.")
]
FollowDays = Annotated[int, Query(ge=1, le=3650, description="Days in which purchases count.")]


class About(Frozen):
    """Whom an answer is about, and the same of the audience it is compared with."""

    as_of: datetime
    audience: Audience
    people: int = Field(description="Profiles that the audience holds, in the period or not.")
    compare: dict[str, Any] | None = Field(description="The same fields, but for `as_of`, of the other audience.")


class BreaksAnswer(Breaks, About):
    """Where the path loses people."""


class TouchpointsAnswer(TouchpointTable, About):
    """What each type of touchpoint does."""


class ExperimentsAnswer(ExperimentResults, About):
    """What randomised experiments show."""


class HoldoutAnswer(HoldoutResult, About):
    """A holdout and what it shows."""


class FeelingAnswer(FeelingCurve, About):
    """How people feel in each stage."""


class FindingsAnswer(Findings, About):
    """What was found, and what was not."""
