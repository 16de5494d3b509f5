from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from cdp.errors import InputError
from segments.document import parse
from segments.export import FORMATS, export
from segments.gate import Gate

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)


def segment(where: str, **more: Any) -> Any:
    return parse({"key": "tested", "title": "Tested", "where": where, **more})


@pytest.fixture
def people(marts: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    marts.execute(
        "INSERT INTO marts.profiles (profile_id, country, email, is_anonymous, marketing_consent, unsubscribed) VALUES"
        " ('a', 'DE', 'a@example.org', false, true, false), ('b', 'DE', 'b@example.org', false, true, true),"
        " ('c', 'DE', 'c@example.org', false, NULL, NULL), ('d', 'DE', NULL, false, true, NULL),"
        " ('e', 'FR', 'e@example.org', false, true, false), ('f', 'DE', NULL, true, false, false)"
    )
    return marts


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".ndjson":
        return [json.loads(line) for line in path.read_text().splitlines()]
    return pq.read_table(path).to_pylist()


@pytest.mark.parametrize("format_", FORMATS)
def test_exactly_the_exportable_members_are_written(
    people: duckdb.DuckDBPyConnection, tmp_path: Path, format_: Any
) -> None:
    out = tmp_path / f"german.{format_}"
    seen: list[tuple[int, int]] = []

    done = export(
        people,
        segment("trait.country = 'DE'"),
        format=format_,
        out=out,
        as_of=AS_OF,
        progress=lambda *at: seen.append(at),
    )

    assert [row["profile_id"] for row in read(out)] == ["a", "d"]
    assert (done.rows, done.size, done.held_back) == (2, 5, 3)
    assert seen == [(2, 2)]
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize("format_", FORMATS)
def test_an_export_of_nobody_is_still_a_file(people: duckdb.DuckDBPyConnection, tmp_path: Path, format_: Any) -> None:
    out = tmp_path / "sub" / f"nobody.{format_}"

    export(
        people,
        segment("trait.country = 'XX'"),
        format=format_,
        out=out,
        as_of=AS_OF,
        fields=["profile_id", "email"],
    )

    assert read(out) == []
    if format_ == "csv":
        assert out.read_text().splitlines() == ['"profile_id","email"']


def test_nobody_gets_past_the_gate_by_another_route(people: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"

    export(people, segment("consent('marketing') = 'refused'"), format="csv", out=out, as_of=AS_OF)

    assert read(out) == []


def test_other_purposes_rest_on_other_grounds(people: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    german = segment("trait.country = 'DE'", purpose="service")

    export(people, german, format="csv", out=out, as_of=AS_OF)
    assert [row["profile_id"] for row in read(out)] == ["a", "b", "c", "d", "f"]

    export(people, german, format="csv", out=out, as_of=AS_OF, purpose="marketing")
    assert [row["profile_id"] for row in read(out)] == ["a", "d"]


def test_another_purpose_never_widens_what_the_segment_is_for(
    people: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    german = segment("trait.country = 'DE'", purpose="marketing")

    export(people, german, format="csv", out=out, as_of=AS_OF, purpose="service")
    assert [row["profile_id"] for row in read(out)] == ["a", "d"]

    with pytest.raises(InputError, match="There is no purpose fun"):
        export(people, german, format="csv", out=out, as_of=AS_OF, purpose="fun")


def test_a_ledger_takes_over_from_the_sources(people: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    people.execute(
        "CREATE TABLE ledger (profile_id VARCHAR, purpose VARCHAR, state VARCHAR, decided_by VARCHAR DEFAULT 'ledger')"
    )
    people.execute(
        "INSERT INTO ledger (profile_id, purpose, state) VALUES ('b', 'marketing', 'given'),"
        " ('a', 'marketing', 'refused'), ('a', 'service', 'refused'), ('e', 'marketing', 'given')"
    )
    out, gate = tmp_path / "out.csv", Gate("ledger")

    export(people, segment("trait.country = 'DE'"), format="csv", out=out, as_of=AS_OF, gate=gate)
    assert [row["profile_id"] for row in read(out)] == ["b", "d"]

    service = segment("trait.country = 'DE'", purpose="service")
    export(people, service, format="csv", out=out, as_of=AS_OF, gate=gate)
    assert [row["profile_id"] for row in read(out)] == ["b", "c", "d", "f"]

    people.execute("UPDATE ledger SET decided_by = 'restriction' WHERE profile_id = 'b'")
    export(people, service, format="csv", out=out, as_of=AS_OF, gate=gate)
    assert [row["profile_id"] for row in read(out)] == ["c", "d", "f"], "what is restricted is in no segment"

    silent = segment("consent('marketing') = 'unknown'", purpose="service")
    export(people, silent, format="csv", out=out, as_of=AS_OF, gate=gate)
    assert [row["profile_id"] for row in read(out)] == ["c"]


@pytest.mark.parametrize("where", ["everyone", "trait.is_anonymous = false", "not trait.country = 'XX'"])
def test_everybody_is_refused_unless_meant(people: duckdb.DuckDBPyConnection, tmp_path: Path, where: str) -> None:
    with pytest.raises(InputError, match="selects everybody"):
        export(people, segment(where), format="csv", out=tmp_path / "out.csv", as_of=AS_OF)
    assert list(tmp_path.iterdir()) == []

    done = export(people, segment(where), format="csv", out=tmp_path / "out.csv", as_of=AS_OF, allow_everybody=True)
    assert done.rows == 3


@pytest.mark.parametrize("text", ["=1+1", "+49 30", "-1", "@a", "\tx", "\rx", "\n=x", '=a"b,c', "'=x", "plain", "ä=1"])
def test_csv_is_no_formula_and_other_formats_are_unchanged(
    people: duckdb.DuckDBPyConnection, tmp_path: Path, text: str
) -> None:
    people.execute("UPDATE marts.profiles SET last_name = ?, channels = [?, 'b'] WHERE profile_id = 'a'", [text, text])
    found = {}
    for format_ in FORMATS:
        out = tmp_path / f"x.{format_}"
        export(
            people,
            segment("trait.country = 'DE' and trait.email starts with 'a'"),
            format=format_,
            out=out,
            as_of=AS_OF,
            fields=["last_name", "channels"],
        )
        found[format_] = read(out)[0]

    risky = text[0] in "=+-@\t\r\n"
    assert found["csv"]["last_name"] == ("'" if risky else "") + text
    assert found["csv"]["channels"] == ("'" if risky else "") + text + "|b"
    assert found["ndjson"] == found["parquet"] == {"last_name": text, "channels": [text, "b"]}


def test_unknown_fields_and_formats_are_named(people: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    german = segment("trait.country = 'DE'")
    with pytest.raises(InputError, match="no field emial"):
        export(people, german, format="csv", out=tmp_path / "x", as_of=AS_OF, fields=["emial"])
    with pytest.raises(InputError, match="no export format"):
        export(people, german, format="xls", out=tmp_path / "x", as_of=AS_OF)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="each only once"):
        export(people, german, format="csv", out=tmp_path / "x", as_of=AS_OF, fields=["email", "email"])
    assert list(tmp_path.iterdir()) == []
