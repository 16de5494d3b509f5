"""What people fill in about interventions over HTTP: who may, which version is meant, what is kept and told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import answers
from api.app import create_app
from cdp.settings import load_settings
from cdp.store import keys, snapshots
from cdp.store.memory import InMemoryStore
from journeys.interventions import catalogue
from tests.support.client import Client
from tests.support.publications import publish
from tests.unit.api.conftest import lower
from tests.unit.journeys.conftest import build_world

ENTRY = "/v1/journeys/interventions/answer_in_time"
LIST = "/v1/journeys/interventions"
FILLED = {"investment": "two agents", "difficulty": 1, "period_days": 60, "status": "planned"}


def put(client: Client, url: str, **more: Any) -> httpx.Response:
    return client.request("PUT", url, **more)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world in which slow answers cost purchases."""
    folder = tmp_path_factory.mktemp("effects")
    connection = build_world(1)
    connection.execute(f"attach '{folder / 'w.duckdb'}' as kept; create schema kept.marts; create schema kept.identity")
    sql = "select table_name from information_schema.tables where table_schema = 'marts' and table_catalog = 'memory'"
    for (table,) in connection.execute(sql).fetchall():
        connection.execute(f"create table kept.marts.{table} as select * from memory.marts.{table}")
    connection.execute("detach kept")
    return folder / "w.duckdb"


@pytest.fixture
def store() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
def calling(home: Path, snapshot: Path, store: InMemoryStore) -> Iterator[Client]:
    (home / "serving").mkdir(parents=True)
    snapshots.point_to(home / "serving", snapshots.write_snapshot(snapshot, home / "serving", "run-1"))
    publish(store, {})
    with Client(create_app(load_settings(home=home, memory_limit="1GB"), store=store, normalise=lower)) as client:
        yield client


@pytest.fixture
def writer(calling: Client, store: InMemoryStore) -> Client:
    return calling.by(keys.create(store, "test", ["journeys:read", "journeys:write"]))


def test_who_may_write(client: Client, key: Callable[..., str]) -> None:
    assert put(client, ENTRY, json=FILLED).status_code == 401
    answer = put(client.by(key("journeys:read", "segments:read")), ENTRY, json=FILLED, headers={"If-Match": "*"})
    assert answer.status_code == 403 and "journeys:write" in answer.json()["detail"]
    assert client.get(ENTRY).status_code == 401
    assert client.by(key("journeys:write")).get(ENTRY).status_code == 403


def test_what_is_filled_in_is_kept_and_changes_the_order(writer: Client, home: Path, store: InMemoryStore) -> None:
    before = writer.get(LIST)
    ranked = before.json()["interventions"]
    assert {"key", "title", "stage", "people", "effect", "basis", "worth", "priority", "status"} <= set(ranked[0])
    mine = next(row for row in ranked if row["key"] == "answer_in_time")
    assert mine["status"] == "open" and mine["investment"] is None
    read = writer.get(ENTRY)
    answer = put(writer, ENTRY, json=FILLED, headers={"If-Match": read.headers["etag"]})
    assert answer.status_code == 200 and {name: answer.json()[name] for name in FILLED} == FILLED
    assert answer.headers["etag"] == writer.get(ENTRY).headers["etag"] != read.headers["etag"]
    after = writer.get(LIST, headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    now = next(row for row in after.json()["interventions"] if row["key"] == "answer_in_time")
    assert now["priority"] == 2 * mine["priority"], "easy instead of middling"
    assert {name: now[name] for name in FILLED} == FILLED
    entry = catalogue.find(home / "interventions.yaml", "answer_in_time")
    assert entry.investment == "two agents" and entry.status == "planned"
    drawn = writer.get("/v1/journeys/map?format=svg").text
    assert "two agents" in drawn
    put(writer, ENTRY, json={}, headers={"If-Match": answer.headers["etag"]})
    assert writer.get(ENTRY).json()["investment"] is None, "all of it is replaced"


def test_the_version_must_be_named_and_be_the_present_one(writer: Client) -> None:
    missing = put(writer, ENTRY, json=FILLED)
    assert missing.status_code == 428 and "If-Match" in missing.json()["detail"]
    stale = writer.get(ENTRY).headers["etag"]
    assert put(writer, ENTRY, json=FILLED, headers={"If-Match": stale}).status_code == 200
    again = put(writer, ENTRY, json={"status": "done"}, headers={"If-Match": stale})
    assert again.status_code == 412 and writer.get(ENTRY).json()["status"] == "planned"
    assert put(writer, ENTRY, json={"status": "done"}, headers={"If-Match": "*"}).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [{"difficulty": 4}, {"difficulty": "1"}, {"period_days": 0}, {"status": "perhaps"}, {"investment": "x" * 201},
     {"worth": 5}, {"key": "other"}, []],
)  # fmt: skip
def test_what_does_not_fit_is_refused(writer: Client, wrong: object) -> None:
    answer = put(writer, ENTRY, json=wrong, headers={"If-Match": "*"})
    assert answer.status_code == 422 and answer.headers["content-type"] == "application/problem+json"
    assert writer.get(ENTRY).json()["difficulty"] is None


def test_unknown_interventions_are_answered_with_the_nearest(writer: Client) -> None:
    for answer in (
        writer.get(f"{LIST}/anser_in_time"),
        put(writer, f"{LIST}/anser_in_time", json=FILLED, headers={"If-Match": "*"}),
    ):
        assert answer.status_code == 404 and "did you mean `answer_in_time`" in answer.json()["detail"]


def test_the_trail_names_fields_not_values(writer: Client, store: InMemoryStore, calling: Client) -> None:
    put(writer, ENTRY, json=FILLED, headers={"If-Match": "*"})
    calling.app.state.services.audit.flush()
    entry = next(row.entry for row in store.audit_rows() if row.entry.action == "intervention.fill_in")
    assert entry.object == "answer_in_time" and entry.actor.startswith("key:")
    assert entry.detail == {"changed": ["difficulty", "investment", "period_days", "status"]}
    assert "two agents" not in json.dumps(dict(entry.detail))


def test_everybodys_map_is_measured_before_anybody_asks(
    calling: Client, writer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = calling.app.state.services

    async def measured() -> None:
        while not len(services.answers):
            await asyncio.sleep(0.02)
        await answers.keep_warm(services, await services.analyst.publication())

    calling.run(asyncio.wait_for(measured(), 60))

    async def asked(*arguments: object, **more: object) -> None:
        raise AssertionError("nothing is asked of the snapshot")

    monkeypatch.setattr(services.analyst, "ask", asked)
    for lang in ("en", "zh"):
        assert writer.get(f"/v1/journeys/map?lang={lang}").status_code == 200
