"""What callers see when something new is published while they read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api.app import create_app
from cdp.settings import Settings
from cdp.store import keys, open_store, snapshots
from cdp.store.base import Redirect, Store
from tests.support.client import Client
from tests.support.publications import profile_id, publish
from tests.unit.api.conftest import DOCUMENT, lower, publish_world

ONE = f"/v1/profiles/{profile_id(1)}"


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings.database_url) as opened:
        publish_world(opened, settings.serving)
        yield opened


@pytest.fixture
def reader(settings: Settings, store: Store) -> Iterator[Client]:
    with Client(create_app(settings, store=store, normalise=lower)) as client:
        yield client.by(keys.create(store, "all", list(keys.SCOPES)))


def test_store_and_snapshot_change_together(settings: Settings, store: Store, reader: Client) -> None:
    last = f"/v1/profiles/{profile_id(45)}"
    assert reader.get(f"{ONE}/events").json()["publication"]["run_id"] == "run-1"
    assert reader.get(last).status_code == 404
    publish_world(store, settings.serving, run="run-2", people=45)
    answer = reader.get(f"{last}/events").json()
    assert answer["publication"]["run_id"] == "run-2" and len(answer["data"]) == 10
    assert len(reader.get("/v1/segments/new/members").json()["data"]) == 45


def test_the_store_decides_which_snapshot_is_read(settings: Settings, store: Store, reader: Client) -> None:
    """A run that was killed after the pointer file moved and before the store's commit, or the other way round."""
    publish_world(store, settings.serving, run="run-2", people=45)
    snapshots.point_to(settings.serving, snapshots.snapshot_path(settings.serving, "run-1"))
    assert len(reader.get(f"/v1/profiles/{profile_id(45)}/events").json()["data"]) == 10


def test_paging_across_a_publication(settings: Settings, store: Store, reader: Client) -> None:
    url = "/v1/segments/new/members?limit=25"
    first = reader.get(url).json()
    gone, come = profile_id(30), profile_id(41)
    people = [n for n in range(1, 42) if n != 30]
    publish(store, {n: {} for n in people}, run="run-2", members={"new": people})
    second = reader.get(url, params={"cursor": first["next_cursor"], "limit": 25}).json()
    assert not first["publication_changed"] and second["publication_changed"]
    seen = [row["profile_id"] for row in first["data"] + second["data"]]
    assert len(seen) == len(set(seen))
    assert set(seen) == {profile_id(n) for n in range(1, 42)} - {gone} and come in seen


def test_a_merge_moves_readers_along(settings: Settings, store: Store, reader: Client) -> None:
    tag = reader.get(ONE).headers["etag"]
    merged = [Redirect(profile_id(1), "merged", profile_id(2)), Redirect(profile_id(2), "merged", profile_id(3))]
    publish(store, [3], run="run-2", redirects=merged)
    answer = reader.get(ONE, headers={"If-None-Match": tag})
    assert answer.status_code == 301 and answer.headers["location"] == f"/v1/profiles/{profile_id(3)}", "the living one"
    assert reader.get(f"/v1/profiles/{profile_id(2)}").headers["location"] == f"/v1/profiles/{profile_id(3)}"
    assert reader.get(answer.headers["location"]).status_code == 200
    publish(store, {1: DOCUMENT, 2: {}, 3: {}}, run="run-3")
    assert reader.get(ONE).status_code == 200, "a merge can be withdrawn"


def test_a_missing_snapshot_is_unavailable_not_unknown(settings: Settings, store: Store, reader: Client) -> None:
    publish(store, [1], run="run-2")
    assert reader.get(ONE).status_code == 200
    answer = reader.get(f"{ONE}/events")
    assert answer.status_code == 503 and answer.headers["retry-after"]


def test_before_the_first_publication(tmp_path_factory: pytest.TempPathFactory) -> None:
    from cdp.settings import load_settings

    settings = load_settings(home=tmp_path_factory.mktemp("empty"))
    with (
        open_store(settings.database_url) as store,
        Client(create_app(settings, store=store, normalise=lower)) as client,
    ):
        reader = client.by(keys.create(store, "all", list(keys.SCOPES)))
        assert reader.get(ONE).status_code == 404
        for url in ("/v1/segments", "/v1/journeys/map", "/health/ready"):
            answer = reader.get(url)
            assert answer.status_code == 503 and "cdp run" in answer.json()["detail"]
