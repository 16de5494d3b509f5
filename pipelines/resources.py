"""Dagster resources: the run's context and the dbt command line.

The context resource lives as long as a run: it holds the writer lock and says what every step shares. Its options can
be set on the launch pad of the Dagster page; `cdp run` passes the same ones.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource

from cdp.ids import new_run_id
from cdp.settings import Settings, apply_tool_environment
from pipelines.context import Progress, RunContext, StepReport, open_run, quiet
from pipelines.jobs import inbox_state

CONFIG = {
    "delivered": dg.Field(str, default_value="", description="Folder with new files; empty means the inbox."),
    "deliver": dg.Field(bool, default_value=True, description="Look for new files; else work on what has landed."),
    "full_refresh": dg.Field(bool, default_value=False, description="Rebuild everything from raw."),
    "renew_model": dg.Field(bool, default_value=False, description="Train the matching model anew, with decisions."),
}


class DbtChild(DbtCliResource):
    """dbt as a child process alone.

    dagster-dbt also loads dbt and all its macros into this process, for each invocation, so that the columns and row
    counts of finished models can be asked for meanwhile. Nobody asks for them here.
    """

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:
        return None


def dbt_resource(settings: Settings) -> DbtChild:
    """The resource `dbt`: our child process over the project, with its log under the state home."""
    return DbtChild(
        dbt_executable=str(Path(sys.executable).parent / "cdp-dbt"),
        project_dir=str(settings.dbt_project),
        profiles_dir=str(settings.dbt_project),
        global_config_flags=["--no-version-check", "--log-path", str(settings.dbt_artifacts / "logs")],
    )


def filled_inbox(settings: Settings) -> Path | None:
    """The inbox when it holds files; None when nothing is delivered, as on most nights."""
    return settings.inbox if inbox_state(settings.inbox) else None


def run_resource(
    settings: Settings, progress: Progress = quiet, account: list[StepReport] | None = None
) -> dg.ResourceDefinition:
    """The resource `run`: a RunContext, opened when a Dagster run begins and closed when it ends."""

    def start(context: dg.InitResourceContext) -> Iterator[RunContext]:
        config: dict[str, Any] = context.resource_config or {}
        delivered = Path(config["delivered"]) if config.get("delivered") else filled_inbox(settings)
        if not config.get("deliver", True):
            delivered = None
        # Sorts by time, as snapshots are pruned by name, and still leads to the run on the Dagster page.
        run_id = f"{new_run_id()[:-7]}-{context.run.run_id[:8] if context.run else 'unlaunched'}"
        apply_tool_environment(settings)
        with open_run(
            settings,
            run_id,
            delivered=delivered,
            full_refresh=bool(config.get("full_refresh")),
            renew_model=bool(config.get("renew_model")),
            progress=progress,
        ) as run:
            run.steps = account if account is not None else run.steps
            yield run

    return dg.ResourceDefinition(resource_fn=start, config_schema=CONFIG, description="One run of the pipeline.")
