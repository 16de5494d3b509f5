"""What an intervention is: what to change, where, for whom, what it may be worth, what it takes."""

from __future__ import annotations

from typing import Literal

from journeys.findings.model import Basis
from journeys.measures import Effect, Frozen, Measure, Query

Status = Literal["open", "planned", "running", "done", "dropped"]


class EffectOnPeople(Frozen):
    """The gap an intervention tries to close, as a share, with its 95 % interval and how many it was measured on."""

    value: float
    low: float
    high: float
    n: int
    outcome: str
    rate_exposed: float | None = None
    rate_compared: float | None = None


class SegmentDocument(Frozen):
    """The people to begin with, as the document of a segment: `cdp segment preview` and the segments' API take it."""

    key: str
    title: str
    description: str
    purpose: str
    where: str


class Intervention(Frozen):
    """One row of "what to do first".

    `people` is how many were affected in the period; `effect` the measured gap; `worth` the purchases at stake within
    180 days: closing the gap whole would win them, so it is an upper bound. Investment, difficulty (1 to 3), period
    (days until it works) and status belong to the user; the first three are null until filled in. `priority` is value
    for effort.
    """

    key: str
    title: str
    stage: str
    people: int
    effect: EffectOnPeople
    worth: Measure
    worth_is: Literal["upper bound"] = "upper bound"
    basis: Basis
    wording: str
    finding: str
    segment: SegmentDocument | None = None
    investment: str | None = None
    difficulty: Literal[1, 2, 3] | None = None
    period_days: int | None = None
    status: Status = "open"
    priority: float
    adjusted: Effect | None = None


class Ranked(Frozen):
    """Interventions, best first, and the queries that their effects were measured with."""

    interventions: tuple[Intervention, ...]
    queries: dict[str, Query]
