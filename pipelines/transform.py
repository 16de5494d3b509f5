"""Builds the dbt models in a child process; never imports Dagster.

dbt runs twice per pipeline run: `staging` (seeds, staging, intermediate) before identity and `marts` after it. A
failure is told as one sentence that names the model or test and how many rows failed; what dbt itself says about a
failing statement can quote a record, so only its class is passed on.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdp.clock import stopwatch
from cdp.errors import (
    DISK_FULL,
    CdpError,
    CheckFailed,
    ConfigurationError,
    ResourceError,
    tells_of_full_disk,
)
from cdp.settings import Settings, child_environment
from pipelines import stage_set
from pipelines.preview import remember_project

# One dbt selection per layer, in the order in which they run.
SELECT = {
    "staging": "fqn:staging fqn:intermediate resource_type:seed",
    "marts": "fqn:marts",
}

# Errors whose first line is about our SQL and quotes no data.
_ABOUT_CODE = ("Compilation Error", "Binder Error", "Catalog Error", "Parser Error", "Parsing Error")
_ERROR_CLASS = re.compile(r"\b((?:[A-Z][A-Za-z]+ )+Error)\b")
_FAILED = {"error", "fail", "runtime error"}


@dataclass(frozen=True)
class TransformReport:
    """What one dbt invocation did: models and seeds built, tests passed, wall seconds."""

    layer: str
    models: int
    tests: int
    seconds: float


def dbt_arguments(settings: Settings, layer: str, full_refresh: bool = False) -> list[str]:
    """The dbt command for a layer.

    Incremental models are rebuilt in full when asked, and when their SQL is not the one that built them: rows that an
    older version wrote would stay otherwise (see `mark_built`).
    """
    refresh = layer == "staging" and (full_refresh or _stamp(settings) != incremental_digest(settings))
    threads = ["--threads", str(settings.threads)]
    chosen = stage_set.arguments(settings)
    return ["build", "--select", _selection(layer), *threads, *chosen, *(["--full-refresh"] if refresh else [])]


def mark_built(settings: Settings, layer: str) -> None:
    """Remember that today's models built `layer`; to be called after each successful invocation.

    The stamp of `staging` says whether the next build may be incremental, the project kept after `marts` is what a
    preview compares with.
    """
    settings.dbt_artifacts.mkdir(parents=True, exist_ok=True)
    if layer == "staging":
        _stamp_file(settings).write_text(incremental_digest(settings))
    else:
        remember_project(settings)


def run_dbt(
    settings: Settings, layer: str, full_refresh: bool = False, on_line: Callable[[str], None] | None = None
) -> TransformReport:
    """Build one layer in a child process; `on_line` hears one line per finished model.

    No connection to the warehouse may be open meanwhile. Raises CheckFailed naming the model or test and the number of
    rows, ConfigurationError when the project does not parse, ResourceError when memory or disk ran out.
    """
    started = stopwatch()
    target = settings.dbt_artifacts / "target"
    target.mkdir(parents=True, exist_ok=True)
    settings.tmp.mkdir(parents=True, exist_ok=True)
    (target / "run_results.json").unlink(missing_ok=True)
    command = _command(settings, target, dbt_arguments(settings, layer, full_refresh))
    code, errors = _run(settings, command, on_line)
    if code:
        raise _failure(target, errors)
    mark_built(settings, layer)
    kinds = [result["unique_id"].split(".")[0] for result in _results(target)]
    models = sum(kind in {"model", "seed"} for kind in kinds)
    return TransformReport(layer, models, kinds.count("test"), round(stopwatch() - started, 2))


def explain_failure(target: Path) -> str:
    """One sentence about the invocation whose artifacts are in `target`: what failed, never a value."""
    return _failure(target, []).message


def incremental_digest(settings: Settings) -> str:
    """Hex SHA-256 over what decides the rows of incremental models: their SQL and all macros."""
    state = hashlib.sha256()
    project = settings.dbt_project
    models = [path for path in (project / "models").rglob("*.sql") if 'materialized="incremental"' in path.read_text()]
    for path in sorted([*models, *(project / "macros").rglob("*.sql")]):
        state.update(str(path.relative_to(project)).encode())
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()


def _selection(layer: str) -> str:
    try:
        return SELECT[layer]
    except KeyError:
        raise ConfigurationError(f"There is no layer {layer!r} to build; there are: {', '.join(SELECT)}.") from None


def _stamp_file(settings: Settings) -> Path:
    return settings.dbt_artifacts / "incremental.sha256"


def _stamp(settings: Settings) -> str | None:
    path = _stamp_file(settings)
    return path.read_text() if path.exists() else None


def _command(settings: Settings, target: Path, arguments: list[str]) -> list[str]:
    project = str(settings.dbt_project)
    return [
        sys.executable, "-m", "pipelines.dbt_child",
        "--log-format", "json", "--log-level", "info", "--log-level-file", "none", "--no-version-check",
        "--log-path", str(settings.dbt_artifacts / "logs"),
        *arguments,
        "--project-dir", project, "--profiles-dir", project, "--target-path", str(target),
    ]  # fmt: skip


def _run(settings: Settings, command: list[str], on_line: Callable[[str], None] | None) -> tuple[int, list[str]]:
    """Run dbt; returns its exit code and the messages it logged as errors."""
    errors: list[str] = []
    with subprocess.Popen(
        command,
        env=child_environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    ) as child:
        try:
            for event in _events(child.stdout or ()):
                if event["info"]["level"] == "error":
                    errors.append(event["info"]["msg"])
                elif on_line and event["info"]["name"] in {"LogModelResult", "LogSeedResult"}:
                    relation = event["data"]["node_info"]["node_relation"]
                    on_line(f"{relation['schema']}.{relation['alias']}")
        except BaseException:
            child.terminate()
            raise
    return child.returncode, errors


def _events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "info" in event:
            yield event


def _results(target: Path) -> list[dict[str, Any]]:
    path = target / "run_results.json"
    results: list[dict[str, Any]] = json.loads(path.read_text())["results"] if path.exists() else []
    return results


def _failure(target: Path, errors: list[str]) -> CdpError:
    failed = [result for result in _results(target) if result["status"] in _FAILED]
    messages = [*errors, *(result["message"] or "" for result in failed)]
    if any(tells_of_full_disk(CdpError(message)) for message in messages):
        return ResourceError(DISK_FULL)
    if any("Out of Memory" in message for message in messages):
        return ResourceError("The models ran out of memory or spill space; raise CDP_MEMORY_LIMIT or CDP_MAX_SPILL.")
    if not failed:
        reason = _reason(errors[-1]) if errors else "see dbt's own output"
        return ConfigurationError(f"The models could not be built: {reason}.")
    told = [_told(result) for result in failed[:5]]
    more = f"; and {len(failed) - 5} more" if len(failed) > 5 else ""
    return CheckFailed(f"The models do not hold, nothing was published: {'; '.join(told)}{more}.")


def _told(result: dict[str, Any]) -> str:
    kind, name = result["unique_id"].split(".")[0], result["unique_id"].split(".")[2]
    if kind == "test" and result["failures"]:
        return f"test {name} found {result['failures']} row(s)"
    return f"{kind} {name} stopped with {_reason(result['message'] or '')}"


def _reason(message: str) -> str:
    """The class of an error, with its first line only when that speaks about our SQL."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith(_ABOUT_CODE):
            return f"{line} {following if line.startswith('Compilation') else ''}".strip().rstrip(".")
    classes = _ERROR_CLASS.findall(message)
    return f"a {classes[-1]}" if classes else "an error"
