"""A shop whose segment is fed run after run and told to receivers, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from activation import manage
from activation.worker import Options, Pass, deliver
from cdp.clock import wall_now
from cdp.outbound import Guard
from cdp.store import destinations, open_store
from cdp.store.delivery_tables import destinations as tables
from cdp.store.outbox import Outbox
from cdp.store.sql import SqlStore
from tests.support.publications import NOW, publish
from tests.support.receiver import Receiver, receiving

LOCAL = Guard.of(["127.0.0.0/8"])


def document(number: int) -> dict[str, Any]:
    return {"traits": {"email": f"p{number}@example.org", "purchases": number}, "stage": {"current": "use"}}


class Shop:
    """A store whose segment `vip` is fed run after run, with one worker."""

    def __init__(self, url: str) -> None:
        self.url = url
        store = open_store(url)
        assert isinstance(store, SqlStore)
        self.store = store
        self.outbox = Outbox(url)
        self.runs = 0
        self.clock = wall_now()

    def members(self, *numbers: int, withheld: tuple[int, ...] = (), people: int = 9, **more: Any) -> None:
        self.runs += 1
        documents = {number: document(number) for number in more.pop("living", range(1, people + 1))}
        publish(
            self.store, documents, run=f"run-{self.runs}", members={"vip": numbers}, withheld=withheld,
            as_of=NOW + timedelta(hours=self.runs), **more,
        )  # fmt: skip

    def destination(self, key: str = "crm", url: str = "", expected: int | None = None, **more: Any) -> str | None:
        config = more.pop("config", {"kind": "webhook", "url": url, "fields": {"mail": "traits.email"}})
        segments = more.pop("segments", ["vip"])
        wanted = manage.Wanted(key, key.title(), config, segments, **more)
        return manage.save(self.outbox, wanted, by="tester", at=self.clock, expected=expected)[1]

    def work(self, *, later: float = 0.0, only: str | None = None, **more: Any) -> dict[str, Pass]:
        """A pass, `later` seconds after now."""
        self.clock += timedelta(seconds=later)
        options = Options(guard=more.pop("guard", LOCAL), now=lambda: self.clock, **more)
        return {one.destination: one for one in deliver(self.url, options, only=only)}

    def freed(self, key: str = "crm") -> None:
        """As if the lease of a killed worker had run out."""
        with self.outbox.reading() as connection:
            owner = connection.scalar(sa.select(tables.c.lease).where(tables.c.key == key))
        self.outbox.release(key, str(owner))

    def told(self) -> list[tuple[str, int, str]]:
        """The log: what, of whom, what became of it."""
        return [(one.kind, number(one.profile_id), one.state) for one in destinations.log(self.outbox, limit=10_000)]


def number(profile: str) -> int:
    return int(profile[:8], 16)


def heard(receiver: Receiver) -> list[tuple[str, int]]:
    """What a receiver was told, in order."""
    return [
        (r.json["type"].removeprefix("segment."), number(r.json["profile"]["profile_id"])) for r in receiver.received
    ]


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    found = Shop(url)
    yield found
    found.outbox.close()
    found.store.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found
