"""What goes into a package: every declared table, and nothing of anybody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdp.errors import ConfigurationError
from privacy.erasure import database
from privacy.inventory.gaps import find_table
from privacy.inventory.load import load
from privacy.inventory.model import Inventory, Rows, Table
from privacy.packages import contents as described
from privacy.packages import explaining, gathering
from privacy.packages.content import Column, Content, Part
from privacy.packages.gathering import UNREADABLE, PeopleList, Whose
from tests.support.publications import NOW

PROJECT = Path(__file__).parents[4] / "dbt_project"
DEALS = PeopleList("sales", ";", frozenset({"Associated Contact IDs"}))
LISTS = {"raw.sales_deals": DEALS}


@pytest.fixture(scope="module")
def inventory() -> Inventory:
    return load(PROJECT)


@pytest.fixture(scope="module")
def contents(inventory: Inventory) -> described.Contents:
    return described.load(inventory)


@pytest.fixture
def old(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with an empty file attached as `old`, and the key tables of Ann: her records, her profile."""
    duckdb.connect(str(tmp_path / "old.duckdb")).close()
    with database.opened(tmp_path / "old.duckdb", {"threads": 1}) as connection:
        connection.execute(f"detach old; attach '{tmp_path / 'old.duckdb'}' as old")
        for table, value in (
            ("erase_records", "sales:1"), ("erase_records", "marketing:ann@b.example"), ("erase_members", "sales:1"),
            ("erase_members", "marketing:ann@b.example"), ("erase_profiles", "ann"), ("erase_values", "ann@b.example"),
            ("erase_devices", "d1"),
        ):  # fmt: skip
            database.fill(connection, table, [value])
        yield connection


def make(connection: duckdb.DuckDBPyConnection, name: str, rows: list[dict[str, Any]]) -> None:
    """A table of texts in the attached file."""
    schema, _, short = name.partition(".")
    columns = list(dict.fromkeys(column for row in rows for column in row))
    connection.execute(f"create schema if not exists old.{schema}")
    typed = ", ".join(f'"{one}" varchar' for one in columns)
    connection.execute(f'create table old.{schema}."{short}" ({typed})')
    for row in rows:
        marks = ", ".join("?" for _ in columns)
        connection.execute(f'insert into old.{schema}."{short}" values ({marks})', [row.get(one) for one in columns])


def of_ann(table: Table, rows: Rows) -> dict[str, str]:
    """The columns by which a finder finds a row of Ann."""
    columns = rows.columns
    if rows.by in ("profile", "tombstone", "log"):
        return {columns[0]: "ann"}
    if rows.by == "record":
        source = {} if columns[0].startswith("=") else {columns[0]: "sales"}
        return {**source, columns[1]: "1"}
    if rows.by == "record_key":
        return dict.fromkeys(columns, "sales:1")
    return {"address": {columns[0]: "ann@b.example"}, "value": {columns[-1]: "ann@b.example"}}[rows.by]


def gathered(
    connection: duckdb.DuckDBPyConnection, inventory: Inventory, contents: described.Contents
) -> tuple[dict[str, Part], Whose]:
    person = gathering.whose(connection)
    parts = gathering.from_warehouse(connection, inventory, contents, person, LISTS)
    return {part.name: part for part in parts}, person


def test_every_declared_table_contributes_or_says_why(
    old: duckdb.DuckDBPyConnection, inventory: Inventory, contents: described.Contents
) -> None:
    """A table with rows of people that is neither in the package nor named with a reason fails here."""
    personal = [table for table in inventory.warehouse() if table.is_personal]
    expected = set()
    for table in personal:
        if table.name in contents.left_out:
            continue
        if table.rows[0].by in ("raw", "quarantine"):
            names = [table.name] if table.rows[0].by == "quarantine" else ["raw.sales_contacts"]
            for name in names:
                make(old, name, [{**dict.fromkeys(table.columns, "x"), "payload": '{"Email": "ann@b.example"}'}])
                old.execute("insert into erase_rows values (?, 0)", [name])
            expected.update(names)
            continue
        make(old, table.name, [{**dict.fromkeys(table.columns, "x"), **of_ann(table, table.rows[0])}])
        expected.add(table.name)
    parts, _ = gathered(old, inventory, contents)
    assert set(parts) == expected
    for part in parts.values():
        table = find_table(inventory, "warehouse", part.name)
        assert table is not None
        hidden = {name for name, category in table.columns.items() if not contents.shows(name, category)}
        assert {one.name for one in part.columns} == set(table.columns) - hidden
    for table in inventory.store():
        assert not table.is_personal or table.name in contents.left_out or table.name in contents.tables, table.name


