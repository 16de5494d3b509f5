"""What readers hand over, whatever the format: chunks of records with their line numbers, and lines that are broken.

A reader walks a file once with bounded memory. It decides how the file is to be read (encoding, delimiter) and which
lines are no records; it does not judge records. Typing and JSON are left to SQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cdp import gzipped
from cdp.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 50_000
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Broken:
    """A line that is no record: where, its text, a stable code and a sentence."""

    line: int
    text: str
    code: str
    reason: str


@dataclass(frozen=True)
class Chunk:
    """Some records of a file.

    `table` has a column `line` and the columns that `payload_sql` turns into the record's JSON text; when
    `check_json`, that text is as received and may turn out not to be a JSON object.
    """

    table: pa.Table
    payload_sql: str
    check_json: bool = False
    broken: list[Broken] = field(default_factory=list)

    @property
    def received(self) -> int:
        """Records and broken lines."""
        return int(self.table.num_rows) + len(self.broken)


@contextmanager
def opened(path: Path, file: str) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked when gzipped. A truncated or damaged archive becomes an InputError naming `file`."""
    with path.open("rb") as plain:
        packed = plain.read(2) == _GZIP
        plain.seek(0)
        try:
            yield gzipped.reader(plain) if packed else plain
        except gzipped.DAMAGED:
            raise InputError(f"{file} is only half written or damaged (gzip); deliver it again.") from None
