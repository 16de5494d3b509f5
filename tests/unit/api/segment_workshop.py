"""An app over a store of its own and the shared snapshot, for tests that write segments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from api.app import create_app
from cdp.settings import load_settings
from cdp.store import keys, snapshots
from cdp.store.base import Store
from cdp.store.memory import InMemoryStore
from tests.support.client import Client
from tests.support.publications import profile_id, publish
from tests.unit.api.conftest import PEOPLE, lower

GERMAN = {"key": "german", "title": "German", "where": "trait.country = 'DE'"}


@dataclass
class Workshop:
    """A published store, the app over it, and callers of every kind."""

    store: Store
    client: Client
    serving: Path

    def caller(self, *scopes: str) -> Client:
        return self.client.by(keys.create(self.store, "test", scopes or list(keys.SCOPES)))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """A query over the snapshot, by hand."""
        publication = self.store.current_publication()
        assert publication is not None
        # As the app opens it: one process has one configuration for a file.
        path = self.serving / publication.snapshot_file
        with snapshots.open_snapshot(path, threads=2, memory_limit="1GB") as connection:
            return connection.execute(sql).fetchall()

    def people(self, condition: str) -> list[str]:
        """Ids of those who satisfy a condition of SQL."""
        return [row[0] for row in self.rows(f"select profile_id from marts.profiles where {condition} order by 1")]


@contextmanager
def workshop(home: Path, store: Store | None = None) -> Iterator[Workshop]:
    """An app over a fresh store, published on the snapshot in `home`."""
    made = store or InMemoryStore()
    publish(made, range(1, PEOPLE + 1), members={"shipped_one": [1, 2]})
    app = create_app(load_settings(home=home, memory_limit="1GB"), store=made, normalise=lower)
    with Client(app) as client:
        yield Workshop(made, client, home / "serving")


def put(caller: Client, key: str, content: Any, tag: str | None) -> httpx.Response:
    """Replace a segment."""
    return caller.request("PUT", f"/v1/segments/{key}", json=content, headers={"If-Match": tag} if tag else {})


def ids(answer: httpx.Response) -> list[str]:
    """Profile ids of a page."""
    return [row["profile_id"] for row in answer.json()["data"]]


CONSENT = "marketing_consent and not unsubscribed"
__all__ = ["CONSENT", "GERMAN", "Workshop", "ids", "profile_id", "put", "workshop"]
