"""Which stage set the models are built with: a folder of seeds, chosen by `CDP_STAGE_SET`.

Every invocation of dbt and SQLMesh gets the choice as the variable `stage_set`; nothing else knows of it.
"""

from __future__ import annotations

import json
from pathlib import Path

from cdp.errors import ConfigurationError
from cdp.settings import Settings

# Which set a remembered project was built with, beside the project's own files.
MARK = "stage_set.txt"
DEFAULT = "retail"


def variables(settings: Settings) -> dict[str, str]:
    """The dbt variables of the chosen set; ConfigurationError naming the shipped ones when there is no such folder."""
    known = available(settings.dbt_project)
    if settings.stage_set not in known:
        raise ConfigurationError(
            f"CDP_STAGE_SET is {settings.stage_set}, but dbt_project/seeds has no such folder; there are: "
            f"{', '.join(known) or 'none'}."
        )
    return {"stage_set": settings.stage_set}


def arguments(settings: Settings) -> list[str]:
    """The same for a dbt command line."""
    return ["--vars", json.dumps(variables(settings))]


def available(project: Path) -> list[str]:
    """Names of the stage sets in a dbt project."""
    return sorted(path.parent.name for path in (project / "seeds").glob("*/journey_stages.csv"))


def marked(project: Path) -> str:
    """The set that a remembered project was built with."""
    mark = project / MARK
    return mark.read_text().strip() if mark.exists() else DEFAULT
