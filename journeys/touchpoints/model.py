"""The touchpoint table: one record per type, and one per stage in which it happened."""

from __future__ import annotations

from journeys.measures import Effect, Frozen, Measure, Query


class InStage(Frozen):
    """A touchpoint type within one stage.

    `conversion` is the share of stays that went forward within the window after the first such touchpoint; there is
    none in the last stage. `difference` compares it with stays that had been in the stage equally long without one,
    first stays with first, later with later. It is an association: people choose what they touch.
    """

    stage: str
    people: Measure
    conversion: Measure
    difference: Effect | None
    touches_per_stay: float
    days_into_stage: float | None


class Cost(Frozen):
    """What touchpoints cost, where somebody said so: per touchpoint, in all, and per stay that went forward."""

    currency: str
    per_touchpoint: float
    total: float
    per_conversion: float | None


class TouchpointType(Frozen):
    """One type of touchpoint, over all and by stage.

    `position` is its median place among a journey's touchpoints (1 is the first); `opens` and `closes` are the shares
    of its journeys that begin and end with it. `cost` is null where no cost is known.
    """

    type: str
    reach: Measure
    journeys: Measure
    touchpoints: Measure
    position: Measure
    opens: Measure
    closes: Measure
    cost: Cost | None
    stages: tuple[InStage, ...]


class TouchpointTable(Frozen):
    """All types, widest reach first."""

    window_days: int
    types: tuple[TouchpointType, ...]
    queries: dict[str, Query]
