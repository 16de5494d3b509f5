"""Rules of retention through the command line on a run's home: old events and lapsed people are nowhere any more."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdp.settings import load_settings
from privacy.inventory.load import load
from privacy.verify.home import scan
from privacy.verify.needles import Needle
from tests.support.home import Home

pytestmark = pytest.mark.slow
BEFORE = "2025-01-01"
RULES = """
rules:
  - {name: events, records: web.events, older_than: 12 months}
  - {name: mails, records: marketing.email_events, older_than: 12 months}
  - {name: lapsed, people: without_activity, older_than: 15 months}
"""


@dataclass(frozen=True)
class Retaining(Home):
    """A home with rules."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "CDP_PRIVACY_RETENTION": str(self.path.with_name("rules.yaml"))}


def old_events(world: Path) -> Iterator[dict[str, Any]]:
    for file in sorted((world / "web").rglob("events*")):
        with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as lines:
            for line in lines:
                try:
                    said = json.loads(line)
                except ValueError:
                    continue
                if said.get("timestamp", BEFORE) < BEFORE:
                    yield said


def rows(home: Home, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home.path / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_old_events_and_lapsed_people_go_in_the_course_of_a_run(
    demo_home: Home, demo_world: Path, tmp_path: Path
) -> None:
    home = Retaining(tmp_path / "home")
    shutil.copytree(demo_home.path, home.path)
    (tmp_path / "rules.yaml").write_text(RULES)
    shown = {row["rule"]: row for row in home.facts("privacy", "retention")}
    assert shown["events"]["goes"] > 100 and shown["events"]["waits_to_be_allowed"]
    names = [word for name, row in shown.items() if row["waits_to_be_allowed"] for word in ("--allow-many", name)]
    home.cdp("privacy", "retention", *names)
    home.cdp("run")

    signed = [json.loads(path.read_text())["receipt"] for path in (home.path / "privacy" / "receipts").glob("*.json")]
    by_name = {body["request"].partition("-")[0]: body for body in signed}
    assert {name: (body["kind"], body["status"], body["notes"]) for name, body in by_name.items()} == {
        "rt": ("retention", "completed", []), "lp": ("retention", "completed", []),
    }  # fmt: skip
    assert by_name["lp"]["subjects"] > 0
    assert rows(home, f"select count(*) from marts.touchpoints where source = 'web' and occurred_at < '{BEFORE}'") == [
        (0,)
    ]
    assert rows(home, "select count(*) from marts.profiles where last_seen_at < '2024-10-01'") == [(0,)]
    settings = load_settings(home=home.path)
    needles = [Needle(0, "event", event["messageId"]) for event in old_events(demo_world)]
    found = scan(settings.home, needles[:300], load(settings.dbt_project), config={}, store_url=settings.database_url,
                 leave_out=lambda _: False)  # fmt: skip
    assert sum(sum(hits.values()) for hits in found.hits.values()) == 0 and found.unreadable == {}

    status = home.facts("status")["raw"]
    assert all(one["received"] == one["raw"] + one["duplicates"] + one["quarantined"] + one["suppressed"]
               for one in status.values())  # fmt: skip
    receipts = len(signed)
    home.cdp("run", "--from", str(demo_world))
    assert home.facts("status")["raw"] == status, "the same deliveries change nothing"
    assert len(list((home.path / "privacy" / "receipts").glob("*.json"))) == receipts
    assert home.facts("privacy", "inventory", "--check", "--format", "json") == {"gaps": []}
