"""`cdp preview`: SQLMesh plans on a copy, so production is never at risk and never blocked for long.

The warehouse file is copied while we hold the writer lock; the plan then works on the copy.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from cdp.engine.duckdb import open_engine
from cdp.errors import NotFoundError, ResourceError
from cdp.settings import Settings, apply_tool_environment
from cdp.store import snapshots
from pipelines.context import Progress, quiet, wait_until_free
from pipelines.lock import writer_lock

if TYPE_CHECKING:
    from pipelines.preview import PreviewReport


def run_preview(settings: Settings, environment: str, *, progress: Progress = quiet) -> PreviewReport:
    """Copy the warehouse and plan `environment` on the copy; ConfigurationError for a production name."""
    from pipelines.preview import preview, refuse_production

    refuse_production(environment)
    apply_tool_environment(settings)
    # An unfinished first run leaves a warehouse without models.
    if snapshots.current(settings.serving) is None or not settings.warehouse.exists():
        raise NotFoundError("There is nothing to compare with yet: run `cdp run --from DIR` first.")
    copy = settings.sqlmesh_state / "warehouse.duckdb"
    copy.parent.mkdir(parents=True, exist_ok=True)
    with writer_lock(settings.writer_lock):
        engine = open_engine(settings)
        wait_until_free(engine, progress)
        with engine.writer() as connection:
            connection.execute("checkpoint")
        progress("copying the warehouse …")
        try:
            copy.unlink(missing_ok=True)
            shutil.copyfile(settings.warehouse, copy)
        except OSError as error:
            copy.unlink(missing_ok=True)
            raise ResourceError(f"The warehouse could not be copied: {error.strerror}.") from None
    return preview(settings, environment, warehouse=copy, on_line=progress)
