"""gzip files: what one library writes the other reads, and every kind of damage is told."""

from __future__ import annotations

import gzip
import io

import pytest

from cdp import gzipped

CONTENT = b"".join(b'{"event_id": "e-%06d", "page": "/shoes"}\n' % number for number in range(20_000))


def test_what_is_written_is_read_by_the_standard_library() -> None:
    out = io.BytesIO()
    with gzipped.writer(out) as packed:
        for start in range(0, len(CONTENT), 70_001):
            packed.write(CONTENT[start : start + 70_001])
    assert gzip.decompress(out.getvalue()) == CONTENT
    assert len(out.getvalue()) < len(CONTENT) / 5


def test_several_members_one_after_the_other_are_one_file() -> None:
    whole = gzip.compress(CONTENT[:100]) + gzip.compress(CONTENT[100:])
    assert gzipped.reader(io.BytesIO(whole)).read() == CONTENT


def test_damage_is_told() -> None:
    whole = gzip.compress(CONTENT)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    wrong_sum = whole[:-8] + b"\0\0\0\0" + whole[-4:]
    for damaged in (whole[: len(whole) // 2], whole[:-3], bytes(flipped), wrong_sum, whole[:10] + b"nothing packed"):
        with pytest.raises(gzipped.DAMAGED):
            gzipped.reader(io.BytesIO(damaged)).read()
