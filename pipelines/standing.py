"""Facts about where people stand and what comes next, for the command line, read from what is served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdp.settings import Settings
from pipelines.insights import served

if TYPE_CHECKING:
    from journeys.correlations.table import Correlations
    from journeys.personas.clusters import Clusters
    from journeys.personas.portrait import Portraits


def stage_rules(settings: Settings) -> dict[str, Any]:
    """The stage rules that are served, and all their versions with what each change did, newest first."""
    from journeys.rules import history

    with served(settings) as (connection, _):
        return history.described(connection)


def predictions(settings: Settings) -> dict[str, Any]:
    """The model card of the predictions that are served."""
    from journeys.predictions import card

    with served(settings) as (connection, _):
        return card.read(connection)


def personas(settings: Settings, segment: str | None = None) -> Portraits:
    """The personas that are served, of everyone or of one segment."""
    from journeys.personas import portrait

    with served(settings, segment) as (connection, scope):
        return portrait.describe(connection, scope)


def clusters(settings: Settings, count: int, segment: str | None = None) -> Clusters:
    """Groups of similar people found without rules."""
    from journeys.personas import clusters as found

    with served(settings, segment) as (connection, scope):
        return found.find(connection, scope, count)


def correlations(settings: Settings, segment: str | None = None) -> Correlations:
    """What goes with retention, lapse and value."""
    from journeys.correlations import table

    with served(settings, segment) as (connection, scope):
        return table.measure(connection, scope)
