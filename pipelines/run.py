"""`cdp run`: the whole job in this process, with progress and an account.

A run that could not change anything is not started: when nothing new was delivered and the fingerprint is that of the
current publication, the answer is "unchanged" and neither Dagster nor dbt is loaded.
"""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cdp.clock import stopwatch
from cdp.engine.duckdb import open_engine
from cdp.errors import DISK_FULL, CdpError, CheckFailed, ResourceError, tells_of_full_disk
from cdp.settings import PROJECT_ROOT, Settings, apply_tool_environment
from pipelines.context import Progress, StepReport, quiet, require_room, wait_until_free
from pipelines.erasing.requests import finish_interrupted
from pipelines.fingerprint import fingerprint
from pipelines.lock import writer_lock


@dataclass(frozen=True)
class RunReport:
    """What one `cdp run` did."""

    changed: bool
    seconds: float
    steps: list[StepReport] = field(default_factory=list)


def run_pipeline(
    settings: Settings,
    delivered: Path,
    *,
    full_refresh: bool = False,
    renew_model: bool = False,
    progress: Progress = quiet,
) -> RunReport:
    """Run everything from the delivered folder to the publication.

    `full_refresh` rebuilds all from raw, `renew_model` trains the matching model anew; both keep profile ids.

    Raises a CdpError with one sentence on failure; what was served before is served on. A second call in another
    process meanwhile raises BusyError.
    """
    started = stopwatch()
    with writer_lock(settings.writer_lock):
        finish_interrupted(settings, progress)
        if not (full_refresh or renew_model) and _nothing_new(settings, delivered, progress):
            return RunReport(changed=False, seconds=round(stopwatch() - started, 2))
        asked = {"full_refresh": full_refresh, "renew_model": renew_model}
        steps = _execute(settings, delivered, asked, progress)
    return RunReport(changed=True, seconds=round(stopwatch() - started, 2), steps=steps)


def _nothing_new(settings: Settings, delivered: Path, progress: Progress) -> bool:
    from cdp.store import open_store
    from pipelines.ingest import landing, tables

    engine = open_engine(settings)
    wait_until_free(engine, progress)
    with engine.writer() as connection:
        tables.ensure(connection)
    if landing.land(settings, delivered):
        return False
    with open_store(settings.database_url) as store:
        current = store.current_publication()
    if current is None or not (settings.serving / current.snapshot_file).exists():
        return False
    with engine.writer() as connection:
        return fingerprint(settings, connection, settings.clock.now()) == current.fingerprint


def _execute(settings: Settings, delivered: Path, asked: dict[str, bool], progress: Progress) -> list[StepReport]:
    require_room(settings)
    apply_tool_environment(settings)
    prepare_dagster_home(settings)
    progress("loading the pipeline …")
    import dagster as dg

    from pipelines.build import build_definitions
    from pipelines.jobs import JOB

    account: list[StepReport] = []
    said = sys.stderr

    def tell(text: str) -> None:
        with redirect_stderr(said):
            progress(text)

    definitions = build_definitions(settings, progress=tell, account=account)
    config: dict[str, Any] = {
        "resources": {"run": {"config": {"delivered": str(delivered), **asked}}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }
    try:
        # When Dagster cannot write its event log it says so on stderr, with whole statements, once for each event.
        with (
            redirect_stderr(said if settings.log_level == "DEBUG" else io.StringIO()),
            dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance,
        ):
            _close_interrupted_runs(instance)
            definitions.resolve_job_def(JOB).execute_in_process(run_config=config, instance=instance)
    except Exception as error:
        raise _sentence(error) from error
    return account


def _sentence(error: BaseException) -> CdpError:
    """The CdpError behind a Dagster error, else one that names its kind."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, CdpError):
            return seen
        seen = seen.__cause__ or seen.__context__
    if tells_of_full_disk(error):
        return ResourceError(DISK_FULL)
    if type(error).__name__ == "DagsterAssetCheckFailedError":
        return CheckFailed(f"Nothing was published: {str(error).splitlines()[0]}")
    return CdpError(f"The run failed unexpectedly ({type(error).__name__}); nothing new was published.")


def _close_interrupted_runs(instance: Any) -> None:
    """Runs that a kill left open are marked failed: we hold the writer lock, so none of them can be alive."""
    import dagster as dg

    open_states = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]
    for run in instance.get_runs(dg.RunsFilter(statuses=open_states)):
        instance.report_run_failed(run, "The process was interrupted.")


def prepare_dagster_home(settings: Settings) -> None:
    """Copy the project's dagster.yaml to the state home with its `var/` paths made absolute."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    text = (PROJECT_ROOT / "dagster.yaml").read_text()
    (settings.dagster_home / "dagster.yaml").write_text(text.replace("base_dir: var/", f"base_dir: {settings.home}/"))
