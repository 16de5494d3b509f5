"""A state home driven through the real command line, and what it published in comparable form.

Profile ids are random, so two homes are compared after each profile is renamed to its smallest member record (or
device).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from cdp.store import open_store

ROOT = Path(__file__).resolve().parents[2]
CDP = Path(sys.executable).parent / "cdp"
NOW = "2026-01-01T00:00:00Z"

NAMES = """
create temp table names as
select profile_id, min(member) as name
from (
    select profile_id, source || ':' || source_record_id as member from marts.source_records
    union all
    select profile_id, 'device:' || min(anonymous_id) from identity.device_map group by profile_id
    having profile_id not in (select profile_id from marts.source_records)
)
group by profile_id
"""


@dataclass(frozen=True)
class Home:
    """One CDP_HOME and the command line over it."""

    path: Path
    now: str = NOW
    store_url: str | None = None
    stage_set: str | None = None

    def environment(self) -> dict[str, str]:
        given = {"CDP_STORE_URL": self.store_url, "CDP_STAGE_SET": self.stage_set}
        extra = {name: value for name, value in given.items() if value}
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("CDP_", "DAGSTER_"))}
        return {**clean, "CDP_HOME": str(self.path), "CDP_AS_OF": self.now, **extra}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(CDP), *arguments], cwd=ROOT, env=self.environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def cdp(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        completed = subprocess.run(
            [str(CDP), *arguments], cwd=ROOT, env=self.environment(), text=True, capture_output=True
        )
        if check:
            assert completed.returncode == 0, completed.stderr[-3000:]
        return completed

    def facts(self, *arguments: str) -> Any:
        return json.loads(self.cdp(*arguments, "--json").stdout)

    def snapshot(self) -> Path:
        return Path(json.loads((self.path / "serving" / "current.json").read_text())["file"])

    def published(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that is served, by table, in an order and under names that do not depend on random ids."""
        status = self.facts("status")
        with duckdb.connect() as connection:
            file = self.path / "serving" / status["last_run"]["snapshot_file"]
            connection.execute(f"attach '{file}' as served (read_only)")
            connection.execute("use served")
            connection.execute(NAMES.replace("create temp table names", "create temp table temp.main.names"))
            content = {table: connection.execute(sql).fetchall() for table, sql in COMPARED.items()}
            lookup = dict(connection.execute("select profile_id, name from temp.main.names").fetchall())
        with open_store(self.store_url or f"sqlite:///{self.path / 'store.sqlite'}") as store:
            for segment in store.list_segments():
                if '"type": "sample"' in segment.definition:
                    continue  # drawn by a hash of the profile id, so it differs wherever the random ids do
                members = store.memberships(segment.key, limit=1_000_000)
                content[f"segment.{segment.key}"] = sorted((lookup[member.profile_id],) for member in members)
        content["status"] = [(json.dumps(status["raw"]), json.dumps(status["stages"]))]
        return content


class WorldHome(NamedTuple):
    """A demo world, its truth included, and a home after one undisturbed run over it."""

    world: Path
    home: Home


COMPARED = {
    "source_records": """
        select n.name, r.source, r.source_record_id, round(r.confidence, 6), r.provisional
        from marts.source_records r join temp.main.names n using (profile_id) order by all""",
    "touchpoints": """
        select n.name, t.occurred_at, t.source, t.channel, t.touchpoint_type, t.stage, t.amount, t.source_record_key
        from marts.touchpoints t join temp.main.names n using (profile_id) order by all""",
    "stage_episodes": """
        select n.name, e.episode_number, e.stage, e.entered_at, e.left_at, e.move
        from marts.stage_episodes e join temp.main.names n using (profile_id) order by all""",
    "profiles": """
        select n.name, p.* exclude (profile_id) from marts.profiles p join temp.main.names n using (profile_id)
        order by all""",
    "map_cells": "select * from marts.map_cells order by all",
    "predictions": """
        select n.name, p.* exclude (profile_id) from marts.predictions p join temp.main.names n using (profile_id)
        order by all""",
    "ticket_feelings": """
        select n.name, f.* exclude (profile_id) from marts.ticket_feelings f
        join temp.main.names n using (profile_id) order by all""",
    "next_actions": """
        select n.name, a.* exclude (profile_id) from marts.next_actions a
        join temp.main.names n using (profile_id) order by all""",
    "stage_rules": "select version, stage_set, digest from marts.stage_rule_versions order by all",
}


def assert_same(left: dict[str, list[tuple[Any, ...]]], right: dict[str, list[tuple[Any, ...]]]) -> None:
    """Equal content, told by the first difference of the first table that differs."""
    assert left.keys() == right.keys()
    for table, rows in left.items():
        if rows != right[table]:
            only_left = sorted(map(repr, set(map(repr, rows)) - set(map(repr, right[table]))))[:3]
            only_right = sorted(map(repr, set(map(repr, right[table])) - set(map(repr, rows))))[:3]
            raise AssertionError(f"{table} differs: only left {only_left}, only right {only_right}")
