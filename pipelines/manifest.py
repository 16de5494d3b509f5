"""dbt's manifest, compiled when the project changed and never inside the checkout.

Dagster needs it to know the models before any of them runs. It is kept under the state home with a digest of the
project beside it.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from cdp.errors import ConfigurationError
from cdp.settings import Settings, child_environment
from pipelines import stage_set

_SUFFIXES = {".sql", ".yml", ".csv"}


def ensure_manifest(settings: Settings) -> Path:
    """Path of an up-to-date manifest.json; ConfigurationError with dbt's first sentence when the project is broken."""
    target = settings.dbt_artifacts / "target"
    manifest, stamp = target / "manifest.json", target / "project.sha256"
    digest = _project_digest(settings)
    if stamp.exists() and stamp.read_text() == digest and _is_whole(manifest):
        return manifest
    # Also what dbt reads to parse only what changed may have been cut off.
    (target / "partial_parse.msgpack").unlink(missing_ok=True)
    target.mkdir(parents=True, exist_ok=True)
    completed = subprocess.run(
        [
            sys.executable, "-m", "pipelines.dbt_child", "--quiet", "--no-version-check", "parse",
            *stage_set.arguments(settings),
            "--project-dir", str(settings.dbt_project), "--profiles-dir", str(settings.dbt_project),
            "--target-path", str(target), "--log-path", str(settings.dbt_artifacts / "logs"),
        ],
        env=child_environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if completed.returncode or not manifest.exists():
        lines = [line for line in completed.stdout.splitlines() if "rror" in line] or ["see dbt's log"]
        raise ConfigurationError(f"The dbt project does not parse: {lines[-1].strip()}")
    stamp.write_text(digest)
    return manifest


def _is_whole(manifest: Path) -> bool:
    """Whether the file can be read: dbt writes it anew in every build, and a kill may come in between."""
    try:
        json.loads(manifest.read_bytes())
    except (OSError, ValueError):
        return False
    return True


def _project_digest(settings: Settings) -> str:
    project = settings.dbt_project
    state = hashlib.sha256(settings.stage_set.encode())
    for path in sorted(project.rglob("*")):
        if path.suffix in _SUFFIXES and not {"target", "logs", ".cache"} & set(path.parts):
            state.update(str(path.relative_to(project)).encode())
            state.update(path.read_bytes())
    return state.hexdigest()
