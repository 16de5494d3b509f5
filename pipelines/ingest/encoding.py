"""How the bytes of a text file become characters, decided once per file and told.

1. What the mapping says. 2. A byte order mark, or the zero bytes of UTF-16. 3. UTF-8. When some line is not UTF-8, the
whole file decides: it is Windows-1252 (which covers Latin-1) when no line holds valid UTF-8 beyond ASCII, every
doubtful byte is a letter or sign that Western text uses, and never three of them follow each other, as they do in every
word of other scripts; otherwise it is UTF-8 and the doubtful lines are broken.
"""

from __future__ import annotations

import codecs
import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from cdp.errors import InputError
from pipelines.ingest.reading import opened

_log = logging.getLogger("wayfinder.ingest")

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Letters of Western languages, and the quotes, dashes and signs that office programs put between them.
_SIGNS = b"\x80\x85\x8a\x8c\x8e\x91\x92\x93\x94\x96\x97\x9a\x9c\x9e\x9f\xa0\xa1\xaa\xab\xb0\xb4\xb7\xba\xbb\xbf"
_WESTERN = (frozenset(range(0xC0, 0xFF)) - {0xD7, 0xF7}) | frozenset(_SIGNS)
_FOREIGN_WORD = re.compile(rb"[\x80-\xff]{3}")


@dataclass
class TextFile:
    """An open text file; `repair` gives a line its characters back, or None when it is broken."""

    lines: TextIO
    path: Path
    file: str
    encoding: str
    _western: bool | None = None

    @property
    def is_utf8(self) -> bool:
        """Whether it is read as UTF-8, of which broken bytes are kept as they are."""
        return self.encoding.startswith("utf-8")

    def repair(self, line: str) -> str | None:
        """The line as it is, re-read as Windows-1252, or None when its bytes are no text."""
        if line.isascii() or not _has_raw_bytes(line):
            return line
        if self._western is None:
            self._western = self.is_utf8 and _is_western(self.path, self.file)
            if self._western:
                _log.info("%s is read as Windows-1252: it holds no UTF-8", self.file)
        return line.encode("utf-8", "surrogateescape").decode("cp1252") if self._western else None


def shown(line: str) -> str:
    """A line with broken bytes as storable text: each such byte appears as its hexadecimal escape."""
    return line.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@contextmanager
def open_text(
    path: Path, file: str, *, encoding: str | None, newline: str, may_be_blank: bool = False
) -> Iterator[TextFile]:
    """The file as text. Raises InputError naming `file` when it is empty, damaged or not in the encoding it claims.

    A file from which records were taken `may_be_blank`.
    """
    with opened(path, file) as probe:
        head = probe.read(4096)
    if not head.strip() and not (head and may_be_blank):
        raise InputError(f"{file} is empty; deliver it again.")
    chosen = encoding or _from_head(head)
    errors = "surrogateescape" if chosen.startswith("utf-8") else "strict"
    with opened(path, file) as handle:
        try:
            yield TextFile(_wrap(handle, chosen, errors, newline), path, file, chosen)
        except UnicodeError as error:
            if isinstance(error, UnicodeEncodeError):
                raise
            raise InputError(f"{file} is not {chosen} text all through; deliver it again as UTF-8.") from None


def is_cut_off(path: Path, file: str) -> bool:
    """Whether a text file ends without a line break, as one does whose writing was interrupted (and some others)."""
    last = b""
    with opened(path, file) as handle:
        while block := handle.read(1 << 20):
            last = (last + block)[-4:]
    return b"\n" not in last and b"\r" not in last


def _wrap(handle: BinaryIO, encoding: str, errors: str, newline: str) -> TextIO:
    return io.TextIOWrapper(handle, encoding=encoding, errors=errors, newline=newline)


def _from_head(head: bytes) -> str:
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    # Text in Western letters has a zero in every other byte of UTF-16.
    even, odd = head[0:200:2].count(0), head[1:200:2].count(0)
    if max(even, odd) > len(head[:200]) // 3:
        return "utf-16-be" if even > odd else "utf-16-le"
    return "utf-8"


def _has_raw_bytes(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return True
    return False


def _is_western(path: Path, file: str) -> bool:
    with opened(path, file) as handle:
        for line in handle:
            if line.isascii():
                continue
            try:
                line.decode()
            except UnicodeDecodeError:
                if _FOREIGN_WORD.search(line) or any(byte > 127 and byte not in _WESTERN for byte in set(line)):
                    return False
            else:
                return False
    return True
