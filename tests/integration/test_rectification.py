"""A mail that was put right outlasts deliveries, changes, a new model and a rebuild, and goes with the person."""

from __future__ import annotations

import csv
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest

from tests.support.home import CDP, ROOT, Home, assert_same

pytestmark = pytest.mark.slow

RIGHT = "put.right@marked.org"
THIRD = "said.later@marked.org"


def somebody(home: Home) -> tuple[str, str, str]:
    """A profile with its mail, which a contact states, and that contact."""
    with duckdb.connect(str(home.path / "warehouse.duckdb"), read_only=True) as connection:
        found = connection.execute(
            "select o.profile_id, o.value, o.source_record_id from identity.golden_origins as o"
            " join identity.golden as g using (profile_id)"
            " where o.trait = 'email' and o.source = 'sales' and g.sources > 1 order by 3 limit 1"
        ).fetchall()
    profile, mail, record = found[0]
    return profile, mail, record


def correct(home: Home, *arguments: str, value: str) -> None:
    done = subprocess.run(
        [str(CDP), "privacy", *arguments, "--value", "-"],
        cwd=ROOT, env=home.environment(), input=value, text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert value not in done.stdout + done.stderr


def changed(world: Path, target: Path, record: str) -> Path:
    """The world with another mail in the contact that was corrected."""
    shutil.copytree(world, target)
    path = target / "sales" / "contacts.csv"
    with path.open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        rows = [{**row, **({"Email": THIRD} if row["Record ID"] == record else {})} for row in reader]
        names = reader.fieldnames or []
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, names)
        writer.writeheader()
        writer.writerows(rows)
    return target


def mail_of(home: Home, profile: str) -> tuple[str, str]:
    found = home.facts("profile", profile)
    return found["traits"]["email"], found["origins"]["email"]["rule"]


def test_a_corrected_mail_stays_and_goes_with_the_person(demo_home: Home, demo_world: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(demo_home.path, home.path)
    profile, wrong, record = somebody(home)
    name = home.facts("privacy", "request", "--type", "rectification", "--identifier", f"profile:{profile}")["request"]
    correct(home, "rectify", name, "--field", "email", "--later", value=RIGHT)
    waiting = home.cdp("privacy", "complete", name, check=False)
    assert waiting.returncode == 1 and "waits for the next run" in waiting.stderr
    assert mail_of(home, profile)[0] == wrong

    # The same file again with another mail for the record, and a new model.
    later = changed(demo_world, tmp_path / "world", record)
    home.cdp("run", "--from", str(later), "--renew-model")
    assert mail_of(home, profile) == (RIGHT, "correction")
    assert home.facts("privacy", "complete", name)["status"] == "completed"
    assert home.facts("profile", "--identifier", f"email:{RIGHT}")["profile_id"] == profile
    assert home.cdp("profile", "--identifier", f"email:{THIRD}", check=False).returncode == 1
    (differing,) = home.facts("privacy", "corrections", "--differing")
    assert (differing["fields"], differing["effective"], differing["request"]) == (["email"], "now", name)
    with duckdb.connect(str(home.path / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute(
            "select mailbox from identity.state_features where record_key = ?", [f"sales:{record}"]
        ).fetchall() == [(RIGHT,)]
        assert THIRD in str(connection.execute("select payload from raw.sales_contacts").fetchall())

    before = home.published()
    home.cdp("run", "--full-refresh")
    assert_same(home.published(), before)

    erased = home.facts("privacy", "request", "--type", "erasure", "--identifier", f"email:{RIGHT}", "--yes")
    assert erased["status"] == "completed", erased["receipt"]["receipt"]["notes"]
    assert home.facts("privacy", "corrections") == []
    assert home.facts("privacy", "verify", erased["request"], "--identifier", f"email:{RIGHT}")["clean"]
