"""`cdp run`: the whole job in this process, with progress and an account.

A run that could not change anything is not started: when nothing new was delivered and the fingerprint is that of the
current publication, the answer is "unchanged" and neither Dagster nor dbt is loaded.
"""

from __future__ import annotations

import io
import sys
import threading
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from cdp.clock import stopwatch
from cdp.engine.duckdb import open_engine
from cdp.errors import DISK_FULL, CdpError, CheckFailed, InputError, ResourceError, tells_of_full_disk
from cdp.settings import PROJECT_ROOT, Settings, apply_tool_environment
from pipelines.activating import call_back_waiting, deliver_waiting, run_triggers
from pipelines.auditing import sign
from pipelines.context import Progress, StepReport, quiet, require_room, wait_until_free
from pipelines.erasing.requests import run_all
from pipelines.fingerprint import fingerprint, same_inputs
from pipelines.lock import writer_lock
from pipelines.retaining import people, records
from privacy.requests.words import PACKAGED, Kind


@dataclass(frozen=True)
class RunReport:
    """What one `cdp run` did."""

    changed: bool
    seconds: float
    steps: list[StepReport] = field(default_factory=list)


def run_pipeline(
    settings: Settings,
    delivered: Path | None,
    *,
    full_refresh: bool = False,
    renew_model: bool = False,
    partial: bool = False,
    progress: Progress = quiet,
) -> RunReport:
    """Run everything from the delivered folder to the publication; without one, from what has landed.

    When nothing was delivered and only what people decided or the data's now is new, the run begins at identity.
    `full_refresh` rebuilds all from raw, `renew_model` trains the matching model anew; both keep profile ids.
    `partial` takes a first delivery of a source that lacks some of its files.

    Raises a CdpError with one sentence on failure; what was served before is served on. A second call in another
    process meanwhile raises BusyError.
    """
    started = stopwatch()
    with writer_lock(settings.writer_lock):
        steps = _run(settings, delivered, full_refresh, renew_model, partial=partial, progress=progress)
        # From what is there now, also when nothing new was delivered.
        run_all(settings, kinds=PACKAGED, progress=progress)
        sign(settings, progress)
    # Receivers may be slow: the next run does not have to wait for them.
    told = [*deliver_waiting(settings, progress), *call_back_waiting(settings, progress)]
    return RunReport(steps is not None, round(stopwatch() - started, 2), [*(steps or []), *told])


def _run(
    settings: Settings,
    delivered: Path | None,
    full_refresh: bool,
    renew_model: bool,
    *,
    partial: bool,
    progress: Progress,
) -> list[StepReport] | None:
    """The account of a run; None when nothing is new."""
    run_all(settings, kinds={Kind.ERASURE}, progress=progress)
    _replay_erasures(settings, progress)
    records.begin(settings, progress)
    news = News.EVERYTHING if full_refresh else _news(settings, delivered, partial, progress)
    if news is News.NOTHING:
        if not renew_model:
            _judge_freshness(settings, progress)
            run_triggers(settings)
            _retain(settings, progress)
            return None
        news = News.DECISIONS
    if delivered is not None:
        # The whole job also judges how fresh the sources are.
        news = News.EVERYTHING
    elif news is News.DECISIONS:
        _judge_freshness(settings, progress)
    options = {
        "delivered": str(delivered or ""),
        "deliver": delivered is not None,
        "full_refresh": full_refresh,
        "renew_model": renew_model,
    }
    steps = _execute(settings, news, options, progress)
    _retain(settings, progress)
    return steps


def _retain(settings: Settings, progress: Progress) -> None:
    """Once all is published: what rules of retention began is finished, and people who have outlived one go."""
    records.finish(settings, progress)
    people.run(settings, progress)


def _judge_freshness(settings: Settings, progress: Progress) -> None:
    """What the whole job does once it has loaded: sources that stopped delivering are told where nothing is loaded."""
    from pipelines.ingest import freshness

    with open_engine(settings).reader() as connection:
        found = freshness.check(connection, settings.clock.now())
    freshness.judge(found, progress, block=settings.freshness == "block")


def _replay_erasures(settings: Settings, progress: Progress) -> None:
    """Before anything else after a restored backup: what was erased since goes again."""
    from pipelines.erasing.replay import replay

    replay(settings, progress)


class News(Enum):
    """What is new since the current publication: `DECISIONS` stands for what people decided and for now."""

    NOTHING = "nothing"
    DECISIONS = "decisions"
    EVERYTHING = "everything"


def _news(settings: Settings, delivered: Path | None, partial: bool, progress: Progress) -> News:
    from cdp.store import open_store
    from pipelines.ingest import landing, tables

    engine = open_engine(settings)
    wait_until_free(engine, progress)
    with engine.writer() as connection:
        tables.ensure(connection)
    pending = landing.land(settings, delivered, whole=not partial) if delivered else landing.waiting(settings)
    for name, pattern in landing.absent(settings, delivered) if delivered else ():
        progress(f"{name} brought no file like {pattern} this time; what came before stays")
    if pending:
        return News.EVERYTHING
    with open_store(settings.database_url) as store:
        current = store.current_publication()
        rulings, consents = store.decisions.rulings(), store.consents.mark()[0]
        corrections = store.corrections.in_force()
    with engine.writer() as connection:
        if delivered is None and not connection.execute("select 1 from ops.batches limit 1").fetchall():
            raise InputError("Nothing was delivered yet: use `cdp run --from DIR`.")
        if current is None or not (settings.serving / current.snapshot_file).exists():
            return News.EVERYTHING
        mark = fingerprint(
            settings, connection, settings.clock.now(), rulings, corrections=corrections, consents=consents
        )
    if mark == current.fingerprint:
        return News.NOTHING
    return News.DECISIONS if same_inputs(mark, current.fingerprint) else News.EVERYTHING


def _execute(settings: Settings, news: News, options: dict[str, Any], progress: Progress) -> list[StepReport]:
    require_room(settings)
    apply_tool_environment(settings)
    prepare_dagster_home(settings)
    progress("loading the pipeline …")
    import dagster as dg

    from pipelines.build import build_definitions
    from pipelines.history import written_at_ease
    from pipelines.jobs import DECISIONS_JOB, JOB

    account: list[StepReport] = []
    said = sys.stderr

    telling, ended = threading.Lock(), threading.Event()

    def tell(text: str) -> None:
        # Lines of dbt come from a thread that may outlive a run that is stopped.
        with telling:
            if not ended.is_set():
                with redirect_stderr(said):
                    progress(text)

    definitions = build_definitions(settings, progress=tell, account=account)
    config: dict[str, Any] = {
        "resources": {"run": {"config": options}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }
    job = definitions.resolve_job_def(DECISIONS_JOB if news is News.DECISIONS else JOB)
    try:
        # When Dagster cannot write its event log it says so on stderr, with whole statements, once for each event.
        with (
            redirect_stderr(said if settings.log_level == "DEBUG" else io.StringIO()),
            written_at_ease(settings.dagster_home / "storage"),
            dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance,
        ):
            _close_interrupted_runs(instance)
            job.execute_in_process(run_config=config, instance=instance)
    except dg.DagsterExecutionInterruptedError:
        # Dagster takes SIGINT and SIGTERM for itself.
        raise KeyboardInterrupt from None
    except Exception as error:
        raise _sentence(error) from error
    finally:
        with telling:
            ended.set()
            sys.stderr = said
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
