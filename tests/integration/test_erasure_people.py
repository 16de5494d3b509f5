"""Erasure through the command line on a run's home: households, doubtful records, and requests that cannot be met."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.erasing.requests import ANSWER
from tests.support.home import Home

TABLES = ("identity.identity_map", "identity.identifiers", "identity.golden", "marts.profiles", "marts.touchpoints",
          "marts.stage_episodes", "marts.source_records", "marts.predictions")  # fmt: skip


@pytest.fixture(scope="module")
def home(demo_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A copy that the tests of this module change one after the other."""
    copied = Home(tmp_path_factory.mktemp("erasure") / "home")
    shutil.copytree(demo_home.path, copied.path)
    return copied


def rows(home: Home, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home.path / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(sql, list(values)).fetchall()


def household(home: Home) -> tuple[str, str, str, str]:
    """A phone that leads to two people, the first one's own mail address, and both profiles."""
    return rows(
        home,
        """
        with shared as (
            select value, min(profile_id) as one, max(profile_id) as other from identity.identifiers
            where type = 'phone' group by value having count(distinct profile_id) = 2
        ),
        own as (
            select value, any_value(profile_id) as profile_id from identity.identifiers
            where type = 'email' and source <> 'marketing' group by value having count(distinct profile_id) = 1
        )
        select shared.value, own.value, one, other from shared join own on own.profile_id = one order by all limit 1
        """,
    )[0]  # type: ignore[return-value]


def of_profile(home: Home, profile: str) -> dict[str, Counter[Any]]:
    return {
        table: Counter(map(repr, rows(home, f"select * from {table} where profile_id = ?", profile)))
        for table in TABLES
    }


def test_one_of_a_household_goes_and_the_others_stay(home: Home) -> None:
    phone, mail, one, other = household(home)
    before = of_profile(home, other)
    assert before["identity.identity_map"] and before["marts.profiles"]
    refused = home.cdp("privacy", "request", "--type", "erasure", "--identifier", f"phone:{phone}", check=False)
    assert refused.returncode == 1 and "lead to 2 different people" in refused.stderr
    assert phone not in refused.stderr and home.facts("privacy", "list") == []

    scope = home.facts("privacy", "request", "--type", "erasure", "--identifier", f"email:{mail}", "--dry-run")
    assert scope["subjects"] == 1 and scope["rows"]["marts.profiles"] == 1
    asked = home.facts("privacy", "request", "--type", "erasure", "--identifier", f"email:{mail}", "--yes")
    assert (asked["status"], asked["answer"]) == ("completed", ANSWER)
    assert not any(of_profile(home, one).values())
    assert of_profile(home, other) == before
    assert rows(home, "select profile_id from identity.identifiers where type = 'phone' and value = ?", phone) == [
        (other,)
    ] * len(rows(home, "select 1 from identity.identifiers where type = 'phone' and value = ?", phone))
    assert home.facts("privacy", "verify", asked["request"], "--identifier", f"email:{mail}")["clean"]
    told = home.facts("privacy", "receipt", asked["request"])
    assert told["problems"] == [] and mail not in json.dumps(told)

    again = home.facts("privacy", "request", "--type", "erasure", "--identifier", f"email:{mail}", "--yes")
    assert again["status"] == "completed" and again["request"] != asked["request"]
    assert again["answer"] == ANSWER, "asked again, the answer is the same"


def test_doubtful_records_are_listed_and_left(home: Home) -> None:
    found = rows(
        home,
        """
        with doubtful as (
            select profile_id, source || ':' || source_record_id as record from identity.identity_map where provisional
        )
        select doubtful.record, i.value from doubtful join identity.identifiers as i using (profile_id)
        where i.type = 'email' and i.source <> 'marketing' and i.source || ':' || i.source_record_id <> doubtful.record
            and doubtful.profile_id not in (
                select profile_id from identity.identifiers where type = 'email' and value in (
                    select value from identity.identifiers where type = 'email' group by value
                    having count(distinct profile_id) > 1))
        order by all
        """,
    )
    for record, mail in found:
        scope = home.facts("privacy", "request", "--type", "erasure", "--identifier", f"email:{mail}", "--dry-run")
        if record in [one["record"] for one in scope["doubtful"]]:
            break
    else:
        pytest.fail("no doubtful record in the demo world")
    asked = home.facts("privacy", "request", "--type", "erasure", "--identifier", f"email:{mail}", "--yes")
    assert asked["status"] == "completed"
    assert record in [one["record"] for one in asked["doubtful"]]
    source, _, key = record.partition(":")
    table = {"sales": "sales_contacts", "support": "support_users", "pos": "pos_customers"}.get(source)
    left = rows(home, "select 1 from marts.source_records where source || ':' || source_record_id = ?", record)
    assert left == [], "it has no profile until the next run matches it anew"
    if table:
        assert rows(home, f"select 1 from raw.{table} where record_key = ?", key), "the record itself is left"


def test_unknown_people_and_broken_requests(home: Home, tmp_path: Path) -> None:
    unknown = home.cdp("privacy", "request", "--type", "erasure", "--identifier", "email:nobody@nowhere.org", "--yes")
    assert unknown.stdout.splitlines()[-1] == ANSWER
    before = len(home.facts("privacy", "list"))
    people = tmp_path / "people.txt"
    for content, sentence in (
        ("ann", "TYPE:VALUE"), ("shoe:44", "shoe"), ("email:", "TYPE:VALUE"), ("", "at least one identifier"),
        ("email:not-an-address", "email"),
    ):  # fmt: skip
        people.write_text(content)
        refused = home.cdp("privacy", "request", "--type", "erasure", "--people", str(people), "--yes", check=False)
        assert refused.returncode == 1 and sentence in refused.stderr and "Traceback" not in refused.stderr, content
        assert refused.stderr.strip().count("\n") == 0, "one sentence"
    assert len(home.facts("privacy", "list")) == before, "nothing half-done is kept"


def test_too_many_at_once_is_refused(home: Home, tmp_path: Path) -> None:
    mails = rows(
        home,
        "select any_value(value) from identity.identifiers where type = 'email' and source <> 'marketing' and value in"
        " (select value from identity.identifiers where type = 'email' group by value"
        " having count(distinct profile_id) = 1) group by profile_id order by 1 limit 60",
    )
    people = tmp_path / "people.txt"
    people.write_text("\n".join(f"email:{mail}" for (mail,) in mails))
    refused = home.cdp("privacy", "request", "--type", "erasure", "--people", str(people), "--yes", check=False)
    assert refused.returncode == 1 and "--allow-many" in refused.stderr
    assert rows(home, "select 1 from identity.identifiers where value = ?", mails[0][0])


def test_during_a_run_the_request_waits_for_nobody_and_says_so(home: Home) -> None:
    from cdp.settings import load_settings
    from pipelines.lock import writer_lock

    with writer_lock(load_settings(home=home.path).writer_lock):
        refused = home.cdp(
            "privacy", "request", "--type", "erasure", "--identifier", "email:a@nowhere.org", "--yes", check=False
        )
    assert refused.returncode == 1 and "Another run is going" in refused.stderr
    assert refused.stderr.strip().count("\n") == 0


@pytest.mark.slow
def test_a_profile_merged_yesterday_is_found_under_its_former_id(home: Home) -> None:
    merged = rows(
        home,
        """
        select i.profile_id, any_value(i.source || ':' || i.source_record_id) from identity.identity_map as i
        join identity.golden as g using (profile_id)
        where g.email is not null and not i.provisional and i.source = 'sales'
        group by i.profile_id order by 1 limit 2
        """,
    )
    (former, one), (_, other) = merged
    home.cdp("identity", "merge", one, other)
    ((status,),) = rows(home, "select status from identity.profiles where profile_id = ?", former)
    gone = former if status == "merged" else merged[1][0]
    asked = home.facts("privacy", "request", "--type", "erasure", "--identifier", f"profile:{gone}", "--yes")
    assert asked["status"] == "completed", asked["receipt"]["receipt"]["notes"]
    for record in (one, other):
        key = record.partition(":")[2]
        assert not rows(home, "select 1 from raw.sales_contacts where record_key = ?", key), record
        assert not rows(home, "select 1 from identity.identity_map where source_record_id = ?", key), record
    assert rows(home, "select status from identity.profiles where profile_id in (?, ?)", former, merged[1][0]) == [
        ("retired",),
        ("retired",),
    ]
