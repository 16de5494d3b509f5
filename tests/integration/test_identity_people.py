"""People decide, through the command line and the API, on the demo world: carried out, kept, and taken back."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from cdp.store import keys, open_store
from tests.support.home import Home
from tests.support.server import running

FROM_IDENTITY = [
    "identity", "identity quality", "trigger firings", "marts", "contracts", "rules", "feelings", "personas",
    "predictions", "derived contracts", "actions", "snapshot", "segments", "publish",
]  # fmt: skip

# Two people apart, and one person with two records, far from any doubt.
CANDIDATES = """
with sizes as (
    select profile_id, count(*) as n, count(distinct source) as sources
    from identity.identity_map where source in ('sales', 'web', 'pos') group by profile_id
),
certain as (
    select m.source || ':' || m.source_record_id as record_key, m.source, m.profile_id, s.n
    from identity.identity_map as m join sizes as s using (profile_id)
    where m.confidence > 0.999 and not m.provisional
)
"""
APART = f"""{CANDIDATES}
select record_key from certain where source = 'sales' and n = 2 order by record_key limit 2
"""
TOGETHER = f"""{CANDIDATES}
select s.record_key, w.record_key
from certain as s join certain as w using (profile_id)
join identity.edges as e on e.record_a = s.record_key and e.record_b = w.record_key and e.probability > 0.999
where s.source = 'sales' and w.source = 'web' and s.n = 3 order by 1 limit 1
"""


def served(home: Home, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home.path / "serving" / home.snapshot()), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def ids(home: Home) -> dict[str, str]:
    """Record key → profile, as served."""
    sql = "select source || ':' || source_record_id, profile_id from identity.identity_map"
    return dict(served(home, sql))


@contextmanager
def api(home: Home) -> Iterator[httpx.Client]:
    """The served API, called by somebody who may decide."""
    url = home.store_url or f"sqlite:///{home.path / 'store.sqlite'}"
    with open_store(url) as store:
        key = keys.create(store, "steward", ["identity:read", "identity:write", "profiles:read"])
    more = {"CDP_STORE_URL": home.store_url} if home.store_url else {}
    with (
        running(home.path, **more) as server,
        httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=120) as client,
    ):
        yield client


def bridge(world: Path, target: Path, home: Home, record: str) -> Path:
    """The same delivery with one more customer of the shop, who is like a person of whom two records are kept apart."""
    shutil.copytree(world, target)
    number = record.partition(":")[2]
    with (world / "sales" / "contacts.csv").open(newline="", encoding="utf-8-sig") as handle:
        person = next(row for row in csv.DictReader(handle) if row["Record ID"] == number)
    path = target / "pos" / "customers.csv"
    with path.open(newline="", encoding="utf-8-sig") as handle:
        rows = list(csv.DictReader(handle))
    values = {
        "Reference ID": "LOY-BRIDGE", "First Name": person["First Name"], "Last Name": person["Last Name"],
        "Email Address": person["Email"], "Phone Number": person["Phone Number"],
    }  # fmt: skip
    rows.append({name: values.get(name, "") for name in rows[0]})
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return target


def kill_inside(home: Home, step: str) -> None:
    """Start a run and kill it as soon as a step begins."""
    process = home.start("run")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(f"{step} …"):
            process.kill()
            break
    process.communicate()
    assert process.returncode == -9


def story(home: Home, world: Path, tmp_path: Path) -> None:
    """Merge and keep apart; kill, rebuild and bridge; withdraw."""
    before = ids(home)
    one, other = (record for (record,) in served(home, APART))
    sales, web = served(home, TOGETHER)[0]

    # At once, and only what follows from identity.
    merged = home.facts("identity", "merge", one, other, "--note", "the papers say so")
    assert merged["carried_out"] and merged["decision"]["effective"] == "now"
    assert [step["step"] for step in merged["run"]["steps"]] == FROM_IDENTITY
    living = merged["profiles"][0]
    assert len(merged["profiles"]) == 1 and ids(home)[one] == ids(home)[other] == living
    lost = ({before[one], before[other]} - {living}).pop()
    changed = {record for record, profile in ids(home).items() if profile != before[record]}
    assert {before[record] for record in changed} == {lost}
    assert home.facts("run", "--from", str(world))["changed"] is False

    # The API answers for the merged id, and takes a decision that waits for the next run.
    with api(home) as client:
        moved = client.get(f"/v1/profiles/{lost}")
        assert moved.status_code == 301 and moved.json()["merged_into"] == living
        assert client.get(f"/v1/profiles/{lost}", follow_redirects=True).json()["profile_id"] == living
        apart = client.post("/v1/identity/decisions", json={"kind": "different", "record_a": sales, "record_b": web})
        assert apart.status_code == 202 and apart.json()["effective"] == "next run"
        assert ids(home)[sales] == ids(home)[web]
        refused = client.post("/v1/identity/decisions", json={"kind": "merge", "a": one, "b": other})
        assert refused.status_code == 422 and "already" in refused.json()["detail"]

    # A killed run carries it out half; the next one whole.
    kill_inside(home, "marts")
    assert ids(home)[sales] == ids(home)[web], "what was served is served on"
    home.cdp("run")
    assert ids(home)[sales] != ids(home)[web]

    # Both decisions survive a rebuild of everything, and a record that is like both sides.
    longer = bridge(world, tmp_path / "bridged", home, sales)
    home.cdp("run", "--from", str(longer), "--full-refresh")
    now = ids(home)
    assert now[one] == now[other] == living
    assert now[sales] != now[web] and "pos:LOY-BRIDGE" in now
    told = home.facts("identity", "explain", sales, web)
    assert [ruling["effective"] for ruling in told["decisions"]] == ["now"]

    # Evaluation knows what people said.
    measured = home.facts("identity", "evaluate")["decisions"]
    assert measured["decisions"] == 2 and measured["carried_out"] == measured["labels"]
    assert measured["by_kind"]["different"] == {"labels": 1, "model_agrees": 0}

    # Withdrawn through API and command line: every id is what it was.
    with api(home) as client:
        listed = client.get("/v1/identity/decisions", params={"active": True}).json()["data"]
        assert [row["decision_id"] for row in listed] == [
            apart.json()["decision_id"],
            merged["decision"]["decision_id"],
        ]
        withdrawn = client.post(
            f"/v1/identity/decisions/{listed[0]['decision_id']}/withdraw", json={"note": "an error"}
        )
        assert withdrawn.status_code == 202 and withdrawn.json()["effective"] == "until the next run"
        home.facts("identity", "withdraw", listed[1]["decision_id"])
        now = ids(home)
        assert {record: now[record] for record in before} == before
        assert now["pos:LOY-BRIDGE"] == before[sales]
        events = client.get(f"/v1/profiles/{lost}/history").json()["events"]
        assert [event["kind"] for event in events if event["profile_id"] == lost] == ["created", "merged", "restored"]
        assert client.get(f"/v1/profiles/{lost}").status_code == 200
        actions = {row["decision_id"]: row["effective"] for row in client.get("/v1/identity/decisions").json()["data"]}
        assert set(actions.values()) == {"no more"}


@pytest.mark.slow
def test_a_merge_is_carried_out_at_once_and_taken_back(demo_home: Home, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(demo_home.path, home.path)
    before = ids(home)
    one, other = (record for (record,) in served(home, APART))
    merged = home.facts("identity", "merge", one, other)
    assert [step["step"] for step in merged["run"]["steps"]] == FROM_IDENTITY
    (living,) = merged["profiles"]
    assert ids(home)[one] == ids(home)[other] == living
    lost = ({before[one], before[other]} - {living}).pop()
    assert home.cdp("profile", lost, check=False).stderr == f"cdp: This profile is merged; it lives on as {living}.\n"
    home.cdp("identity", "withdraw", merged["decision"]["decision_id"])
    assert ids(home) == before
    assert home.facts("profile", lost)["profile_id"] == lost


@pytest.mark.slow
def test_the_whole_story_on_sqlite(demo_home: Home, demo_world: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(demo_home.path, home.path)
    story(home, demo_world, tmp_path)


@pytest.mark.slow
def test_the_whole_story_on_postgresql(demo_world: Path, tmp_path: Path, postgres_url: str) -> None:
    home = Home(tmp_path / "home", store_url=postgres_url)
    home.cdp("run", "--from", str(demo_world))
    story(home, demo_world, tmp_path)
