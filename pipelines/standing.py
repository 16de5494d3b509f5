"""Facts about where people stand and what comes next, for the command line, read from what is served."""

from __future__ import annotations

from typing import Any

from cdp.settings import Settings
from pipelines.insights import served


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