def test_a_new_table_contributes_without_a_word(
    old: duckdb.DuckDBPyConnection, inventory: Inventory, contents: described.Contents
) -> None:
    columns = {"profile_id": "key", "shoe_size": "derived", "seen_by": "staff"}
    new = Table("warehouse", "marts.shoes", columns, (Rows("profile", ("profile_id",)),), about="Sizes.")
    grown = Inventory(inventory.categories, inventory.purposes, {("warehouse", "marts.shoes"): new})
    make(old, "marts.shoes", [{"profile_id": "ann", "shoe_size": "44", "seen_by": "staff-1"}, {"profile_id": "bob"}])
    parts, _ = gathered(old, grown, contents)
    assert parts["marts.shoes"].rows == ({"profile_id": "ann", "shoe_size": "44"},)
    assert (parts["marts.shoes"].topic, parts["marts.shoes"].title) == ("more", "Shoes")


def test_nothing_of_others(old: duckdb.DuckDBPyConnection, inventory: Inventory, contents: described.Contents) -> None:
    """Comparisons with others' records, others of a deal, staff in records, and lines that are no records."""
    make(old, "identity.edges", [
        {"record_a": "sales:1", "record_b": "marketing:ann@b.example"}, {"record_a": "sales:1", "record_b": "sales:2"},
    ])  # fmt: skip
    make(old, "identity.state_hubs", [{"kind": "email", "value": "ann@b.example"}, {"kind": "phone", "value": "+1"}])
    deal = {
        "Associated Contact IDs": "1; 2", "Deal owner": "Agent Smith", "assigneeId": 7, "userAgent": "mobile",
        "comments": [{"author_id": 9, "body": "Hello"}],
    }  # fmt: skip
    make(old, "raw.sales_deals", [{"record_key": str(n), "payload": json.dumps(deal)} for n in range(3)])
    old.execute("insert into erase_cuts values ('raw.sales_deals', 1, 'payload', 'erased-1;2')")
    kind = {"source": "sales", "entity": "deals"}
    make(old, "quarantine.rows", [
        {**kind, "payload": '"ann","bob'}, {**kind, "payload": '{"Email": "bob@b.example"}'},
        {**kind, "payload": '{"Associated Contact IDs": "2;1"}'},
    ])  # fmt: skip
    old.execute("insert into erase_rows values ('quarantine.rows', 0)")
    old.execute("insert into erase_cuts values ('quarantine.rows', 2, 'payload', '')")
    # tables made by hand have fewer columns than declared
    tables = {
        key: Table(one.place, one.name, {c: one.columns[c] for c in one.columns if c in NAMES}, one.rows)
        for key, one in inventory.tables.items()
    }
    small = Inventory(inventory.categories, inventory.purposes, tables)
    parts, _ = gathered(old, small, contents)
    assert [row["record_b"] for row in parts["identity.edges"].rows] == ["marketing:ann@b.example"]
    assert [row["value"] for row in parts["identity.state_hubs"].rows] == ["ann@b.example"]
    (row,) = parts["raw.sales_deals"].rows
    assert row["record_key"] == "1"
    assert row["payload"] == {"Associated Contact IDs": "1", "userAgent": "mobile", "comments": [{"body": "Hello"}]}
    assert [row["payload"] for row in parts["quarantine.rows"].rows] == [
        UNREADABLE, {"Associated Contact IDs": "1"},
    ]  # fmt: skip


