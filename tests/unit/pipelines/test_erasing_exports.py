"""Exports lose exactly the rows of the erased, in every form a file may have."""

from __future__ import annotations

import base64
import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.erasing.exports import clean_export, holds
from privacy.verify.needles import Needle, patterns
from privacy.verify.search import Searcher

ANN, BOB = "ann.lee@marked.org", "bob@marked.org"
CSV = f'mail,note\n{ANN},"two\nlines, ""quoted"" ann"\n{BOB},"two\nlines"\n'
KEPT = f'mail,note\n{BOB},"two\nlines"\n'


@pytest.fixture
def searcher() -> Searcher:
    return Searcher(patterns([Needle(0, "mailbox", ANN)]))


FORMS: dict[str, tuple[bytes, Callable[[bytes], str], str]] = {
    "a.csv": (CSV.encode("utf-8-sig"), lambda content: content.decode("utf-8-sig"), KEPT),
    "a.csv.gz": (gzip.compress(CSV.encode()), lambda content: gzip.decompress(content).decode(), KEPT),
    "wide.csv": (CSV.encode("utf-16"), lambda content: content.decode("utf-16"), KEPT),
    "a.jsonl": (
        "".join(json.dumps({"m": mail}) + "\n" for mail in (BOB, ANN, BOB)).encode(), bytes.decode,
        (json.dumps({"m": BOB}) + "\n") * 2,
    ),
    "b64.txt": (base64.b64encode(ANN.encode()) + b"\nZm9v\n", bytes.decode, "Zm9v\n"),
    "hex.txt": (ANN.encode().hex().encode() + b"\n00\n", bytes.decode, "00\n"),
    "no-end.csv": (f"mail\n{BOB}\n{ANN}".encode(), bytes.decode, f"mail\n{BOB}\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_records_go_and_the_rest_stays(name: str, tmp_path: Path, searcher: Searcher) -> None:
    content, read, kept = FORMS[name]
    (tmp_path / name).write_bytes(content)
    assert holds(tmp_path / name, searcher)
    assert clean_export(tmp_path / name, searcher) == 1
    assert read((tmp_path / name).read_bytes()) == kept
    assert clean_export(tmp_path / name, searcher) == 0
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_parquet_goes_row_by_row(tmp_path: Path, searcher: Searcher) -> None:
    path = tmp_path / "a.parquet"
    rows = [
        {"m": mail, "n": [{"x": note}]} for mail, note in ((BOB, "a\nb"), (ANN, "c"), (BOB, f"to {ANN}"), (None, "d"))
    ]
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd")
    assert clean_export(path, searcher) == 2
    assert pq.read_table(path).to_pylist() == [rows[0], rows[3]]


def test_what_has_no_rows_goes_as_a_whole_and_only_with_a_value(tmp_path: Path, searcher: Searcher) -> None:
    for name, text in (("ann.zip", ANN), ("bob.zip", BOB)):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("people.csv", text)
    (tmp_path / "list.json").write_text(json.dumps([ANN, BOB]))
    (tmp_path / "broken.csv.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    assert [clean_export(path, searcher) for path in sorted(tmp_path.iterdir())] == [1, 0, 0, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bob.zip", "broken.csv.gz"]
