"""A consumer that follows `changes` over HTTP while publications go on: nothing missed, nothing seen twice."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from cdp.settings import load_settings
from cdp.store import keys, open_store
from tests.support.publications import NOW, publish
from tests.support.server import running

PEOPLE, ROUNDS = 60, 12
MEMBERS = [[n for n in range(1, PEOPLE + 1) if (n * 7 + turn * turn) % 3] for turn in range(ROUNDS)]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_followers_see_each_change_once(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    settings = load_settings(home=tmp_path / "home")
    url = settings.database_url if kind == "sqlite" else request.getfixturevalue("postgres_url")
    with open_store(url) as store:
        publish(store, range(1, PEOPLE + 1), members={"new": MEMBERS[0]})
        key = keys.create(store, "follower", ["segments:read"])
        more = {} if kind == "sqlite" else {"CDP_STORE_URL": url}
        published = threading.Event()
        seen: list[list[int]] = [[], []]
        with running(settings.home, **more) as server:

            def follow(place: int, limit: int) -> None:
                headers = {"Authorization": f"Bearer {key}"}
                with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
                    cursor = None
                    while True:
                        last = published.is_set()
                        given = {"limit": limit, **({"cursor": cursor} if cursor else {})}
                        page = client.get("/v1/segments/new/changes", params=given).raise_for_status().json()
                        seen[place] += [one["seq"] for one in page["data"]]
                        cursor = page["next_cursor"]
                        if last and not page["has_more"]:
                            return

            threads = [threading.Thread(target=follow, args=one) for one in ((0, 3), (1, 50))]
            for thread in threads:
                thread.start()
            for turn in range(1, ROUNDS):
                at = NOW + timedelta(hours=turn)
                publish(store, range(1, PEOPLE + 1), run=f"run-{turn}", as_of=at, members={"new": MEMBERS[turn]})
            published.set()
            for thread in threads:
                thread.join()
        told = [one.seq for one in store.membership_changes(limit=100_000, segment_key="new")]
    assert len(told) > PEOPLE
    assert seen == [told, told]
