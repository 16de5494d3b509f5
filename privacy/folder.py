"""Files of the privacy folder: for their owner alone, written whole or not at all, and changed under one lock."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cdp.errors import ResourceError


def partial(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    return path.with_name(f"{path.name}.part")


def overwrite(path: Path, content: bytes) -> None:
    """Write bytes over what is there, and wait until the disk has them."""
    handle = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())


def write(path: Path, content: bytes) -> None:
    """Put bytes in place, whole or not at all."""
    beside = partial(path)
    overwrite(beside, content)
    beside.replace(path)


def keep(path: Path, record: Mapping[str, Any]) -> None:
    """Put a record in place as JSON. ResourceError when the folder cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write(path, json.dumps(record, indent=1).encode())
    except OSError as error:
        raise _unwritable(path.parent, error) from None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one process at a time; the folder is made on first use. ResourceError when that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise _unwritable(folder, error) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _unwritable(folder: Path, error: OSError) -> ResourceError:
    return ResourceError(f"{folder} cannot be written: {error.strerror}.")
