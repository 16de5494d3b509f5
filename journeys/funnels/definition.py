"""What a funnel or a path is: steps, order, window, exclusions, unit, breakdown; checked before anything runs.

Semantics, exactly:

- A step matches a touchpoint whose type or event name is one of its `events` and whose properties equal `where`; a
  stage among its `events` matches the moment at which the stage was entered.
- The window is a hard time box from step 1 of an attempt. Later steps come strictly later than the step before.
- `ordered`: other touchpoints may lie between steps. `strict`: steps follow each other directly. `any`: the steps may
  come in any order; step n then means n different steps done within the window of the first of them.
- Every step-1 touchpoint starts an attempt. The attempt that gets furthest counts; of equals the first to get there,
  and of those the one that started last, so that time to convert is measured on the shortest way.
- An exclusion removes a unit from the whole funnel when, in the attempt that counts, an excluded touchpoint lies after
  step `after` and before step `before` (before the end of the window when that step was not reached).
- Breakdown: the property's value at the first step, at the last step reached, or at a given step (then only units that
  reached it are shown).
- Where all steps are stages, the funnel runs over the moments at which stages were entered and nothing else; where some
  are, those moments lie among the touchpoints, before a touchpoint of the same moment.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from cdp.errors import InputError
from cdp.wording import reason
from journeys import period
from journeys.measures import Frozen

Property = Literal["device", "channel", "source", "campaign", "acquisition_channel"]
Unit = Literal["profile", "visit"]
PathNode = Literal["touchpoint_type", "event_name", "channel", "stage"]
MOST_STEPS = 20


def _span(value: Any) -> Any:
    """A text such as `7d` as a duration; everything else is left to the model (seconds, ISO 8601)."""
    if not isinstance(value, str) or value.startswith(("P", "-P")):
        return value
    try:
        return period.duration(value)
    except InputError as error:
        raise ValueError(error.message) from None


Window = Annotated[timedelta, BeforeValidator(_span)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Step(Frozen):
    """One step: any of these touchpoints or stages."""

    events: tuple[Name, ...] = Field(min_length=1, max_length=50, description="Touchpoint types, event names, stages.")
    name: str = Field("", max_length=200, description="What the step is called in the answer.")
    where: dict[Property, str] = Field(default_factory=dict, description="Properties the touchpoint must have.")

    @property
    def title(self) -> str:
        """What the step is called."""
        return self.name or " / ".join(self.events)


class Exclusion(Frozen):
    """Touchpoints that must not happen between two steps (numbered from 1)."""

    events: tuple[Name, ...] = Field(min_length=1, max_length=50)
    after: int = Field(1, ge=1)
    before: int = Field(2, ge=2)


class Breakdown(Frozen):
    """Split by a property, valued at the first, the last reached, or a given step."""

    by: Property
    at: Literal["first", "last", "step"] = "first"
    step: int | None = Field(None, ge=1, le=MOST_STEPS)


class Funnel(Frozen):
    """A funnel question."""

    steps: tuple[Step, ...]
    mode: Literal["ordered", "strict", "any"] = "ordered"
    window: Window = Field(timedelta(days=7), description="From step 1: `7d`, `12h`, seconds, or ISO 8601.")
    exclusions: tuple[Exclusion, ...] = ()
    unit: Unit = "profile"
    breakdown: Breakdown | None = None

    def checked(self) -> Funnel:
        """Itself, or InputError with the first thing that makes no sense."""
        count = len(self.steps)
        if count < 2:
            raise InputError("A funnel needs at least two steps.")
        if count > MOST_STEPS:
            raise InputError(f"A funnel has at most {MOST_STEPS} steps.")
        if self.window <= timedelta(0):
            raise InputError("The window of a funnel must be longer than zero.")
        for exclusion in self.exclusions:
            if not exclusion.after < exclusion.before <= count:
                raise InputError(f"An exclusion must lie between two of the {count} steps, the earlier one first.")
        if self.mode == "any" and (self.exclusions or _overlapping(self.steps)):
            raise InputError("In any order, steps must not share touchpoints and nothing can be excluded between them.")
        split = self.breakdown
        if split and split.at == "step" and not (split.step and 1 <= split.step <= count):
            raise InputError(f"The breakdown must name a step between 1 and {count}.")
        return self


class Paths(Frozen):
    """A paths question: what people do after, before or between anchors; the first anchor of each unit counts."""

    start: Step | None = Field(None, description="Paths begin at the first of these of each unit.")
    end: Step | None = Field(None, description="Paths end at the first of these (after `start`, when it is given).")
    depth: int = Field(5, ge=1, le=10, description="Steps of a path, anchors included.")
    window: Window | None = Field(None, description="Longest distance from the anchor.")
    collapse: bool = Field(True, description="Repeats right after each other count once.")
    hide: tuple[Name, ...] = Field((), max_length=200, description="What paths pass over, as if it were not there.")
    of: PathNode = Field("touchpoint_type", description="What a step of a path is.")
    unit: Unit = "profile"
    limit: int = Field(50, ge=1, le=1000, description="Most travelled paths that are listed.")

    def checked(self) -> Paths:
        """Itself, or InputError."""
        if self.start is None and self.end is None:
            raise InputError("Paths need an anchor: a start, an end, or both.")
        if self.window is not None and self.window <= timedelta(0):
            raise InputError("The window of paths must be longer than zero.")
        if self.of == "stage" and self.unit == "visit":
            raise InputError("Stages are entered by people, so paths of stages count profiles, not visits.")
        return self


def parse_funnel(content: dict[str, object]) -> Funnel:
    """A funnel from plain data (an HTTP body, a YAML file); InputError names the field."""
    try:
        return Funnel.model_validate(content).checked()
    except ValidationError as error:
        raise InputError(_first(error, "funnel")) from None


def parse_paths(content: dict[str, object]) -> Paths:
    """A paths question from plain data; InputError names the field."""
    try:
        return Paths.model_validate(content).checked()
    except ValidationError as error:
        raise InputError(_first(error, "paths")) from None


def _overlapping(steps: tuple[Step, ...]) -> bool:
    named = [event for step in steps for event in set(step.events)]
    return len(named) != len(set(named))


def _first(error: ValidationError, what: str) -> str:
    first = error.errors()[0]
    return f"The {what} is wrong at `{'.'.join(str(part) for part in first['loc'])}`: {reason(first)}"
