"""Values of erased people → byte patterns: as text, and in the encodings in which text hides in files.

Patterns: UTF-8, UTF-16, base64 at its three offsets (both alphabets), hex in both cases, URL-encoded, JSON-escaped,
with the quotes doubled as in CSV.
Values shorter than eight bytes are looked for as whole values in tables only: as bytes they are in everything.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

SHORTEST = 8


@dataclass(frozen=True)
class Needle:
    """A value that must not be found any more, and the number of the request it belongs to."""

    request: int
    kind: str
    value: str


@dataclass(frozen=True)
class Pattern:
    """Bytes to look for. As plain text, a hit inside a longer word is none."""

    bytes: bytes
    needle: int
    encoding: str

    @property
    def plain(self) -> bool:
        """Whether the bytes around a hit say if it is a whole value."""
        return self.encoding == "utf-8"


def searchable(needles: Iterable[Needle]) -> list[Needle]:
    """Those that are long enough to be looked for in bytes, each value once per request."""
    return list(dict.fromkeys(needle for needle in needles if len(needle.value.encode()) >= SHORTEST))


def short(needles: Iterable[Needle]) -> list[Needle]:
    """The others: too short to be looked for in bytes, each value once per request."""
    return list(dict.fromkeys(needle for needle in needles if len(needle.value.encode()) < SHORTEST))


def patterns(needles: Iterable[Needle], *, encoded: bool = True) -> list[Pattern]:
    """All patterns of the needles, which are numbered in their order; without `encoded` as plain text only."""
    found = []
    for number, needle in enumerate(needles):
        seen: set[bytes] = set()
        for encoding, content in _encodings(needle.value) if encoded else [("utf-8", needle.value.encode())]:
            if len(content) >= SHORTEST and content not in seen:
                seen.add(content)
                found.append(Pattern(content, number, encoding))
    return found


def _encodings(value: str) -> Iterator[tuple[str, bytes]]:
    plain = value.encode()
    yield "utf-8", plain
    wide = value.encode("utf-16-le")
    # Without the zero that ends a Latin letter, these bytes are in text of the other byte order too.
    yield "utf-16", wide.removesuffix(b"\0") if len(wide) > SHORTEST else wide
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + plain)
        # Characters that also hold bits of a neighbour differ from file to file.
        certain = whole[-(-offset * 8 // 6) : (offset + len(plain)) * 8 // 6]
        yield "base64", certain
        yield "base64", certain.replace(b"+", b"-").replace(b"/", b"_")
    yield "hex", plain.hex().encode()
    yield "hex", plain.hex().upper().encode()
    for escaped in (quote(value, safe=""), quote_plus(value), quote(value, safe="").lower(), quote(value)):
        yield "url", escaped.encode()
    escaped = json.dumps(value)[1:-1]
    yield "json", escaped.encode()
    yield "json", escaped.replace("/", "\\/").encode()
    # As .NET writes it.
    upper = re.sub(r"\\u[0-9a-f]{4}", lambda code: "\\u" + code.group()[2:].upper(), escaped)
    yield "json", upper.replace('\\"', "\\u0022").replace("+", "\\u002B").encode()
    yield "csv", value.replace('"', '""').encode()
