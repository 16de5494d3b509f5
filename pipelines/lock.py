"""The writer lock: one process writes, whoever else tries is told so.

An advisory `flock` on a file under the state home; the kernel frees it when the process dies, however it dies. Taking
it again in the same process is allowed, so that `cdp run` and the Dagster run inside it share it.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cdp.errors import BusyError

ATTEMPTS, PAUSE_SECONDS = 3, 0.05

_held: dict[Path, int] = {}


@contextmanager
def writer_lock(path: Path) -> Iterator[None]:
    """Hold the lock for the block; BusyError names the process that has it."""
    if _held.get(path):
        _held[path] += 1
        try:
            yield
        finally:
            _held[path] -= 1
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as handle:
        _acquire(handle)
        _held[path] = 1
        try:
            yield
        finally:
            _held.pop(path)


def is_held(path: Path) -> bool:
    """Whether some process writes now."""
    if _held.get(path):
        return True
    try:
        with path.open(encoding="utf-8") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _acquire(handle: IO[str]) -> None:
    for _ in range(ATTEMPTS):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            # Whoever only asks whether it is held has it for a moment.
            threading.Event().wait(PAUSE_SECONDS)
    else:
        handle.seek(0)
        owner = handle.read().strip() or "unknown"
        raise BusyError(
            f"Another run is going (process {owner}); wait until it has ended. The last results stay served."
        ) from None
    handle.seek(0)
    handle.truncate()
    handle.write(str(os.getpid()))
    handle.flush()
