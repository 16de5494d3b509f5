"""Any table of people on its own: files, mappings, and what is wrong with them."""

from __future__ import annotations

import csv

import duckdb
import pytest
import yaml

from cdp.errors import ConfigurationError, InputError
from identity.mapping import read_mapping
from identity.resolve import resolve_table

ROWS = [
    ("1", "crm", "Ada", "Lovelace", "ada@lovelace.org", "12 Analytical Row", "programmer", "p1"),
    ("2", "shop", "Ada", "Lovelace", "ADA@lovelace.org", "", "programmer", "p1"),
    ("3", "crm", "Charles", "Babbage", "charles@babbage.org", "1 Engine Street", "engineer", "p2"),
    ("4", "shop", "Charles", "Babbage", "charles@babbage.org", "1 Engine St", "", "p2"),
    ("5", "shop", "Grace", "Hopper", "grace@navy.example.org", "9 Harbour Road", "admiral", "p3"),
]
HEADER = ("id", "system", "first", "last", "mail", "street", "job", "person")
MAPPING = {
    "record_id": "id",
    "source": "system",
    "fields": {"first_name": "first", "last_name": "last", "email": "mail", "street": ["street"]},
    "extra": {"job": "text"},
    "one_record_per_source": ["crm"],
}


@pytest.fixture
def files(tmp_path):
    def write(rows=ROWS, header=HEADER, mapping=None):
        with (tmp_path / "people.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([header, *rows])
        (tmp_path / "map.yaml").write_text(yaml.safe_dump(mapping or MAPPING), encoding="utf-8")
        return tmp_path / "people.csv", tmp_path / "map.yaml", tmp_path / "out.csv"

    return write


def read(path):
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_people_of_a_file_are_found_and_evaluated(files):
    records, mapping, out = files()
    report = resolve_table(records, mapping, out, "person")
    found = read(out)
    assert list(found[0]) == ["record_id", "profile_id", "confidence"]
    assert [row["record_id"] for row in found] == ["1", "2", "3", "4", "5"]
    profile = {row["record_id"]: row["profile_id"] for row in found}
    assert profile["1"] == profile["2"]
    assert profile["3"] == profile["4"]
    assert len(set(profile.values())) == 3
    assert (report.records, report.profiles) == (5, 3)
    assert report.evaluation["pairwise"]["f1"] == 1
    assert report.model["kind"] == "prior"


def test_parquet_gives_the_same_people(files, tmp_path):
    records, mapping, out = files()
    resolve_table(records, mapping, out)
    table = tmp_path / "people.parquet"
    duckdb.execute(f"copy (from read_csv('{records}', all_varchar = true)) to '{table}'")
    resolve_table(table, mapping, tmp_path / "out.parquet")
    rows = duckdb.execute(f"select record_id, profile_id from '{tmp_path / 'out.parquet'}'").fetchall()
    names = dict(rows)
    assert (names["1"] == names["2"], names["3"] == names["4"], len(set(names.values()))) == (True, True, 3)


def test_one_record_per_source_is_kept_apart(files):
    rows = [(str(n), "crm", "Ada", "Lovelace", "ada@lovelace.org", "", "", "p") for n in (1, 2)]
    records, mapping, out = files(rows)
    assert resolve_table(records, mapping, out).profiles == 2


def test_an_empty_table_gives_an_empty_file(files):
    records, mapping, out = files([])
    assert resolve_table(records, mapping, out).records == 0
    assert read(out) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fields": {"shoe_size": "first"}}, "unknown role shoe_size"),
        ({"extra": {"job": "fuzzy"}}, "unknown kind fuzzy"),
        ({"record_id": None}, "identifies a record"),
        ({"fields": {}}, "at least one field"),
        ({"colour": "red"}, "unknown key colour"),
        ({"source": None}, "needs a source column"),
        ({"fields": {"first_name": 7}}, "column name"),
    ],
)
def test_a_wrong_mapping_is_told(files, change, words):
    _, mapping, _ = files(mapping={**MAPPING, **change})
    with pytest.raises(ConfigurationError, match=words):
        read_mapping(mapping)


def test_wrong_files_are_told(files, tmp_path):
    records, mapping, out = files()
    with pytest.raises(InputError, match="no file"):
        resolve_table(tmp_path / "none.csv", mapping, out)
    with pytest.raises(InputError, match="no mapping file"):
        resolve_table(records, tmp_path / "none.yaml", out)
    with pytest.raises(InputError, match="no column person_id"):
        resolve_table(records, mapping, out, "person_id")
    with pytest.raises(InputError, match="no folder"):
        resolve_table(records, mapping, tmp_path / "none" / "out.csv")
    with pytest.raises(InputError, match=r"must end in \.csv"):
        resolve_table(records, mapping, tmp_path / "out.xlsx")
    (tmp_path / "people.txt").write_text("id\n1\n")
    with pytest.raises(InputError, match="neither"):
        resolve_table(tmp_path / "people.txt", mapping, out)


def test_unknown_columns_and_repeated_ids_are_told(files):
    records, mapping, out = files(mapping={**MAPPING, "extra": {"hat": "exact"}})
    with pytest.raises(InputError, match="no column hat"):
        resolve_table(records, mapping, out)
    records, mapping, out = files([ROWS[0], ROWS[0]])
    with pytest.raises(InputError, match="more than once"):
        resolve_table(records, mapping, out)
    records, mapping, out = files([("", *ROWS[0][1:])])
    with pytest.raises(InputError, match="1 row has no id"):
        resolve_table(records, mapping, out)


def test_yaml_that_is_none_is_told(tmp_path):
    path = tmp_path / "map.yaml"
    path.write_text("record_id: [")
    with pytest.raises(ConfigurationError, match="not readable as YAML"):
        read_mapping(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"id,name,mail\n1,Ada,a@b.org\n", "people.csv has no column nr; it has id, name, mail."),
        (b"", "people.csv is empty"),
        (b"\xef\xbb\xbf\r\n", "people.csv is empty"),
        ("nr,name\n1,Ada\n".encode("utf-16"), "people.csv is not UTF-8 text; save it as CSV in UTF-8"),
        ("nr,name\n1,Ada\n".encode("utf-16-le"), "people.csv is not UTF-8 text; save it as CSV in UTF-8"),
        ("nr,name\n1,Zoé\n".encode("latin-1"), "people.csv is not UTF-8 text; save it as CSV in UTF-8"),
        (b"nr,name\n1,Ada\n1,Bob\n", "people.csv: 1 value of nr occurs more than once"),
        (b"nr,name\n,Ada\n", "people.csv: 1 row has no nr"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_of_the_file(tmp_path, content, told):
    (tmp_path / "people.csv").write_bytes(content)
    (tmp_path / "map.yaml").write_text("record_id: nr\nfields: {full_name: name}\n")
    with pytest.raises(InputError) as caught:
        resolve_table(tmp_path / "people.csv", tmp_path / "map.yaml", tmp_path / "out.csv")
    assert caught.value.message.startswith(told)


def test_a_column_of_any_name_is_the_files_own(tmp_path):
    (tmp_path / "people.csv").write_text("id,name,place\nb,Ada Lovelace,1\na,Grace Hopper,0\n")
    (tmp_path / "map.yaml").write_text("record_id: id\nfields: {full_name: name, city: place}\n")
    resolve_table(tmp_path / "people.csv", tmp_path / "map.yaml", tmp_path / "out.csv")
    assert [row["record_id"] for row in read(tmp_path / "out.csv")] == ["b", "a"]
