"""What a break is: one record per stage, step, channel and loop, each number with its n and interval."""

from __future__ import annotations

from typing import Any

from journeys.measures import Effect, Frozen, Measure, Query


class StepDropOff(Frozen):
    """One kind of touchpoint within a stage: of the stays that had it, the share for which it was the last step.

    `stays` counts those that began early enough to have ended; `went_on` is the share of them that went forward.
    """

    stage: str
    step: str
    stays: Measure
    stopped: Measure
    went_on: Measure


class DropOff(Frozen):
    """Of the people who reached a stage, the share that got no further within `days`, and the median way on.

    `reached` counts everybody; `stopped` those who came early enough to be watched for all the days. Beyond the last
    stage there is nothing to reach, so its `stopped` is null.
    """

    stage: str
    days: int
    reached: Measure
    stopped: Measure
    days_to_next: Measure


class Bottleneck(Frozen):
    """A stage's balance: what came in, what went forward, what left otherwise, and what gathers in it.

    `onward` is the share of stays that went forward, of those that began early enough to have ended; `gap` is inflow
    minus onward, `gathering` inflow minus everything that left, both over the whole period. The bottleneck is the stage
    that lets the smallest share of what flows in go on; its interval does not reach that of the next worst when
    `is_distinct`.
    """

    stage: str
    months: tuple[dict[str, Any], ...]
    inflow: Measure
    onward: Measure
    away: Measure
    gap: Measure
    gathering: Measure
    is_bottleneck: bool
    is_distinct: bool = False


class Acquisition(Frozen):
    """First channel: the share of newcomers who got no further than the first stage, against others of its system.

    Channels of different systems are not comparable (whoever is first seen at the till has bought already), so the
    comparison is with the other channels of the same source; null where there is none.
    """

    source: str
    channel: str
    people: Measure
    stuck: Measure
    against_others: Effect | None


class Loop(Frozen):
    """People who went from one stage back to another: how many, how often, and how many got beyond it afterwards.

    `again` is the share that went round more than once; `went_on` the share that got beyond within `days`.
    """

    from_stage: str
    to_stage: str
    days: int
    people: Measure
    times: Measure
    again: Measure
    went_on: Measure


class Breaks(Frozen):
    """Everything about where journeys break that needs no test."""

    drop_off: tuple[DropOff, ...]
    steps: tuple[StepDropOff, ...]
    bottlenecks: tuple[Bottleneck, ...]
    acquisition: tuple[Acquisition, ...]
    loops: tuple[Loop, ...]
    queries: dict[str, Query]
