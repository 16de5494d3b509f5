"""Packages of a run's home: everything of one person of a household, nothing of the other."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from typing import Any

import duckdb
import jsonschema
import pytest

from cdp.clock import wall_now
from cdp.settings import Settings, load_settings
from pipelines.erasing import requests
from pipelines.packaging import making
from privacy.inventory.load import load
from privacy.packages import contents as described
from privacy.requests.words import Kind
from tests.support.home import Home


@pytest.fixture(scope="module")
def settings(demo_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A copy of the run's home, of which nothing but its packages changes."""
    home = tmp_path_factory.mktemp("packages") / "home"
    shutil.copytree(demo_home.path, home)
    return load_settings(home=home)


def fetched(settings: Settings, mail: str, kind: Kind) -> tuple[dict[str, Any], dict[str, str]]:
    """`data.json` of a package and all its files as text."""
    made, _ = requests.submit(settings, [[f"email:{mail}"]], kind=kind)
    record = requests.execute(settings, made.request)["package"]
    assert record["doubtful"] == 0
    _, _, archive = making.vault_of(settings).open(made.request, wall_now())
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        files = {name: packed.read(name).decode() for name in packed.namelist()}
    data = json.loads(files["data.json"])
    jsonschema.validate(data, json.loads(files["schema.json"]))
    return data, files


def test_all_of_one_and_nothing_of_the_other(settings: Settings) -> None:
    with duckdb.connect(str(settings.warehouse), read_only=True) as connection:
        phone, mail, one, other = connection.execute(
            """
            with clear as (
                select profile_id from identity.identity_map group by 1
                having not bool_or(provisional) and count(distinct source) > 2
            ),
            shared as (
                select value, min(profile_id) as one, max(profile_id) as other from identity.identifiers
                where type = 'phone' group by value having count(distinct profile_id) = 2
            ),
            own as (
                select value, any_value(profile_id) as profile_id from identity.identifiers
                where type = 'email' and source <> 'marketing' group by value having count(distinct profile_id) = 1
            )
            select shared.value, own.value, one, other from shared join own on own.profile_id = one
            join clear on clear.profile_id = one order by all limit 1
            """
        ).fetchall()[0]
        others = connection.execute(
            "select distinct value from identity.identifiers where profile_id = ? and value not in"
            " (select value from identity.identifiers where profile_id = ?)", [other, one]
        ).fetchall()  # fmt: skip
        inventory = load(settings.dbt_project)
        left_out = described.load(inventory).left_out
        expected = {
            table.name: connection.execute(
                f"select count(*) from {table.name} where profile_id = ?", [one]
            ).fetchall()[0][0]
            for table in inventory.warehouse()
            if table.rows[0].by == "profile" and table.name not in left_out
        }  # fmt: skip
    data, files = fetched(settings, mail, Kind.ACCESS)
    assert {name: len(table["rows"]) for name, table in data["tables"].items() if name in expected} == {
        name: rows for name, rows in expected.items() if rows
    }
    text = "\n".join(files.values())
    assert phone in text and other not in text and others
    assert not [value for (value,) in others if len(value) > 5 and value in text]
    given, _ = fetched(settings, mail, Kind.PORTABILITY)
    assert {name.partition(".")[0] for name in given["tables"]} <= {"raw", "quarantine", "store"}
    for name, table in given["tables"].items():
        assert table["rows"] == data["tables"][name]["rows"]
