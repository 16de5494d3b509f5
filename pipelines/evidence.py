"""Where journeys break and what to do, for the command line: findings, breaks, touchpoints, experiments, feeling.

Everything is read from what is served; what people fill in (interventions, costs) and the learnt model of feeling live
as files in the state home.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from cdp.settings import Settings
from pipelines.insights import served

if TYPE_CHECKING:
    from journeys.breaks.model import Breaks
    from journeys.experiments import ExperimentResults
    from journeys.feeling.curve import FeelingCurve
    from journeys.holdouts import HoldoutResult
    from journeys.interventions.catalogue import Entry
    from journeys.touchpoints.model import TouchpointTable


def find_breaks(settings: Settings, segment: str | None = None) -> Breaks:
    """Drop-off per stage and step, bottlenecks, acquisition and loops."""
    from journeys.breaks.search import find

    with served(settings, segment) as (connection, scope):
        return find(connection, scope)


def measure_touchpoints(settings: Settings, segment: str | None = None, *, days: int) -> TouchpointTable:
    """Each type of touchpoint, with the costs of `touchpoint_costs.yaml` in the home where there are any."""
    from journeys.touchpoints import costs
    from journeys.touchpoints.table import table

    known = costs.load(settings.home / costs.FILE)
    with served(settings, segment) as (connection, scope):
        return table(connection, scope, days=days, costs=known)


def measure_experiments(settings: Settings, segment: str | None = None, *, by: str | None = None) -> ExperimentResults:
    """Uplift of every experiment; by what was known at assignment, or among a segment (then as an association)."""
    from journeys.experiments import results

    with served(settings, segment) as (connection, scope):
        return results(connection, scope, by=by)


def measure_holdout(settings: Settings, key: str, *, share: float, since: datetime, days: int) -> HoldoutResult:
    """What those who were not held out under `key` bought more from `since` on."""
    from journeys.holdouts import measure

    with served(settings) as (connection, scope):
        return measure(connection, scope, key=key, share=share, since=since, days=days)


def measure_feeling(settings: Settings, segment: str | None = None) -> FeelingCurve:
    """The curve of feeling; the model is learnt from everybody's rated tickets and kept in the home."""
    from journeys.feeling import curve, keeping
    from journeys.scope import Scope

    with served(settings, segment) as (connection, scope):
        learnt = keeping.learn(connection, Scope(until=scope.until), settings.home / "models")
        return curve.measure(connection, scope, learnt)


def edit_intervention(settings: Settings, key: str, changes: dict[str, Any]) -> Entry:
    """Keep what a person filled in for one intervention."""
    from journeys.interventions import catalogue

    return catalogue.edit(settings.home / "interventions.yaml", key, changes)
