"""The formats of a package: one ZIP with JSON that its schema admits, CSV without formulas, a page without risk."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import jsonschema
import pytest

from privacy.packages import formats, page
from privacy.packages.content import Column, Content, Part, Statement, Use, flat, plain
from tests.support.publications import NOW

EVIL = "<script>alert(1)</script>"
TOPICS = (("records", "Records", "As received."), ("activity", "Activity", ""))


def part(rows: list[dict[str, Any]], name: str = "raw.web_events", topic: str = "records") -> Part:
    names = dict.fromkeys(key for row in rows for key in row)
    columns = tuple(Column(key, key.replace("_", " ").title(), "behaviour") for key in names)
    return Part(name, topic, f"Title {EVIL}", EVIL, columns, tuple(rows))


def content(*parts: Part) -> Content:
    return Content(
        "access", "ac-20260131-0123456789ab", NOW, parts, topics=TOPICS, sources=(EVIL,), recipients=(EVIL,),
        uses=(Use("name", EVIL, "you", ("Serve.",), "Art. 6", "36 months"),), logic=(Statement(EVIL, EVIL),),
        statements=(Statement("Your rights", "All."),), left_out=(Statement(EVIL, EVIL),),
    )  # fmt: skip


ROWS = [
    {"payload": {"a": EVIL, "deep": {"b": 1}, "list": ["x", "y"]}, "loaded_at": "2025-05-14T16:22:05Z", "n": None},
    {"payload": {"a": "=cmd()", "+c": "-1"}, "loaded_at": "2025-05-15T00:00:00Z", "n": 1.5},
]


def test_one_zip_whose_json_its_schema_admits() -> None:
    packed = formats.archive(content(part(ROWS), part([{"at": "2025-01-01"}], "marts.tickets", "activity")))
    assert packed == formats.archive(content(part(ROWS), part([{"at": "2025-01-01"}], "marts.tickets", "activity")))
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert sorted(files) == [
        "csv/marts.tickets.csv", "csv/raw.web_events.csv", "data.json", "index.html", "schema.json",
    ]  # fmt: skip
    data, schema = json.loads(files["data.json"]), json.loads(files["schema.json"])
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(data, schema)
    assert data["tables"]["raw.web_events"]["rows"] == ROWS
    for spoilt in ({**data, "more": 1}, {**data, "tables": {}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(spoilt, schema)


def test_no_cell_is_a_formula() -> None:
    text = formats.to_csv(part(ROWS))
    head, first, second = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    assert head == ["a", "deep.b", "list", "loaded_at", "n", "'+c"]
    assert first == [EVIL, "1", "x, y", "2025-05-14T16:22:05Z", "", ""]
    assert second == ["'=cmd()", "", "", "2025-05-15T00:00:00Z", "1.5", "'-1"]


def test_fields_of_two_values_do_not_hide_each_other() -> None:
    names, rows = flat(part([{"payload": {"a": 1, "at": 2}, "mapped": {"a": 3}, "at": 4, "empty": {}}]))
    assert names == ["a", "payload.at", "mapped.a", "at", "empty"]
    assert rows == [{"a": 1, "payload.at": 2, "mapped.a": 3, "at": 4, "empty": {}}]


def test_the_page_escapes_everything_and_reads_well() -> None:
    rows = [{"occurred_at": f"2025-01-{day:02}T08:00:00Z", "event": "mail_open"} for day in range(1, 29)] * 5
    text = page.render(content(part(ROWS), part(rows, "marts.touchpoints", "activity")))
    assert EVIL not in text and "&lt;script&gt;" in text
    assert "default-src 'none'" in text and "http" not in text.replace("http-equiv", "")
    assert "14 May 2025, 16:22" in text and "<th>Occurred At</th>" in text and "mail open" in text
    assert "And 40 more rows: see csv/marts.touchpoints.csv" in text
    assert text.index("28 January 2025") < text.index("27 January 2025"), "newest first"
    assert text.count("<h2") == text.count("</h2>") == 5


def test_a_single_row_is_a_list_and_open_ends_are_said() -> None:
    one = part([{"valid_from": "0001-01-01T00:00:00Z", "valid_to": "9999-12-31T00:00:00Z", "sure": True, "x": None}])
    text = page.render(content(one))
    assert "<dt>Valid From</dt><dd>the beginning</dd>" in text and "<dd>today</dd>" in text
    assert "<dd>yes</dd>" in text and "<dt>X</dt>" not in text


def test_rows_are_read_on_a_phone_too() -> None:
    """A table names the column in every cell that is filled; rows with many fields are lists; the rest is folded."""
    narrow = part([{"at": f"2025-01-{day:02}T08:00:00Z", "note": "" if day % 2 else EVIL} for day in range(1, 29)])
    text = page.render(content(narrow))
    assert text.count('<td data-of="At">') == 28 and text.count('<td data-of="Note">') == 14
    assert text.count("<details>") == 1 and "Show 16 more rows" in text
    wide = part([{f"field_{number}": number for number in range(9)}] * 2)
    assert '<div class="cards"><dl><dt>Field 0</dt><dd>0</dd>' in page.render(content(wide))


def test_the_page_says_first_what_it_comes_to_and_what_it_lacks() -> None:
    seen = part([{"first_seen_at": "2023-12-15T06:56:00Z"}], "marts.profiles", "records")
    group = part([{"segment_title": EVIL}], "store.memberships", "activity")
    known = replace(content(seen, group), notes=(Statement("2 records look like yours", EVIL),))
    text = page.render(known)
    start = text[: text.index("<nav>")]
    for said in ("2 rows about you", "15 December 2023", "&lt;script&gt;", "2 records look like yours", "Your rights"):
        assert said in start
    assert EVIL not in text
    jsonschema.validate(json.loads(json.dumps(formats.document(known))), formats.schema(known))


def test_reasons_are_told_in_their_words_and_kept_whole_in_files() -> None:
    one = part([{"why": [{"words": "silent for 20 days", "factor": 0.05}, {"words": "15 purchases"}]}])
    assert "silent for 20 days; 15 purchases" in page.render(content(one))
    assert '[{""words"": ""silent for 20 days"", ""factor"": 0.05}' in formats.to_csv(one)


def test_values_as_json_has_them() -> None:
    east = timezone(timedelta(hours=2))
    assert [
        plain(one) for one in (
            datetime(2025, 1, 1, 2, tzinfo=east), datetime(2025, 1, 1, 0, 0, 0, 5000), date(2025, 1, 1),
            Decimal("1.50"), float("inf"), {"a": (1, None)}, datetime(2025, 1, 1, tzinfo=UTC),
        )
    ] == ["2025-01-01T00:00:00Z", "2025-01-01T00:00:00.005Z", "2025-01-01", 1.5, None, {"a": [1, None]},
          "2025-01-01T00:00:00Z"]  # fmt: skip
