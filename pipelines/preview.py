"""Previews a change of the models: SQLMesh plans a named development environment on a copy of the warehouse.

What production last ran is kept as a copy of the project (`remember_project`); both versions are planned side by side
on the copied warehouse, so that exactly what was edited shows as changed, with row differences by key. Neither the real
warehouse nor the tables that dbt owns are touched. The planning itself happens in a child process (`preview_plan`),
because SQLMesh and dbt write to stdout and keep a lot in memory.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdp.clock import stopwatch
from cdp.errors import CheckFailed, ConfigurationError, NotFoundError
from cdp.settings import PROJECT_ROOT, Settings, child_environment
from pipelines import stage_set

# The environment that stands for production inside a preview; nobody else may use the name.
BASELINE = "baseline"
_RESERVED = {"prod", "production", "main", "master", BASELINE}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_IGNORED = (".cache", "target", "logs", "__pycache__", "dbt_packages")


@dataclass(frozen=True)
class RowDifference:
    """Row counts of one model before and after the change; `changed` rows have the same key and another content."""

    before: int
    after: int
    only_before: int
    only_after: int
    changed: int


@dataclass(frozen=True)
class ModelChange:
    """One model that the change touches."""

    model: str
    change: str
    """added, removed, modified (its own text) or affected (by a model it reads)."""
    breaking: bool | None
    """Whether readers of the model may get other rows; None where it does not apply."""
    rows: RowDifference | None


@dataclass(frozen=True)
class PreviewReport:
    """What a plan of the environment found."""

    environment: str
    changes: list[ModelChange]
    broken_tests: list[str]
    """Tests that the changed models do not pass, with counts of rows; `cdp run` would publish nothing."""
    models: int
    seconds: float

    def lines(self) -> list[str]:
        """The report for people."""
        if not self.changes:
            return [f"{self.environment}: all {self.models} models are what production last ran."]
        return [
            f"{self.environment}: {len(self.changes)} of {self.models} models differ from production.",
            *(_line(change) for change in self.changes),
            *(f"  FAILS     {broken}" for broken in self.broken_tests),
        ]


def preview(
    settings: Settings, environment: str, *, warehouse: Path, on_line: Callable[[str], None] | None = None
) -> PreviewReport:
    """Plan `environment` on `warehouse`, a copy that the caller made and that this may write to.

    Raises ConfigurationError for a production name or models that do not load, CheckFailed when a model cannot be
    built on the data, NotFoundError without the copy.
    """
    refuse_production(environment)
    if warehouse.resolve() == settings.warehouse.resolve():
        raise ConfigurationError("A preview works on a copy of the warehouse, never on the warehouse itself.")
    if not warehouse.exists():
        raise NotFoundError(f"There is no copy of the warehouse at {warehouse.name} to plan on.")
    tell = on_line or (lambda _: None)
    started = stopwatch()
    settings.tmp.mkdir(parents=True, exist_ok=True)
    remembered = settings.dbt_artifacts / "production"
    before = _mirror(remembered if remembered.exists() else settings.dbt_project, settings.sqlmesh_state / "before")
    after = _mirror(settings.dbt_project, settings.sqlmesh_state / "after")
    (after / stage_set.MARK).write_text(stage_set.variables(settings)["stage_set"])
    tell(f"planning {environment} beside production …")
    found = _plan(settings, environment, warehouse, before, after)
    return PreviewReport(
        environment,
        [_change(change) for change in found["changes"]],
        found["broken_tests"],
        found["models"],
        round(stopwatch() - started, 2),
    )


def refuse_production(environment: str) -> None:
    """ConfigurationError unless the name is one of a development environment."""
    if environment.strip().lower() in _RESERVED:
        raise ConfigurationError(
            f"{environment!r} is not previewed: production is what `cdp run` builds. Name a development environment."
        )
    if not _NAME.fullmatch(environment):
        raise ConfigurationError(
            "An environment has a name of lower-case letters, digits and underscores that begins with a letter, for "
            "example dev."
        )


def remember_project(settings: Settings) -> None:
    """Keep the project that production has just been built from; a kill in between leaves the former or none."""
    final = settings.dbt_artifacts / "production"
    fresh = settings.dbt_artifacts / "production.new"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(settings.dbt_project, fresh, ignore=shutil.ignore_patterns(*_IGNORED))
    (fresh / stage_set.MARK).write_text(settings.stage_set)
    shutil.rmtree(final, ignore_errors=True)
    fresh.rename(final)


def _mirror(source: Path, target: Path) -> Path:
    """Make `target` hold the files of `source`; caches that SQLMesh and dbt left there stay, they save seconds."""
    wanted = {
        path.relative_to(source)
        for path in source.rglob("*")
        if path.is_file() and not set(_IGNORED) & set(path.relative_to(source).parts)
    }
    for path in [path for path in target.rglob("*") if path.is_file()]:
        relative = path.relative_to(target)
        if relative not in wanted and not set(_IGNORED) & set(relative.parts):
            path.unlink()
    for relative in wanted:
        copy = target / relative
        if not copy.exists() or copy.read_bytes() != (source / relative).read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / relative, copy)
    return target


def _plan(settings: Settings, environment: str, warehouse: Path, before: Path, after: Path) -> dict[str, Any]:
    answer = settings.sqlmesh_state / "plan.json"
    answer.unlink(missing_ok=True)
    completed = subprocess.run(
        [sys.executable, "-m", "pipelines.preview_plan", environment, str(before), str(after), str(answer)],
        env=child_environment(settings, CDP_WAREHOUSE=str(warehouse)),
        cwd=PROJECT_ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    if not answer.exists():
        raise CheckFailed(f"The plan of {environment} ended without an answer (exit code {completed.returncode}).")
    found: dict[str, Any] = json.loads(answer.read_text())
    if found["failed"]:
        raise CheckFailed(f"The plan of {environment} stopped: {'; '.join(found['failed'])}.")
    if found["unreadable"]:
        raise ConfigurationError(f"The models cannot be planned: {found['unreadable']}.")
    return found


def _change(found: dict[str, Any]) -> ModelChange:
    rows = RowDifference(**found["rows"]) if found["rows"] else None
    return ModelChange(found["model"], found["change"], found["breaking"], rows)


def _line(change: ModelChange) -> str:
    words = {True: "breaking", False: "not breaking", None: ""}[change.breaking]
    text = f"  {change.change:<9} {change.model:<40} {words:<13}"
    if change.rows is None:
        return text.rstrip()
    rows = change.rows
    return (
        f"{text} {rows.before:,} -> {rows.after:,} rows: {rows.only_after:,} only new, {rows.only_before:,} only old, "
        f"{rows.changed:,} changed"
    )
