"""The Dagster page as a child process over the state home's instance."""

from __future__ import annotations

import subprocess
import sys

from cdp.settings import PROJECT_ROOT, Settings, child_environment
from pipelines.run import prepare_dagster_home


def serve_page(settings: Settings) -> int:
    """Run `dagster dev` until it is stopped; returns its exit code."""
    prepare_dagster_home(settings)
    command = [
        sys.executable, "-m", "dagster", "dev",
        "--module-name", "pipelines.definitions",
        "--host", "127.0.0.1",
        "--port", str(settings.dagster_port),
    ]  # fmt: skip
    try:
        return subprocess.run(command, cwd=PROJECT_ROOT, env=child_environment(settings), check=False).returncode
    except KeyboardInterrupt:
        return 0
