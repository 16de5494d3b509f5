"""Readers: every record with the line it stands on, every broken line told, whatever the format."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.errors import InputError
from pipelines.ingest import reading_csv
from pipelines.ingest.reading import Broken, Chunk
from pipelines.ingest.reading_csv import read_csv
from pipelines.ingest.reading_jsonl import read_jsonl
from pipelines.ingest.reading_parquet import read_parquet

KNOWN = frozenset({"id", "name"})


def collect(chunks: Any) -> tuple[list[tuple[int, str]], list[Broken]]:
    rows: list[tuple[int, str]] = []
    broken: list[Broken] = []
    with duckdb.connect() as connection:
        for chunk in chunks:
            assert isinstance(chunk, Chunk)
            connection.register("chunk_rows", chunk.table)
            rows += connection.execute(f"select line, {chunk.payload_sql} from chunk_rows").fetchall()
            broken += chunk.broken
    return rows, broken


def from_csv(tmp_path: Path, content: bytes, **options: Any) -> tuple[list[tuple[int, str]], list[Broken]]:
    path = tmp_path / "f.csv"
    path.write_bytes(content)
    chosen = {"known": KNOWN, "delimiter": None, "encoding": None, **options}
    return collect(read_csv(path, "f.csv", **chosen))


def from_jsonl(tmp_path: Path, content: bytes) -> tuple[list[tuple[int, str]], list[Broken]]:
    path = tmp_path / "f.jsonl"
    path.write_bytes(content)
    return collect(read_jsonl(path, "f.jsonl", encoding=None))


@pytest.mark.parametrize(
    "content",
    [
        b"id,name\n1,Ada\n",
        b"id;name\r\n1;Ada\r\n",
        b"id\tname\n1\tAda",
        b"\xef\xbb\xbfid,name\n1,Ada\n",
        "id,name\n1,Ada\n".encode("utf-16"),
        "id;name\n1;Ada\n".encode("utf-16-le"),
        gzip.compress(b"id,name\n1,Ada\n"),
        b" id , name \n1,Ada\n",
        b"id,name\n1,Ada,,\n",
    ],
    ids=["comma", "semicolon", "tab", "bom", "utf-16", "utf-16 without mark", "gzip", "blanks", "empty values more"],
)
def test_csv_in_its_usual_dresses(tmp_path: Path, content: bytes) -> None:
    assert from_csv(tmp_path, content) == ([(2, '{"id":"1","name":"Ada"}')], [])


def test_csv_lines_are_counted_as_they_stand(tmp_path: Path) -> None:
    rows, broken = from_csv(tmp_path, b'id,name\n1,"two\nlines"\n\n2,Bo\n3,"a\r\nb\nc"\n4,Di\n')
    assert [line for line, _ in rows] == [2, 5, 6, 9]
    assert rows[0][1] == '{"id":"1","name":"two\\nlines"}'
    assert not broken


def test_csv_header_after_separator_hint_and_blank_lines(tmp_path: Path) -> None:
    assert from_csv(tmp_path, b"sep=;\n\nid;name\n1;Ada\n")[0] == [(4, '{"id":"1","name":"Ada"}')]


def test_csv_wrong_number_of_values(tmp_path: Path) -> None:
    rows, broken = from_csv(tmp_path, b"id,name\n1\n2,Bo\n3,Cy,x\n")
    assert [line for line, _ in rows] == [3]
    assert [(one.line, one.code, one.text) for one in broken] == [
        (2, "wrong_number_of_values", "1"),
        (4, "wrong_number_of_values", "3,Cy,x"),
    ]
    assert "1 values where the header names 2" in broken[0].reason


@pytest.mark.parametrize(
    ("content", "lines", "bad"),
    [
        (b'id,name\n1,"Ada\n2,Bo\n3,Cy\n', [3, 4], 2),
        (b'id,name\n1,Ada\n2,Bo\n3,"Cy', [2, 3], 4),
        (b'id,name\n1,"Ada\n2,"Bo"\n3,Cy\n', [3, 4], 2),
    ],
    ids=["in the middle", "at the end", "closed by the next one"],
)
def test_csv_a_stray_quote_costs_one_line(tmp_path: Path, content: bytes, lines: list[int], bad: int) -> None:
    rows, broken = from_csv(tmp_path, content)
    assert [line for line, _ in rows] == lines
    assert [(one.line, one.code) for one in broken] == [(bad, "quote_not_closed")]


def test_csv_a_quote_that_swallows_more_than_a_field_may_hold(tmp_path: Path) -> None:
    lines = [f"{n},{'x' * 90}" for n in range(2000)]
    lines[3] = '3,"never closed'
    rows, broken = from_csv(tmp_path, "\n".join(["id,name", *lines]).encode())
    assert len(rows) == 1999
    assert [(one.line, one.code) for one in broken] == [(5, "quote_not_closed")]


def test_csv_quotes_inside_a_value_are_fine(tmp_path: Path) -> None:
    rows, broken = from_csv(tmp_path, b'id,name\n1,5" screen\n2,"the ""big"" one"\n')
    assert [line for line, _ in rows] == [2, 3]
    assert not broken


def test_western_text_is_recognised_as_such(tmp_path: Path) -> None:
    content = "id,name\n1,Ada\n2,Jürgen Müller\n3,Zoë – François\n".encode("cp1252")
    rows, broken = from_csv(tmp_path, content)
    assert rows[1][1] == '{"id":"2","name":"Jürgen Müller"}'
    assert rows[2][1] == '{"id":"3","name":"Zoë – François"}'
    assert not broken


def test_a_broken_line_in_utf8_is_told_and_the_rest_read(tmp_path: Path) -> None:
    content = "id,name\n1,Zoë\n".encode() + b"2,B\xfc\n3,Cy\n"
    rows, broken = from_csv(tmp_path, content)
    assert [line for line, _ in rows] == [2, 4]
    assert [(one.line, one.code, one.text) for one in broken] == [(3, "undecodable", "2,B\\xfc")]


def test_bytes_that_are_no_letters_do_not_make_a_file_western(tmp_path: Path) -> None:
    rows, broken = from_csv(tmp_path, b"id,name\n1,Ada\n2,\xff\xfe\x81\n3,Cy\n")
    assert [line for line, _ in rows] == [2, 4]
    assert [one.line for one in broken] == [3]


def test_the_mapping_may_name_the_encoding(tmp_path: Path) -> None:
    rows, _ = from_csv(tmp_path, "id,name\n1,Иван\n".encode("cp1251"), encoding="cp1251")
    assert rows == [(2, '{"id":"1","name":"Иван"}')]
    with pytest.raises(InputError, match=r"f\.csv is not ascii text"):
        from_csv(tmp_path, "id,name\n1,Иван\n".encode(), encoding="ascii")


def test_csv_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="column name twice"):
        from_csv(tmp_path, b"id,name,name\n1,2,3\n")
    assert from_csv(tmp_path, b"id,note,note,\n1,2,3,4\n")[0] == [
        (2, '{"id":"1","note":"2","note 3":"3","column 4":"4"}')
    ]


@pytest.mark.parametrize("content", [b"", b"\n \n", gzip.compress(b"")], ids=["no byte", "blank", "empty archive"])
def test_an_empty_file_is_told(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError, match=r"f\.csv is empty"):
        from_csv(tmp_path, content)


def test_a_header_alone_is_no_record(tmp_path: Path) -> None:
    assert from_csv(tmp_path, b"id,name\n") == ([], [])


def test_large_files_come_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_csv, "CHUNK_ROWS", 10)
    path = tmp_path / "f.csv"
    path.write_text("id,name\n" + "".join(f"{n},x\n" for n in range(25)))
    chunks = list(read_csv(path, "f.csv", known=KNOWN, delimiter=None, encoding=None))
    assert [chunk.received for chunk in chunks] == [10, 10, 5]
    assert [line for line, _ in collect(chunks)[0]] == list(range(2, 27))


VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.text("0123456789", min_size=1, max_size=3), VALUES), max_size=8),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_whatever_a_csv_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], delimiter: str, encoding: str
) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["id", "name"])
    writer.writerows(rows)
    found, broken = from_csv(tmp_path_factory.mktemp("csv"), buffer.getvalue().encode(encoding))
    with duckdb.connect() as connection:
        values = [connection.execute("select ?::json->>'id', ?::json->>'name'", [p, p]).fetchone() for _, p in found]
    assert values == rows
    assert not broken


def test_jsonl_keeps_lines_as_received(tmp_path: Path) -> None:
    rows, broken = from_jsonl(tmp_path, b'{"a": 1}\r\n\n{"b" : 2}\n  \n{"c":')
    assert rows == [(1, '{"a": 1}'), (3, '{"b" : 2}'), (5, '{"c":')]
    assert not broken


def test_jsonl_with_mark_and_broken_bytes(tmp_path: Path) -> None:
    rows, broken = from_jsonl(tmp_path, b'\xef\xbb\xbf{"a": "Zo\xc3\xab"}\n{"b": "\xff"}\n{"c": 3}\n')
    assert [line for line, _ in rows] == [1, 3]
    assert [(one.line, one.code) for one in broken] == [(2, "undecodable")]


@pytest.mark.parametrize("cut", [12, 30])
def test_a_half_written_archive_is_told(tmp_path: Path, cut: int) -> None:
    content = gzip.compress(b'{"a": 1}\n' * 1000)[:cut]
    with pytest.raises(InputError, match=r"f\.jsonl is only half written or damaged"):
        from_jsonl(tmp_path, content)


def test_parquet_rows_are_numbered_and_typed(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2], "name": ["Ada", None], "via": [{"channel": "chat"}, {"channel": "web"}]})
    pq.write_table(table, tmp_path / "f.parquet")
    rows, _ = collect(read_parquet(tmp_path / "f.parquet", "f.parquet"))
    assert rows == [
        (1, '{"id":1,"name":"Ada","via":{"channel":"chat"}}'),
        (2, '{"id":2,"name":null,"via":{"channel":"web"}}'),
    ]


def test_parquet_ids_beside_a_missing_one_stay_whole(tmp_path: Path) -> None:
    table = pa.table({"id": [1.0, None, 3.5, float("nan")], "name": ["a", "b", "c", "d"]})
    pq.write_table(table, tmp_path / "f.parquet")
    rows, _ = collect(read_parquet(tmp_path / "f.parquet", "f.parquet"))
    assert [payload for _, payload in rows] == [
        '{"id":1,"name":"a"}',
        '{"id":null,"name":"b"}',
        '{"id":3.5,"name":"c"}',
        '{"id":null,"name":"d"}',
    ]


def test_a_half_written_parquet_file_is_told(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": list(range(1000))}), tmp_path / "whole.parquet")
    (tmp_path / "f.parquet").write_bytes((tmp_path / "whole.parquet").read_bytes()[:-20])
    with pytest.raises(InputError, match=r"f\.parquet is only half written"):
        list(read_parquet(tmp_path / "f.parquet", "f.parquet"))
