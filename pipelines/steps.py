"""The steps of a run as plain functions; the assets wrap them one to one.

Each step opens its own connection and closes it before it returns, because dbt works in a process of its own. A step
may be killed anywhere and run again: it either commits as a whole or is repeated from the former state.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cdp.errors import CheckFailed
from pipelines.context import RunContext

if TYPE_CHECKING:
    from expectations.runner import TableReport
    from identity.quality_limits import Verdict
    from identity.run import IdentityReport
    from pipelines.ingest.landing import LandedFile
    from pipelines.ingest.load import LoadReport


def land(run: RunContext) -> list[LandedFile]:
    """Copy what is new in the delivered folder, if there is one, to landing; the files that wait to be loaded."""
    from pipelines.ingest import landing

    with run.step("land") as step:
        pending = landing.land(run.settings, run.delivered) if run.delivered else landing.waiting(run.settings)
        step.rows, step.detail = len(pending), "(files)"
    return pending


def load(run: RunContext) -> LoadReport:
    """Load landed files to raw and quarantine, one transaction per file, with the row ledger proved."""
    from pipelines.ingest import landing
    from pipelines.ingest import load as loading

    with run.step("raw") as step:
        pending = landing.waiting(run.settings)
        report = loading.load(run.settings, run.engine, pending, now=run.as_of, progress=run.progress)
        step.rows = sum(entity["received"] for entity in report.entities.values())
        quarantined = sum(entity["quarantined"] for entity in report.entities.values())
        suppressed = sum(entity["suppressed"] for entity in report.entities.values())
        told = {"quarantined": quarantined, "suppressed": suppressed}
        words = ", ".join(f"{count} {word}" for word, count in told.items() if count)
        step.detail = f"({words})" if words else ""
    return report


def resolve_identity(run: RunContext) -> IdentityReport:
    """Find out which source records are one person; only what changed, or was decided, is matched again."""
    from cdp.store import open_store
    from identity import run as identity_run

    with open_store(run.settings.database_url) as store:
        rulings = store.decisions.rulings()
    with run.step("identity") as step, run.engine.writer() as connection:
        report = identity_run.resolve(
            connection,
            run_id=run.run_id,
            now=run.as_of,
            rulings=rulings,
            progress=run.progress,
            renew_model=run.renew_model,
            rebuild=run.full_refresh,
            survivorship=run.settings.survivorship,
        )
        step.rows = report.records
        step.detail = f"({report.profiles:,} profiles)"
        if run.renew_model:
            moved = f", weights moved by {report.model_moved:.2f} at most" if report.model_moved is not None else ""
            step.detail += f" (model {report.model_version}{moved}: see `cdp identity models`)"
    return report


def check_identity(run: RunContext) -> list[Verdict]:
    """Judge the identity map by its limits; the caller decides what a failure blocks."""
    from identity import quality, quality_limits

    with run.step("identity quality") as step, run.engine.writer() as connection:
        limits = quality_limits.read_limits(run.settings.identity_limits)
        verdicts = quality_limits.judge(quality.figures(connection), limits)
        quality.remember(connection, run.run_id, passed=not _blocking(verdicts))
        step.rows = len(verdicts)
        step.detail = "(measures)"
    return verdicts


def require_identity(verdicts: list[Verdict]) -> None:
    """CheckFailed naming each measure beyond its limit, with numbers only."""
    broken = _blocking(verdicts)
    if broken:
        raise CheckFailed(
            f"Nothing was published, identity is beyond {len(broken)} limit(s): {'; '.join(broken)}. See `cdp identity "
            "evaluate`; if this is right, raise the limit in a file named by CDP_IDENTITY_LIMITS."
        )


def _blocking(verdicts: list[Verdict]) -> list[str]:
    return [verdict.sentence for verdict in verdicts if not verdict.passed and verdict.severity == "block"]


def check_contracts(run: RunContext) -> list[TableReport]:
    """Run the contracts of the published tables; the caller decides what a failure blocks."""
    from expectations import runner

    with run.step("contracts") as step, run.engine.writer() as connection:
        reports = runner.check_published(connection)
        step.rows = len(reports)
        step.detail = "(tables)"
    return reports


def require_contracts(reports: list[TableReport]) -> None:
    """CheckFailed naming each table and expectation that does not hold."""
    broken = [
        f"{report.name}: {failure.expectation} {failure.detail}" for report in reports for failure in report.failures
    ]
    if broken:
        raise CheckFailed(f"Nothing was published, {len(broken)} contract(s) do not hold: {'; '.join(broken)}.")


@dataclass(frozen=True)
class Published:
    """What a publication holds: row counts by kind."""

    profiles: int
    segments: int
    memberships: int


@contextmanager
def _named(step: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        from cdp.errors import ResourceError

        raise ResourceError(f"{step} could not write: {error.strerror}. Nothing was published.") from None


def snapshot(run: RunContext) -> Path:
    """Write the read-only analytical snapshot of this run beside the one that is being served."""
    from cdp.store import snapshots

    with run.step("snapshot") as step, _named("snapshot"):
        path = snapshots.write_snapshot(run.settings.warehouse, run.settings.serving, run.run_id)
        step.rows, step.detail = path.stat().st_size // 1024, "(KiB)"
    return path
