"""What a funnel or a path is: steps, order, window, exclusions, unit, breakdown; checked before anything runs.

Semantics, exactly:

- A step matches a touchpoint whose type or event name is one of its `events` and whose properties equal `where`.
- The window is a hard time box from step 1 of an attempt. Later steps come strictly later than the step before.
- `ordered`: other touchpoints may lie between steps. `strict`: steps follow each other directly. `any`: the steps may
  come in any order; step n then means n different steps done within the window of the first of them.
- Every step-1 touchpoint starts an attempt. The attempt that gets furthest counts; of equals the first to get there,
  and of those the one that started last, so that time to convert is measured on the shortest way.
- An exclusion removes a unit from the whole funnel when, in the attempt that counts, an excluded touchpoint lies after
  step `after` and before step `before` (before the end of the window when that step was not reached).
- Breakdown: the property's value at the first step, at the last step reached, or at a given step (then only units that
  reached it are shown).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, ValidationError

from cdp.errors import InputError
from journeys.measures import Frozen

Property = Literal["device", "channel", "source", "campaign"]
MOST_STEPS = 20


class Step(Frozen):
    """One step: any of these touchpoints."""

    events: tuple[str, ...] = Field(min_length=1)
    name: str = ""
    where: dict[Property, str] = Field(default_factory=dict)

    @property
    def title(self) -> str:
        """What the step is called."""
        return self.name or " / ".join(self.events)


class Exclusion(Frozen):
    """Touchpoints that must not happen between two steps (numbered from 1)."""

    events: tuple[str, ...] = Field(min_length=1)
    after: int = Field(1, ge=1)
    before: int = Field(2, ge=2)


class Breakdown(Frozen):
    """Split by a property, valued at the first, the last reached, or a given step."""

    by: Property
    at: Literal["first", "last", "step"] = "first"
    step: int | None = None


class Funnel(Frozen):
    """A funnel question."""

    steps: tuple[Step, ...]
    mode: Literal["ordered", "strict", "any"] = "ordered"
    window: timedelta = timedelta(days=7)
    exclusions: tuple[Exclusion, ...] = ()
    unit: Literal["person", "visit"] = "person"
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

    start: Step | None = None
    end: Step | None = None
    depth: int = Field(5, ge=1, le=10)
    window: timedelta | None = None
    collapse: bool = True
    hide: tuple[str, ...] = ()
    unit: Literal["person", "visit"] = "person"
    limit: int = Field(50, ge=1, le=1000)

    def checked(self) -> Paths:
        """Itself, or InputError."""
        if self.start is None and self.end is None:
            raise InputError("Paths need an anchor: a start, an end, or both.")
        if self.window is not None and self.window <= timedelta(0):
            raise InputError("The window of paths must be longer than zero.")
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
    return f"The {what} is wrong at `{'.'.join(str(part) for part in first['loc'])}`: {first['msg']}."
