"""gzip by ISA-L: read at a third of what the standard library takes, written at a seventh."""

from __future__ import annotations

from typing import BinaryIO, cast

from isal import igzip, isal_zlib

# What reading a damaged or truncated stream raises, besides other errors of the system.
DAMAGED: tuple[type[Exception], ...] = (EOFError, igzip.BadGzipFile, cast("type[Exception]", isal_zlib.error))
# Some eight percent larger than zlib's usual level.
_LEVEL = 2


def reader(packed: BinaryIO) -> BinaryIO:
    """The unpacked bytes of an open gzip file."""
    return cast("BinaryIO", igzip.GzipFile(fileobj=packed))  # type: ignore[no-untyped-call]


def writer(packed: BinaryIO) -> BinaryIO:
    """What is written is packed into an open file: the same bytes for the same content. Close it, then the file."""
    return cast(
        "BinaryIO",
        igzip.GzipFile(filename="", fileobj=packed, mode="wb", compresslevel=_LEVEL, mtime=0),  # type: ignore[no-untyped-call]
    )
