"""dbt as a child that dies with its parent.

A killed run must not leave a dbt behind that opens the warehouse minutes later, under the feet of the next run. On
Linux the kernel ends us when the parent dies; elsewhere, and for the moment before that is set, a thread looks.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from importlib.metadata import version

PR_SET_PDEATHSIG = 1
LOOK_SECONDS = 0.2


def main() -> None:
    """Run dbt's command line with the arguments of this process.

    Which version it is, Dagster asks in every run; the answer needs none of the seconds that loading dbt takes.
    """
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(version("dbt-core"))
        return
    die_with_parent()
    from dbt.cli.main import cli

    cli()


def die_with_parent() -> None:
    """From now on this process is killed when the one that started it ends, however that ends."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
