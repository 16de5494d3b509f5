"""What people fill in about interventions, kept in a file of the state home."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdp.settings import Settings

if TYPE_CHECKING:
    from journeys.interventions.catalogue import Entry


def edit_intervention(settings: Settings, key: str, changes: dict[str, Any]) -> Entry:
    """Keep what a person filled in for one intervention."""
    from journeys.interventions import catalogue

    return catalogue.edit(settings.home / "interventions.yaml", key, changes)
