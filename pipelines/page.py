"""The Dagster page over the state home's instance.

`dagster dev` takes the place of this process, so that whoever stops or supervises us stops it and its children too.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from cdp.settings import PROJECT_ROOT, Settings, child_environment
from pipelines.run import prepare_dagster_home


def serve_page(settings: Settings) -> NoReturn:
    """Become `dagster dev`; never returns."""
    prepare_dagster_home(settings)
    command = [
        sys.executable, "-m", "dagster", "dev",
        "--module-name", "pipelines.definitions",
        "--host", "127.0.0.1",
        "--port", str(settings.dagster_port),
    ]  # fmt: skip
    os.chdir(PROJECT_ROOT)
    sys.stdout.flush()
    os.execve(sys.executable, command, child_environment(settings))
