"""The measured content of a journey map, as typed data: nothing is drawn here and nothing is rounded.

Every number is a `Measure` that names the query it came from; `JourneyMap.queries` holds the SQL as it ran, so each
cell of the page can be traced and counted again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from journeys.audience import Audience
from journeys.feeling.curve import FeelingBasis, LearntModel
from journeys.findings.model import Finding
from journeys.interventions.model import Intervention
from journeys.map.trace import Trace, traced
from journeys.measures import Frozen, Measure, Query

Language = Literal["en", "zh"]
FEELING_PARTS = ("tickets", "rated", "from_text", "no_verdict", "backed", "text_share")
# The order in which moves are drawn. Stages off the path are left by a restart; who has not come back stays.
MOVES = ("forward", "back", "service", "lapse", "restart", "stay")


class Touchpoint(Frozen):
    """One kind of touchpoint in a stage: how many people had it there."""

    type: str
    label: str
    lane: Literal["path", "service"]
    people: Measure


class Service(Frozen):
    """Contacts with service by people in this stage: the side lane."""

    people: Measure
    share: Measure
    tickets: Measure
    hours: Measure
    slow: Measure


class PainPoint(Frozen):
    """Where this stage hurts: a finding with its comparison, or the largest exit where no finding says more."""

    key: str
    finding: Finding | None = None
    share: Measure | None = None
    people: Measure | None = None


class Time(Frozen):
    """Days in stage: Kaplan-Meier quartiles over finished and open stays; null where not that many have left yet."""

    p25: Measure
    p50: Measure
    p75: Measure


class StageColumn(Frozen):
    """One column of the map.

    `feeling` is the share of ratings, and of texts where there is no rating, that are good; `feeling_from` what it
    rests on, and how many texts gave no verdict.
    """

    stage: str
    label: str
    description: str
    position: int
    is_path: bool
    reached: Measure
    now: Measure
    steps_on: Measure
    moves: dict[str, Measure]
    time: Time
    feeling: Measure
    feeling_from: FeelingBasis
    touchpoints: tuple[Touchpoint, ...]
    service: Service
    pain_points: tuple[PainPoint, ...]


class Transition(Frozen):
    """Moves from one stage straight into another."""

    from_stage: str
    to_stage: str
    move: str
    people: Measure
    moves: Measure


class Totals(Frozen):
    """What the map was drawn from."""

    people: Measure
    anonymous: Measure
    touchpoints: Measure
    sources: tuple[str, ...]


class Headline(Frozen):
    """The title of the map: its sharpest finding, or what the numbers say when nothing was found."""

    key: str
    sentence: str
    stage: str | None
    finding: Finding | None = None
    share: Measure | None = None
    people: Measure | None = None


class JourneyMap(Frozen):
    """One page: whom it shows, when, and every number on it."""

    lang: Language
    segment: str | None
    audience: Audience = Audience()
    as_of: datetime
    since: datetime | None
    until: datetime
    first_touchpoint: datetime | None
    headline: Headline
    totals: Totals
    stages: tuple[StageColumn, ...]
    transitions: tuple[Transition, ...]
    bottleneck: str | None
    interventions: tuple[Intervention, ...]
    queries: dict[str, Query]
    feeling_model: LearntModel

    @property
    def path(self) -> tuple[StageColumn, ...]:
        """The stages of the path, first to last."""
        return tuple(stage for stage in self.stages if stage.is_path)

    @property
    def off_path(self) -> tuple[StageColumn, ...]:
        """Stages that are no part of the path, such as `lapsed`."""
        return tuple(stage for stage in self.stages if not stage.is_path)

    def numbers(self) -> list[tuple[str, Measure]]:
        """Every number with the key it carries on the page, in reading order."""
        found: list[tuple[str, Measure]] = [
            ("totals.people", self.totals.people),
            ("totals.anonymous", self.totals.anonymous),
            ("totals.touchpoints", self.totals.touchpoints),
        ]
        for column in self.stages:
            name = column.stage
            found += [(f"people.{name}.reached", column.reached), (f"people.{name}.now", column.now)]
            found.append((f"people.{name}.steps_on", column.steps_on))
            found += [(f"moves.{name}.{move}", measure) for move, measure in column.moves.items()]
            found += [(f"time.{name}.{mark}", getattr(column.time, mark)) for mark in ("p25", "p50", "p75")]
            found.append((f"feeling.{name}", column.feeling))
            found += [(f"feeling.{name}.{part}", getattr(column.feeling_from, part)) for part in FEELING_PARTS]
            found += [(f"touchpoint.{name}.{each.type}", each.people) for each in column.touchpoints]
            cell = column.service
            found += [
                (f"service.{name}.people", cell.people),
                (f"service.{name}.share", cell.share),
                (f"service.{name}.tickets", cell.tickets),
                (f"service.{name}.hours", cell.hours),
                (f"service.{name}.slow", cell.slow),
            ]
        found += [(f"intervention.{row.key}", row.worth) for row in self.interventions]
        return found

    def traced_numbers(self) -> dict[str, dict[str, Any]]:
        """Every number by its key: value, n, interval (null where everybody was counted), unit, and where it is from.

        `query` names the SQL in `queries`, `models` the tables it read, `method` how value and interval are worked out.
        `cell` reads the number from the rows of the queries in `reads`: `with people_rows as (…) ` and `cell` give it.
        """
        found = {}
        for key, measure in self.numbers():
            query = self.queries.get(measure.query)
            models = query.models if query else ()
            trace = self.trace(key, measure)
            found[key] = {
                **measure.model_dump(mode="json"), "models": list(models), "method": trace.method,
                "reads": list(trace.reads), "cell": trace.cell,
            }  # fmt: skip
        return found

    def trace(self, key: str, measure: Measure) -> Trace:
        """How a number of this map is read from its query."""
        path = [(stage.position, stage.stage) for stage in self.path]
        return traced(key, measure, path=[stage for _, stage in sorted(path)])

    def sql(self, key: str) -> str | None:
        """One statement that gives the number's `value`, and its `n`; null where SQL alone cannot say it."""
        trace = self.trace(key, dict(self.numbers())[key])
        return trace.statement({name: query.statement for name, query in self.queries.items()})

    def to_json(self) -> dict[str, Any]:
        """The whole content as plain JSON types, with `numbers` as a flat list of everything that can be traced."""
        return {**super().to_json(), "numbers": self.traced_numbers()}
