from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import yaml

from cdp.errors import ConfigurationError
from identity import features, state
from identity.config import PIPELINE
from identity.survivorship import write_golden, write_identifiers
from identity.survivorship_rules import SHIPPED, TRAITS, read_rules

FIELDS = (
    "first_name", "middle_name", "last_name", "full_name", "email", "phone", "birth_date", "street", "city", "region",
    "postcode", "country",
)  # fmt: skip


class Warehouse:
    """The identity tables after matching, written by hand: records with the profile they belong to."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        connection.execute("create schema intermediate")
        connection.execute(
            "create table intermediate.int_source_records (source VARCHAR, source_record_id VARCHAR, "
            + ", ".join(f"{name} VARCHAR" for name in FIELDS)
            + ", created_at TIMESTAMP, updated_at TIMESTAMP, content_hash VARCHAR, corrected VARCHAR)"
        )
        state.prepare(connection, PIPELINE)

    def profile(self, profile_id: str, status: str = "living") -> None:
        known = self.rows("select 1 from identity.profiles where profile_id = ?", profile_id)
        if not known:
            self.connection.execute("insert into identity.profiles values (?, 1, ?, null, 'run')", [profile_id, status])

    def add(self, profile_id: str, source: str, record_id: str, updated: str | None = None, **values: str) -> None:
        self.profile(profile_id)
        corrected = values.pop("corrected", None)
        row = [values.get(name) for name in FIELDS]
        moment = datetime.fromisoformat(updated) if updated else None
        self.connection.execute(
            f"insert into intermediate.int_source_records values ({', '.join('?' * (len(FIELDS) + 6))})",
            [source, record_id, *row, None, moment, f"{source}{record_id}", corrected],
        )
        self.connection.execute(
            "insert into identity.identity_map values (?, ?, ?, 0.9, false)", [source, record_id, profile_id]
        )
        table = pa.Table.from_pylist(
            [
                {
                    "record_key": f"{source}:{record_id}",
                    "source": source,
                    "source_record_id": record_id,
                    "content_hash": "x",
                    **dict(zip(FIELDS, row, strict=True)),
                }
            ],
            pa.schema(
                [(name, pa.string()) for name in ("record_key", "source", "source_record_id", "content_hash", *FIELDS)]
            ),
        )
        features.derive(self.connection, table, "identity.state_features", PIPELINE)

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, list(parameters)).fetchall()

    def golden(self, profile_id: str = "p") -> dict[str, Any]:
        table = self.connection.execute("select * from identity.golden where profile_id = ?", [profile_id])
        found = table.to_arrow_table().to_pylist()
        assert len(found) == 1
        return found[0]

    def origin(self, trait: str, profile_id: str = "p") -> tuple[str, str, str]:
        found = self.rows(
            "select source, source_record_id, rule from identity.golden_origins where profile_id = ? and trait = ?",
            profile_id,
            trait,
        )
        assert len(found) == 1
        return found[0]


@pytest.fixture
def house() -> Iterator[Warehouse]:
    with duckdb.connect(":memory:", config={"threads": 2}) as connection:
        yield Warehouse(connection)


def rules_file(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    content = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    change(content)
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


def test_each_trait_by_its_rule(house: Warehouse) -> None:
    house.add(
        "p",
        "sales",
        "1",
        "2024-01-01",
        first_name="Bob",
        last_name="Smith",
        email="BOB@firm.de",
        phone="206-866-1661",
        birth_date="03/24/1980",
        street="1 Old St",
        city="Kent",
        postcode="98616",
    )
    house.add(
        "p",
        "pos",
        "2",
        "2024-06-01",
        first_name="Robert",
        last_name="Smith",
        email="bob@gmail.com",
        street="2 New St",
        postcode="98874",
    )
    house.add("p", "support", "3", "2025-01-01", full_name="Robert Smith", email="bob@firm.de")
    write_golden(house.connection)
    golden = house.golden()
    assert (golden["first_name"], golden["last_name"], golden["full_name"]) == ("Robert", "Smith", "Robert Smith")
    assert house.origin("first_name") == ("pos", "2", "most_frequent")
    assert golden["email"] == "bob@firm.de"
    assert house.origin("email") == ("support", "3", "verified_first")
    assert golden["phone"] == "+12068661661"
    assert house.origin("phone") == ("sales", "1", "only_value")
    assert golden["birth_date"].isoformat() == "1980-03-24"
    assert (golden["street"], golden["postcode"], golden["city"]) == ("2 New St", "98874", None)
    assert house.origin("street") == ("pos", "2", "most_recent")
    assert (golden["records"], golden["sources"], golden["confidence"], golden["is_anonymous"]) == (3, 3, 0.9, False)


def test_what_was_put_right_goes_before_all_rules(house: Warehouse) -> None:
    for number, mail in enumerate(("wrong@firm.de", "wrong@firm.de"), start=1):
        house.add("p", "sales", str(number), "2025-06-01", email=mail, last_name="Smith", first_name="Ann")
    house.add("p", "web", "9", email="right@firm.de", last_name="Jones", corrected=" email last_name")
    write_golden(house.connection)
    golden = house.golden()
    assert (golden["email"], golden["first_name"], golden["last_name"]) == ("right@firm.de", "Ann", "Jones")
    assert house.origin("email") == ("web", "9", "correction")
    assert house.origin("last_name") == ("web", "9", "correction")
    assert house.origin("first_name")[2] != "correction"


def test_an_address_marketing_writes_to_is_verified(house: Warehouse) -> None:
    house.add("p", "sales", "1", "2025-01-01", email="new@firm.de")
    house.add("p", "pos", "2", "2024-01-01", email="old@firm.de")
    house.connection.execute("insert into identity.identity_map values ('marketing', 'old@firm.de', 'p', 1.0, false)")
    write_golden(house.connection)
    assert house.golden()["email"] == "old@firm.de"
    assert house.golden()["records"] == 2


def test_what_is_no_value_does_not_survive(house: Warehouse) -> None:
    house.add(
        "p",
        "sales",
        "1",
        "2025-01-01",
        first_name="Unknown",
        last_name="Roberts",
        email="noemail@example.com",
        phone="0000000000",
        birth_date="05/57/1550",
    )
    house.add("q", "sales", "2", full_name="Lady of the House", birth_date="1980")
    house.add("r", "sales", "3", full_name="Acme Widgets GmbH")
    house.add("s", "support", "4", full_name="Sandra")
    write_golden(house.connection)
    golden = house.golden()
    assert (golden["first_name"], golden["last_name"], golden["full_name"]) == (None, "Roberts", "Roberts")
    assert golden["email"] is golden["phone"] is golden["birth_date"] is None
    assert house.golden("q")["full_name"] is None and house.golden("q")["birth_date"] is None
    assert house.golden("r")["full_name"] == "Acme Widgets GmbH"
    assert house.golden("s")["full_name"] == "Sandra"


def test_hubs_are_neither_shown_nor_looked_up(house: Warehouse) -> None:
    house.add("p", "sales", "1", email="shop@firm.de", phone="206-866-1661", last_name="Smith")
    house.connection.execute("insert into identity.state_hubs values ('phone', '+12068661661', 9, 9, 'learned')")
    write_golden(house.connection)
    write_identifiers(house.connection)
    assert house.golden()["phone"] is None
    assert house.rows("select type, value from identity.identifiers order by all") == [
        ("contact_id", "1"),
        ("email", "shop@firm.de"),
    ]


def test_profiles_without_records(house: Warehouse) -> None:
    house.profile("visitor")
    house.profile("address")
    house.profile("gone", "merged")
    house.connection.execute(
        "insert into identity.identity_map values ('marketing', 'x@firm.de', 'address', 1.0, false)"
    )
    house.connection.execute(
        "insert into identity.device_map values ('a1', 'visitor', '0001-01-01', '2024-01-01', 'anonymous'), "
        "('a1', 'visitor', '2024-01-01', '9999-12-31', 'anonymous')"
    )
    write_golden(house.connection)
    write_identifiers(house.connection)
    assert house.golden("visitor")["is_anonymous"] is True
    assert (house.golden("address")["is_anonymous"], house.golden("address")["email"]) == (False, "x@firm.de")
    assert house.golden("address")["records"] == 0
    assert house.rows("select count(*) from identity.golden") == [(2,)]
    assert house.rows("select profile_id, type, value from identity.identifiers order by all") == [
        ("address", "email", "x@firm.de"),
        ("visitor", "anonymous_id", "a1"),
    ]


def test_names_are_filled_from_the_next_best_record_and_addresses_are_not(house: Warehouse) -> None:
    house.add("p", "sales", "1", "2025-01-01", first_name="Ann", street="1 Main St")
    house.add("p", "pos", "2", "2024-01-01", last_name="Lee", street="9 Far Rd", city="Kent")
    write_golden(house.connection)
    golden = house.golden()
    assert (golden["first_name"], golden["last_name"]) == ("Ann", "Lee")
    assert (golden["street"], golden["city"]) == ("1 Main St", None)


def test_chinese_names_are_joined_without_a_space(house: Warehouse) -> None:
    house.add("p", "sales", "1", first_name="小明", last_name="王")
    write_golden(house.connection)
    assert house.golden()["full_name"] == "王小明"


def test_ties_are_broken_by_the_record_key_whatever_the_order(house: Warehouse) -> None:
    for record in ("3", "1", "2"):
        house.add("p", "pos", record, email=f"mail{record}@firm.de")
    write_golden(house.connection)
    assert house.golden()["email"] == "mail1@firm.de"
    assert house.origin("email") == ("pos", "1", "record_key")


def test_every_shown_value_has_its_origin_and_a_second_writing_changes_nothing(house: Warehouse) -> None:
    for number in range(20):
        house.add(
            f"p{number % 7}",
            "pos",
            str(number),
            first_name="Ann",
            last_name=f"Lee{number}",
            email=f"ann{number}@firm.de",
            city="Kent" if number % 2 else "",
        )
    write_golden(house.connection)
    first = house.rows("select * from identity.golden order by all")
    origins = house.rows("select * from identity.golden_origins order by all")
    for trait in TRAITS:
        shown = house.rows(
            f"select profile_id, {trait}::VARCHAR from identity.golden where {trait} is not null order by all"
        )
        known = house.rows("select profile_id, value from identity.golden_origins where trait = ? order by all", trait)
        assert shown == known
    write_golden(house.connection)
    assert house.rows("select * from identity.golden order by all") == first
    house.connection.execute("create temp table touched as select 'p1' as profile_id")
    write_golden(house.connection, only="touched")
    assert house.rows("select * from identity.golden order by all") == first
    assert house.rows("select * from identity.golden_origins order by all") == origins


def test_only_some_profiles(house: Warehouse) -> None:
    house.add("p", "sales", "1", last_name="Smith")
    house.add("q", "sales", "2", last_name="Jones")
    write_golden(house.connection)
    house.add("p", "pos", "3", last_name="Smythe", first_name="Ann")
    house.connection.execute("update identity.profiles set status = 'retired' where profile_id = 'q'")
    house.connection.execute("create temp table touched as select 'p' as profile_id")
    write_golden(house.connection, only="touched")
    assert house.golden("p")["last_name"] == "Smythe"
    assert house.rows("select profile_id from identity.golden") == [("p",)]
    assert house.rows("select distinct profile_id from identity.golden_origins") == [("p",)]


def test_own_rules(house: Warehouse, tmp_path: Path) -> None:
    house.add("p", "sales", "1", "2024-01-01", email="one@firm.de")
    house.add("p", "support", "2", "2023-01-01", email="two@firm.de")

    def support_first(content: dict[str, Any]) -> None:
        content["source_priority"] = ["support", "sales"]
        content["units"][1]["rules"] = ["source_priority"]

    write_golden(house.connection, rules_file(tmp_path, support_first))
    assert house.golden()["email"] == "two@firm.de"
    assert house.origin("email") == ("support", "2", "source_priority")


def test_empty_tables(house: Warehouse) -> None:
    write_golden(house.connection)
    write_identifiers(house.connection)
    assert house.rows("select count(*) from identity.golden") == [(0,)]


def test_the_shipped_rules_cover_every_trait_once() -> None:
    assert sorted(trait for unit in read_rules().units for trait in unit.traits) == sorted(TRAITS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(colour="red"), "wrong at colour"),
        (lambda c: c.update(version=2), "wrong at version"),
        (lambda c: c["units"][0].update(rules=["loudest"]), r"wrong at units\.0\.rules\.0"),
        (lambda c: c["units"][0].update(rules=[]), r"wrong at units\.0\.rules"),
        (lambda c: c["units"][0].update(fill="maybe"), r"wrong at units\.0\.fill"),
        (lambda c: c["units"][1].update(traits=["shoe_size"]), r"wrong at units\.1\.traits\.0"),
        (lambda c: c["units"].pop(), "no unit that holds the trait street"),
        (lambda c: c["units"][1]["traits"].append("phone"), "name the trait phone twice"),
        (lambda c: c["source_priority"].append("sales"), "name the source sales twice"),
        (lambda c: c["source_priority"].append("x'; drop table y; --"), r"wrong at source_priority\.4"),
        (lambda c: c["units"][1]["rules"].append("most_recent"), "most_recent twice"),
    ],
)
def test_wrong_rules_are_named(tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_rules(rules_file(tmp_path, change))


def test_unreadable_rules(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_rules(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1\nb: 2\n")
    with pytest.raises(ConfigurationError, match="no valid YAML in line"):
        read_rules(broken)
    broken.write_text("- 1\n")
    with pytest.raises(ConfigurationError, match="wrong at the top"):
        read_rules(broken)