NAMES = {"record_a", "record_b", "kind", "value", "record_key", "payload", "source", "entity"}


def test_a_profile_with_doubtful_records_shows_only_what_names_its_record(
    old: duckdb.DuckDBPyConnection, inventory: Inventory, contents: described.Contents
) -> None:
    golden = inventory.tables["warehouse", "identity.golden"]
    make(old, "identity.golden", [{**dict.fromkeys(golden.columns, "x"), "profile_id": "ann"}])
    origins = inventory.tables["warehouse", "identity.golden_origins"]
    ours = {**dict.fromkeys(origins.columns, "x"), "profile_id": "ann", "source": "sales"}
    make(old, "identity.golden_origins", [{**ours, "source_record_id": key} for key in ("1", "3")])
    whole, person = gathered(old, inventory, contents)
    assert not person.is_mixed and {"identity.golden", "identity.golden_origins"} == set(whole)
    assert gathering.store_keys(person)[0] == ("ann",)
    database.fill(old, "erase_members", ["sales:3"])
    parts, person = gathered(old, inventory, contents)
    assert person.doubtful == 1 and set(parts) == {"identity.golden_origins"}
    assert [row["source_record_id"] for row in parts["identity.golden_origins"].rows] == ["1"]
    assert gathering.store_keys(person)[0] == ()
    assert "Your details as put together from your records" in gathering.withheld(inventory, contents)


def test_portability_is_what_was_given(inventory: Inventory, contents: described.Contents) -> None:
    parts = [
        *gathering.from_store({"consent_statements": [{"purpose": "marketing", "state": "given"}],
                               "memberships": [{"segment_key": "vip"}]}, inventory, contents),
        *gathering.part("raw.web_events", "records", "Web", (Column("loaded_at", "Received", "none"),),
                        [{"loaded_at": "2025-01-01T00:00:00Z"}], portable=True),
    ]  # fmt: skip
    content = Content("portability", "po-1", NOW, tuple(parts))
    given = explaining.for_portability(content, inventory, contents)
    assert [part.name for part in given.parts] == ["store.consent_statements", "raw.web_events"]
    assert not given.logic and not given.left_out
    assert given.sources == ("Website and app (web): received on 2025-01-01",)
    portable = [name for name, entry in contents.tables.items() if entry.portable]
    for name in portable:
        table = find_table(inventory, "warehouse", name) or inventory.tables["store", name]
        origins = {inventory.categories[one].origin for one in table.columns.values()}
        assert "given" in origins and "derived" not in origins, name
    whole = explaining.for_access(content, inventory, contents, [])
    assert whole.notes == given.notes == ()
    unsure = replace(content, doubtful=2)
    (note,) = explaining.for_portability(unsure, inventory, contents).notes
    assert note.title == "2 records look like yours, and we are not sure" and "request po-1" in note.text
    (note,) = explaining.for_access(replace(unsure, kind="access"), inventory, contents, ["Your profile"]).notes
    assert "groups and predictions" in note.text
    assert {use.category for use in whole.uses} == {"consent", "derived"} and whole.logic, "of keys there is no value"


def test_keys_are_put_into_words(inventory: Inventory, contents: described.Contents) -> None:
    words = {"segment_title": ("segment_key", {"vip": "Best customers"})}
    rows = explaining.in_words([{"segment_key": "vip"}, {"segment_key": "gone"}], words)
    (part,) = gathering.from_store({"memberships": rows}, inventory, contents)
    assert part.rows == ({"segment_key": "vip", "segment_title": "Best customers"}, {"segment_key": "gone"})
    assert "segment_title" in [column.name for column in part.columns]


def test_contents_name_only_declared_tables(inventory: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = {key: one for key, one in inventory.tables.items() if one.name != "marts.purchases"}
    with pytest.raises(ConfigurationError, match=r"contents.yaml names marts.purchases"):
        described.load(Inventory(inventory.categories, inventory.purposes, fewer))
