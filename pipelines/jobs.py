"""When the pipeline runs: the whole graph as one job, every night, and whenever the inbox changes.

A second job begins at identity: it carries out what people decided when nothing else is new.
"""

# No postponed annotations here: Dagster reads the type of `context` when the function is decorated.
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from cdp.settings import Settings

JOB = "whole_pipeline"
DECISIONS_JOB = "apply_decisions"

# What `define_asset_job` returns; Dagster does not export its name.
Job = Any


def build_job() -> Job:
    """All assets and checks in one run."""
    return dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.all(),
        description="From delivered files to what is served.",
    )


def build_decisions_job(assets: Sequence[dg.AssetsDefinition]) -> Job:
    """The definitions of identity and of all that follows from it."""
    return dg.define_asset_job(
        DECISIONS_JOB,
        selection=dg.AssetSelection.assets(*assets),
        description="From what people decided about identity to what is served.",
    )


def build_schedule(job: Job) -> dg.ScheduleDefinition:
    """Every night at three, UTC: people lapse even when nothing is delivered."""
    return dg.ScheduleDefinition(name="nightly", job=job, cron_schedule="0 3 * * *", execution_timezone="UTC")


def build_inbox_sensor(job: Job, settings: Settings) -> dg.SensorDefinition:
    """Starts a run when files in the inbox appear or change and have been still for one evaluation."""

    @dg.sensor(name="inbox", job=job, minimum_interval_seconds=30, description="A run for each delivery in the inbox.")
    def inbox(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        state = inbox_state(settings.inbox)
        seen, _, started = (context.cursor or "|").partition("|")
        context.update_cursor(f"{state}|{started}")
        if not state:
            yield dg.SkipReason("The inbox is empty.")
        elif state == started:
            yield dg.SkipReason("Nothing new in the inbox.")
        elif state != seen:
            # A file that is still being written changes between two looks; a run on it would load half a file.
            yield dg.SkipReason("The inbox changed; waiting until it is still.")
        else:
            context.update_cursor(f"{state}|{state}")
            yield dg.RunRequest(run_key=state)

    return inbox


def inbox_state(folder: Path) -> str:
    """A digest of names, sizes and times of the files in the folder; empty when there are none."""
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    if not files:
        return ""
    facts = [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(facts).encode()).hexdigest()
