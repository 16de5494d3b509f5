"""Personas: the rule file, everybody in exactly one, portraits that add up, and groups found without rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from cdp.errors import CheckFailed, ConfigurationError, InputError, NotFoundError
from journeys.personas import clusters, portrait, rules, tables
from journeys.scope import Scope

World = Callable[..., duckdb.DuckDBPyConnection]

TWO = """
personas:
  - key: buyer
    title: {en: Buyers, zh: 买家}
    description: Have bought.
    where: trait.purchases >= 1
rest: {key: other, title: {en: Others}, description: Have not bought.}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "personas.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_rules_speak_two_languages_and_name_the_rest() -> None:
    shipped = rules.load()
    assert len(shipped.personas) >= 5
    for one in shipped.everyone:
        assert one.named("en") and one.named("zh") != one.named("en")
        assert one.description.endswith(".")
    assert shipped.everyone[-1] == shipped.rest


def test_an_own_file_replaces_the_shipped_one(tmp_path: Path) -> None:
    assert rules.load(tmp_path / "none.yaml") == rules.load()
    own = rules.load(written(tmp_path, TWO))
    assert [one.key for one in own.everyone] == ["buyer", "other"]
    assert own.rest.named("zh") == "Others", "a missing language falls back"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("personas: [", "is not YAML"),
        ("personas: []", "`rest` is wrong"),
        (TWO.replace("key: other", "key: buyer"), "the key buyer is used twice"),
        (TWO.replace("where:", "when:"), r"`personas.0.where` is wrong"),
        (TWO.replace("key: buyer", "key: Big Buyer"), r"`personas.0.key` is wrong"),
        ("- a list", "is wrong"),
    ],
)
def test_a_wrong_file_names_the_place(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationError, match=told) as caught:
        rules.load(path)
    assert str(path) in caught.value.message


@pytest.fixture
def assigned(make_world: World, tmp_path: Path) -> duckdb.DuckDBPyConnection:
    world = make_world(5, people=200)
    world.execute(
        "create table buyers as select profile_id, case when purchases >= 1 then 'buyer' end as key from marts.profiles"
    )
    chosen = rules.load(written(tmp_path, TWO))
    rest = tables.write(world, chosen, "buyers", {"buyer": "People whose purchases are at least 1."})
    assert rest == world.execute("select count(*) from marts.profiles where purchases = 0").fetchall()[0][0] > 0
    return world


def test_everybody_is_in_exactly_one_and_writing_again_changes_nothing(
    assigned: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    before = assigned.execute("select * from marts.profiles order by profile_id").fetchall()
    assert {row[0] for row in assigned.execute("select distinct persona from marts.profiles").fetchall()} == {
        "buyer",
        "other",
    }
    tables.write(assigned, rules.load(written(tmp_path, TWO)), "buyers", {})
    assert assigned.execute("select * from marts.profiles order by profile_id").fetchall() == before


def test_a_profile_without_assignment_stops_everything(assigned: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assigned.execute("delete from buyers where profile_id = (select min(profile_id) from buyers)")
    with pytest.raises(CheckFailed, match="exactly one persona"):
        tables.write(assigned, rules.load(written(tmp_path, TWO)), "buyers", {})
    assert assigned.execute("select count(*) from marts.profiles").fetchall() == [(200,)], "and leaves what was there"


def test_portraits_add_up(assigned: duckdb.DuckDBPyConnection, as_of: datetime) -> None:
    found = portrait.describe(assigned, Scope(until=as_of))
    assert [one.key for one in found.personas] == ["buyer", "other"]
    assert sum(one.people.value or 0 for one in found.personas) == found.people == 200
    assert sum(one.share.value or 0 for one in found.personas) == pytest.approx(1)
    for one in found.personas:
        assert sum(cell.value or 0 for cell in one.stages.values()) == pytest.approx(1)
    buyer, other = found.personas
    assert buyer.rule.startswith("People whose purchases") and other.is_rest
    assert other.purchases.value == 0 < (buyer.purchases.value or 0)


def test_portraits_of_a_segment_count_only_its_people(assigned: duckdb.DuckDBPyConnection, as_of: datetime) -> None:
    assigned.execute("create table few as select profile_id from marts.profiles where persona = 'other' limit 3")
    found = portrait.describe(assigned, Scope(until=as_of, relation="few", segment="few"))
    assert {one.key: one.people.value for one in found.personas} == {"buyer": 0, "other": 3}
    assert found.personas[0].purchases.value is None, "nobody has no average"


def test_a_snapshot_without_personas_says_what_to_do(make_world: World, as_of: datetime) -> None:
    with pytest.raises(NotFoundError, match="cdp run"):
        portrait.describe(make_world(5, people=60), Scope(until=as_of))


class TestClusters:
    @pytest.fixture(scope="class")
    def groups(self, make_world: World) -> duckdb.DuckDBPyConnection:
        """Two kinds of people who differ in everything."""
        world = make_world(6, people=120)
        for column in ("emails_clicked", "restarts", "regressions"):
            world.execute(f"alter table marts.profiles add column if not exists {column} bigint default 0")
        world.execute("alter table marts.touchpoints add column if not exists is_activity boolean default true")
        world.execute("update marts.profiles set purchases = 0, revenue = 0, tickets = 0")
        world.execute(
            "update marts.profiles set purchases = 20, revenue = 9000, tickets = 9, emails_clicked = 9 "
            "where profile_id < (select profile_id from marts.profiles order by profile_id offset 40 limit 1)"
        )
        return world

    def test_what_differs_is_told_apart_and_described(self, groups: duckdb.DuckDBPyConnection, as_of: datetime) -> None:
        found = clusters.find(groups, Scope(until=as_of), 2)
        assert [one.people.value for one in found.clusters] == [80, 40]
        few, many = found.clusters
        assert many.deviations["purchases"] > 1 > 0 > few.deviations["purchases"]
        planted = ("buy more often", "spend more at a time", "ask support more", "click more mails")
        assert sum(word in many.description for word in planted) == 3
        assert 0.2 < found.explained <= 1
        assert found == clusters.find(groups, Scope(until=as_of), 2), "same data, same clusters"

    @pytest.mark.parametrize(("count", "told"), [(1, "2 to 20"), (21, "2 to 20"), (20, "need at least 200 people")])
    def test_too_few_people_or_groups(
        self, groups: duckdb.DuckDBPyConnection, as_of: datetime, count: int, told: str
    ) -> None:
        with pytest.raises(InputError, match=told):
            clusters.find(groups, Scope(until=as_of), count)
