"""Lines taken as bytes are the lines that reading the text gives, and blanking them writes what copying text writes."""

from __future__ import annotations

import codecs
import gzip
import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.ingest.lines import blocks, spans
from pipelines.ingest.rewriting import Changes, Layout, _copy_lines, rewrite

BYTES = st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b'{"a":1}', b" ", "ü".encode(), b"\xff"]), max_size=30)


@given(BYTES, st.integers(1, 9))
def test_blocks_hold_every_line_once(parts: list[bytes], size: int) -> None:
    content = b"".join(parts)
    found: dict[int, bytes] = {}
    for first, block, ends in blocks(io.BytesIO(content), size):
        for number, (start, end) in enumerate(spans(ends, np.arange(len(ends))), start=first):
            assert number not in found
            found[number] = block[start:end]
    assert list(found.values()) == list(io.BytesIO(content)), "as the standard library splits bytes"
    assert list(found) == list(range(1, len(found) + 1))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(BYTES, st.sets(st.integers(1, 12)), st.booleans(), st.booleans())
def test_blanking_lines_of_bytes_is_copying_text_without_them(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], gone: set[int], marked: bool, packed: bool
) -> None:
    content = (codecs.BOM_UTF8 if marked else b"") + b'{"first":1}' + b"".join(parts)
    changes = Changes(gone=dict.fromkeys(gone, 1))
    folder = tmp_path_factory.mktemp("lines")
    source, target = folder / "in.jsonl", folder / "out.jsonl"
    source.write_bytes(gzip.compress(content) if packed else content)
    rewrite(source, target, Layout("jsonl"), changes)
    written = gzip.decompress(target.read_bytes()) if packed else target.read_bytes()

    encoding = "utf-8-sig" if marked else "utf-8"
    text = io.TextIOWrapper(io.BytesIO(content), encoding=encoding, errors="surrogateescape", newline="\n")
    expected = io.BytesIO()
    out = io.TextIOWrapper(expected, encoding=encoding, errors="surrogateescape", newline="")
    _copy_lines(text, out, Layout("jsonl"), changes)
    out.flush()
    assert written == expected.getvalue()
