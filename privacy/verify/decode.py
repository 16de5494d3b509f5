"""Files as the bytes in them: as they are, and unpacked where a format hides them.

gzip, zstd, bzip2 and xz are unpacked, zip archives (and so XLSX) member by member, Parquet column by column; UTF-32
with a mark becomes UTF-8; pickles and msgpack hold text as it is. A file that says what it is and cannot be read as
that raises DamagedError.
"""

from __future__ import annotations

import bz2
import codecs
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from cdp import gzipped

CHUNK = 16 << 20
_UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_UNREADABLE: tuple[type[Exception], ...] = (OSError, lzma.LZMAError, *gzipped.DAMAGED)


class DamagedError(Exception):
    """A packed file that cannot be read to its end."""


def views(path: Path) -> Iterator[Iterator[bytes]]:
    """Streams of chunks: the file as it is, then each of its unpacked forms."""
    with path.open("rb") as handle:
        head = handle.read(8)
        handle.seek(0)
        yield _chunks(handle)
    if head.startswith(_UTF_32):
        with path.open("rb") as handle:
            yield _narrow(_chunks(handle))
    opener = _opener(head)
    if opener is not None:
        with path.open("rb") as handle:
            yield _unpacked(opener, handle)
    if head[:4] == b"PK\x03\x04":
        yield from _members(path)
    if head[:4] == b"PAR1":
        yield _columns(path)


def _opener(head: bytes) -> Any:
    if head[:2] == b"\x1f\x8b":
        return gzipped.reader
    if head[:3] == b"BZh":
        return bz2.open
    if head[:6] == b"\xfd7zXZ\x00":
        return lzma.open
    return _zstd if head[:4] == b"\x28\xb5\x2f\xfd" else None


def _zstd(handle: IO[bytes]) -> Any:
    import pyarrow as pa

    return pa.input_stream(handle, compression="zstd")


def _chunks(handle: Any) -> Iterator[bytes]:
    while chunk := handle.read(CHUNK):
        yield chunk


def _unpacked(opener: Any, handle: IO[bytes]) -> Iterator[bytes]:
    try:
        yield from _narrow(_chunks(opener(handle)))
    except _UNREADABLE as error:
        raise DamagedError(type(error).__name__) from None


def _narrow(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Text of UTF-32 as UTF-8; what has no mark of it as it is."""
    first = next(chunks, b"")
    if not first.startswith(_UTF_32):
        yield first
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder("utf-32")()
    try:
        yield decoder.decode(first).encode()
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        raise DamagedError(type(error).__name__) from None


def _members(path: Path) -> Iterator[Iterator[bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                with archive.open(member) as handle:
                    content = handle.read()
                yield iter([content])
                opener = _opener(content[:8])
                if opener is not None:
                    yield _unpacked(opener, io.BytesIO(content))
    except (zipfile.BadZipFile, OSError, RuntimeError, zlib.error) as error:
        raise DamagedError(type(error).__name__) from None


def _columns(path: Path) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=50_000):
                for column in batch.columns:
                    yield "\n".join(map(str, column.to_pylist())).encode(errors="replace")
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(type(error).__name__) from None
