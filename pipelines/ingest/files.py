"""Files that appear whole or not at all: checksum, copy, write.

A copy is written under another name, flushed to the disk and renamed, then made read-only.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cdp.errors import InputError, ResourceError

_BLOCK = 1 << 20


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file. Raises InputError when it cannot be read."""
    with _reading(path), path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def copy_into(path: Path, folder: Path) -> tuple[str, Path]:
    """Copy a file to `folder/<sha12>-<name>`; the checksum is that of the bytes copied.

    Raises InputError when the file cannot be read, ResourceError when the disk is full.
    """
    state = hashlib.sha256()
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{path.name}.part"
        partial.unlink(missing_ok=True)
        with _reading(path), path.open("rb") as origin, partial.open("wb") as target:
            while block := origin.read(_BLOCK):
                state.update(block)
                target.write(block)
            _flush(target.fileno())
        checksum = state.hexdigest()
        copy = folder / f"{checksum[:12]}-{path.name}"
        partial.chmod(0o444)
        partial.replace(copy)
        _flush_folder(folder)
    return checksum, copy


def copy_changed(path: Path, folder: Path, write: Callable[[Path, Path], None]) -> tuple[str, Path]:
    """Like `copy_into`, but `write(path, target)` makes the copy; the checksum is that of the file as delivered.

    Nothing of the file is kept but what `write` lets through.
    """
    checksum = sha256(path)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{path.name}.part"
        partial.unlink(missing_ok=True)
        with _reading(path):
            write(path, partial)
        copy = folder / f"{checksum[:12]}-{path.name}"
        partial.chmod(0o444)
        partial.replace(copy)
        _flush_folder(folder)
    return checksum, copy


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file atomically. Raises ResourceError when the disk is full."""
    with _writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.part")
        with partial.open("wb") as target:
            target.write(content)
            _flush(target.fileno())
        partial.replace(path)
        _flush_folder(path.parent)


def _flush(descriptor: int) -> None:
    os.fsync(descriptor)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.filename is not None and Path(error.filename) == path:
            raise InputError(f"{path.name} cannot be read: {error.strerror}.") from None
        raise


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ResourceError(f"The disk of {folder} is full; free space and run again, nothing is lost.") from None
        raise ResourceError(f"{folder} cannot be written: {error.strerror}.") from None
