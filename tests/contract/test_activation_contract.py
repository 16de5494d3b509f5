"""What reaches a receiver, on SQLite and on PostgreSQL: real servers, real databases, every way to fail."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from activation import manage
from activation.worker import Options, Pass, deliver
from cdp.clock import wall_now
from cdp.errors import ConflictError, InputError, NotFoundError, VersionMismatch
from cdp.outbound import Guard
from cdp.store import destinations, open_store
from cdp.store.base import Redirect
from cdp.store.erasing import SqlEraser
from cdp.store.outbox import Outbox
from cdp.store.sql import SqlStore
from tests.support.publications import NOW, profile_id, publish
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


def test_entries_and_exits_arrive_signed_with_the_fields_asked_for(shop: Shop, receiver: Receiver) -> None:
    shop.members()
    secret = shop.destination(url=receiver.url)
    assert secret is not None
    shop.members(1, 2)
    assert shop.work()["crm"] == Pass("crm", delivered=2)
    shop.members(2)
    shop.work()
    assert heard(receiver) == [("entered", 1), ("entered", 2), ("exited", 1)]
    first, last = receiver.received[0], receiver.received[-1]
    assert first.json["profile"] == {"profile_id": profile_id(1), "mail": "p1@example.org"}
    assert first.json["segment"] == {"key": "vip", "title": "Vip"}
    assert last.json["profile"] == {"profile_id": profile_id(1)}, "an exit tells nothing but the id"
    message_id, timestamp = first.headers["webhook-id"], first.headers["webhook-timestamp"]
    signed = f"{message_id}.{timestamp}.".encode() + first.body
    mac = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    assert first.headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
    assert first.headers["idempotency-key"] == message_id == first.json["id"]
    assert len(set(receiver.ids())) == 3


def test_who_is_in_already_is_told_when_the_destination_begins(shop: Shop, receiver: Receiver) -> None:
    shop.members(1, 2, 3, withheld=(3,))
    shop.destination(url=receiver.url)
    assert shop.work()["crm"].delivered == 2
    assert heard(receiver) == [("entered", 1), ("entered", 2)]
    assert shop.work() == {"crm": Pass("crm")}, "nothing is told twice"


FAILURES = {
    "status:500": "http_500", "status:429": "http_429", "wait:120": "http_503", "reset": "broken_answer",
    "half": "broken_answer", "nonsense": "broken_answer", "silence:3": "timeout", "drip:3": "timeout",
}  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_that_may_pass_is_tried_again_under_the_same_id(
    shop: Shop, receiver: Receiver, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdp.outbound.post.__kwdefaults__", {"seconds": 1.0})
    shop.members()
    shop.destination(url=receiver.url)
    shop.members(1)
    receiver.behaviours = [failure]
    done = shop.work()["crm"]
    assert (done.delivered, done.retried, done.codes) == (0, 1, {FAILURES[failure]: 1})
    assert shop.work()["crm"] == Pass("crm"), "not before its time"
    early = 60.0
    assert shop.work(later=early)["crm"].delivered == (0 if failure.startswith("wait") else 1)
    if failure.startswith("wait"):
        assert shop.work(later=61)["crm"].delivered == 1, "as long as the receiver asked"
    assert len(receiver.received) == 2 and len(set(receiver.ids())) == 1


@pytest.mark.parametrize("failure", ["status:400", "status:401", "status:410", "redirect:http://169.254.169.254/"])
def test_a_failure_that_will_not_pass_is_a_dead_letter_that_can_be_replayed(
    shop: Shop, receiver: Receiver, failure: str
) -> None:
    shop.members()
    shop.destination(url=receiver.url)
    shop.members(1, 2)
    receiver.behaviours = [failure]
    done = shop.work()["crm"]
    assert (done.dead, done.delivered) == (1, 1), "the others go on"
    assert shop.work(later=90_000)["crm"] == Pass("crm")
    assert destinations.counts(shop.outbox) == {"crm": {"dead": 1, "delivered": 1}}
    assert destinations.replay(shop.outbox, "crm") == 1
    assert shop.work()["crm"].delivered == 1
    assert receiver.ids()[0] == receiver.ids()[-1]


def test_an_endless_answer_is_not_read(shop: Shop, receiver: Receiver) -> None:
    shop.members()
    shop.destination(url=receiver.url)
    shop.members(1)
    receiver.behaviours = [f"huge:{100 * 1024 * 1024}"]
    assert shop.work()["crm"].delivered == 1


def test_private_addresses_are_refused_and_nothing_is_sent(shop: Shop, receiver: Receiver) -> None:
    shop.members()
    shop.destination(url=receiver.url)
    shop.members(1)
    done = shop.work(guard=Guard())["crm"]
    assert done.codes == {"private_address": 1} and done.dead == 1
    assert receiver.received == []


def test_nobody_answers(shop: Shop, receiver: Receiver) -> None:
    """What cannot be reached is tried again and in the end is a dead letter; an attempt ends the pass soon."""
    shop.members()
    shop.destination(url=receiver.url)
    shop.members(*range(1, 9))
    receiver.always = "status:500"
    assert shop.work()["crm"].retried == 3, "after three failures in a row the pass ends"
    for _ in range(80):
        shop.work(later=4_000)
    assert destinations.counts(shop.outbox) == {"crm": {"dead": 8}}
    attempts = {one: receiver.ids().count(one) for one in receiver.ids()}
    assert set(attempts.values()) == {15} and len(attempts) == 8


def test_a_dead_destination_slows_no_other(shop: Shop, receiver: Receiver) -> None:
    with receiving() as dead:
        dead.always = "silence:120"
        shop.members()
        shop.destination("crm", url=receiver.url)
        shop.destination("dead", url=dead.url)
        shop.members(1, 2, 3)
        import threading

        worker = threading.Thread(target=shop.work, daemon=True)
        worker.start()
        deadline = wall_now() + timedelta(seconds=60)
        while len(receiver.received) < 3 and wall_now() < deadline:
            threading.Event().wait(0.05)
        assert heard(receiver) == [("entered", 1), ("entered", 2), ("entered", 3)]
        assert worker.is_alive(), "the other one still waits"
        dead.over.set()
        worker.join(60)


def test_a_person_s_messages_keep_their_order_and_others_pass(shop: Shop, receiver: Receiver) -> None:
    shop.members()
    shop.destination(url=receiver.url)
    shop.members(1, 2)
    receiver.behaviours = ["status:500"]
    assert shop.work()["crm"].retried == 1
    shop.members(2, 3)
    shop.members(1, 2, 3)
    assert shop.work()["crm"].delivered == 1
    assert heard(receiver) == [("entered", 1), ("entered", 2), ("entered", 3)]
    shop.work(later=3_600)
    assert heard(receiver)[3:] == [("entered", 1), ("exited", 1), ("entered", 1)]


def test_consent_is_asked_again_at_the_moment_of_sending(shop: Shop, receiver: Receiver) -> None:
    shop.members()
    shop.destination(url=receiver.url)
    shop.members(1, 2)
    shop.store.segmentation.withdraw([profile_id(1)], ["marketing"], at=NOW + timedelta(days=1))
    assert shop.work()["crm"] == Pass("crm", delivered=1, withheld=1, superseded=1)
    assert heard(receiver) == [("entered", 2)]
    shop.store.segmentation.withdraw([profile_id(2)], ["marketing"], at=NOW + timedelta(days=2))
    shop.work()
    assert heard(receiver)[1:] == [("exited", 2)]


def test_a_merge_is_told_as_one(shop: Shop, receiver: Receiver) -> None:
    shop.members()
    shop.destination(url=receiver.url)
    shop.members(1, 2)
    shop.work()
    shop.members(2, living=range(2, 10), redirects=[Redirect(profile_id(1), "merged", profile_id(2))])
    shop.work()
    assert heard(receiver)[2:] == [("carried", 2)]
    assert receiver.received[-1].json["former_profile_id"] == profile_id(1)
    assert destinations.resync(shop.outbox, "crm", NOW) == (0, 0)


def test_a_merge_with_somebody_who_may_not_be_reached_is_an_exit(shop: Shop, receiver: Receiver) -> None:
    shop.members()
    shop.destination(url=receiver.url)
    shop.members(1)
    shop.work()
    merged = [Redirect(profile_id(1), "merged", profile_id(2))]
    shop.members(2, living=range(2, 10), redirects=merged)
    shop.store.segmentation.withdraw([profile_id(2)], ["marketing"], at=NOW + timedelta(days=1))
    shop.work()
    assert heard(receiver)[1:] == [("exited", 1)]
    assert destinations.resync(shop.outbox, "crm", NOW) == (0, 0)


def test_erasure_leaves_the_exit_and_nothing_else(shop: Shop, receiver: Receiver) -> None:
    shop.members()
    shop.destination(url=receiver.url)
    shop.members(1, 2)
    shop.work()
    shop.members(1, 2, 3)
    eraser = SqlEraser(shop.url)
    erased = eraser.erase([profile_id(1), profile_id(3)], None)
    assert erased.rows["deliveries"] == 2
    assert shop.told() == [("entered", 2, "delivered"), ("exited", 1, "pending"), ("exited", 3, "pending")]
    shop.work()
    assert heard(receiver)[2:] == [("exited", 1)], "who never was told of is not told of now"
    with shop.outbox.reading() as connection:
        held = connection.execute(sa.text("select profile_id from destination_members")).fetchall()
    assert [number(row[0]) for row in held] == [2]
    assert eraser.erase([profile_id(1), profile_id(3)], None).rows["deliveries"] == 2, "what was delivered goes too"


def test_erasure_while_the_exit_of_a_segment_left_waits(shop: Shop, receiver: Receiver) -> None:
    shop.members()
    shop.destination(url=receiver.url)
    shop.members(1)
    shop.work()
    shop.members()
    SqlEraser(shop.url).erase([profile_id(1)], None)
    shop.work()
    assert heard(receiver) == [("entered", 1), ("exited", 1)]


def test_resync_makes_up_for_what_the_receiver_lost(shop: Shop, receiver: Receiver) -> None:
    shop.members(1, 2)
    shop.destination(url=receiver.url)
    shop.work()
    assert destinations.resync(shop.outbox, "crm", NOW) == (0, 0)
    assert destinations.resync(shop.outbox, "crm", NOW, everybody=True) == (2, 0)
    assert destinations.resync(shop.outbox, "crm", NOW, everybody=True) == (0, 0), "they are waiting already"
    shop.work()
    assert heard(receiver) == [("entered", 1), ("entered", 2)] * 2
    assert len(set(receiver.ids())) == 4, "told again is told under an id of its own"


def test_segments_no_longer_followed_are_taken_back(shop: Shop, receiver: Receiver) -> None:
    shop.members(1)
    shop.store.segmentation  # noqa: B018 - the segment `vip` exists from here on
    shop.destination(url=receiver.url)
    shop.work()
    publish(shop.store, {1: document(1)}, run="both", members={"vip": [1], "new": [1]}, as_of=NOW + timedelta(days=1))
    shop.destination(url=receiver.url, expected=1, segments=["new"])
    shop.work()
    told = [(r.json["type"], r.json["segment"]["key"]) for r in receiver.received]
    assert told == [("segment.entered", "vip"), ("segment.exited", "vip"), ("segment.entered", "new")]


def test_switched_off_keeps_everything_for_later(shop: Shop, receiver: Receiver) -> None:
    shop.members()
    shop.destination(url=receiver.url)
    manage.switched(shop.outbox, "crm", enabled=False, by="tester", at=NOW)
    shop.members(1)
    assert shop.work() == {}
    manage.switched(shop.outbox, "crm", enabled=True, by="tester", at=NOW)
    assert shop.work()["crm"].delivered == 1


def test_two_workers_do_not_share_a_queue_and_a_dead_one_is_taken_over(shop: Shop, receiver: Receiver) -> None:
    shop.members()
    shop.destination(url=receiver.url)
    shop.members(1)
    assert shop.outbox.lease("crm", "somebody", shop.clock)
    assert shop.work()["crm"].busy
    assert shop.work(later=121)["crm"].delivered == 1


def test_the_rate_limit_holds(shop: Shop, receiver: Receiver) -> None:
    waits: list[float] = []
    shop.members()
    shop.destination(config={"kind": "webhook", "url": receiver.url, "per_minute": 600})
    shop.members(1, 2, 3)
    shop.work(sleep=waits.append)
    assert len(waits) == 2 and all(0.05 < wait <= 0.1 for wait in waits), waits


def test_the_audience_form(shop: Shop, receiver: Receiver) -> None:
    shop.members()
    shop.destination(
        config={"kind": "webhook", "url": receiver.url, "body": "audience", "fields": {"email": "traits.email"}}
    )
    shop.members(1)
    shop.members()
    shop.work()
    shop.members(2)
    shop.work()
    shop.members(3, living=[1, 3, 4], redirects=[Redirect(profile_id(2), "merged", profile_id(3))])
    shop.work()
    batches = [one.json["batch"] for one in receiver.received]
    assert [[(m["type"], m["userId"], m.get("event")) for m in batch] for batch in batches] == [
        [("identify", profile_id(2), None), ("track", profile_id(2), "Audience Entered")],
        [
            ("identify", profile_id(2), None),
            ("track", profile_id(2), "Audience Exited"),
            ("identify", profile_id(3), None),
            ("track", profile_id(3), "Audience Entered"),
        ],
    ]
    identify, track = batches[0]
    assert identify["traits"] == {"email": "p2@example.org", "vip": True}
    assert track["properties"] == {"audience_key": "vip", "vip": True}
    assert track["context"]["personas"]["computation_class"] == "audience"
    assert len({message["messageId"] for batch in batches for message in batch}) == 6


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_files(shop: Shop, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "drop"
    shop.members(1, 2)
    config = {"kind": "files", "folder": str(folder), "format": form, "fields": {"mail": "traits.email"}}
    shop.destination(config=config)
    assert shop.work()["crm"].delivered == 2
    shop.members(2)
    shop.work()
    first, second = sorted(folder.iterdir())
    if form == "csv":
        lines = first.read_text("utf-8-sig").splitlines()
        assert lines[0] == "message_id,change,segment,member,profile_id,former_profile_id,at,mail"
        assert lines[1].endswith(",p1@example.org") and len(lines) == 3
        assert ",exited,vip,false," in second.read_text("utf-8-sig").splitlines()[1]
    else:
        rows = [json.loads(line) for line in first.read_text().splitlines()]
        assert [(row["change"], row["mail"]) for row in rows] == [
            ("entered", "p1@example.org"), ("entered", "p2@example.org"),
        ]  # fmt: skip
        assert "mail" not in json.loads(second.read_text())


def test_a_folder_that_cannot_be_written_is_tried_again(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "drop").write_text("in the way")
    shop.members(1)
    shop.destination(config={"kind": "files", "folder": str(tmp_path / "drop" / "inside")})
    assert shop.work()["crm"].codes == {"disk": 1}
    (tmp_path / "drop").unlink()
    assert shop.work(later=60)["crm"].delivered == 1


def test_rows_of_a_table(shop: Shop, postgres_server: Any) -> None:
    address = postgres_server.new_database()
    config = {"kind": "table", "table": "vips", "fields": {"mail": "traits.email", "bought": "traits.purchases"}}
    shop.members(1, 2)
    shop.destination(config=config, secret=address)
    assert shop.work()["crm"].delivered == 2
    shop.members(2, living=range(2, 10), redirects=[Redirect(profile_id(1), "merged", profile_id(2))])
    shop.work()
    shop.members(3)
    shop.work()
    from cdp.store.address import parse
    from cdp.store.postgres import PostgresBackend

    engine = PostgresBackend(parse(address)).engine()
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select profile_id, member, mail, bought from vips order by 1")).fetchall()
    engine.dispose()
    assert [tuple(row) for row in rows] == [
        (profile_id(2), False, None, None), (profile_id(3), True, "p3@example.org", "3"),
    ]  # fmt: skip


def test_a_rehearsal_sends_and_changes_nothing(shop: Shop, receiver: Receiver) -> None:
    shop.members(1, 2)
    shop.destination(url=receiver.url)
    found = manage.rehearse(shop.outbox, "crm", shop.clock)
    assert found["would"] == {"entered": 2} and found["empty_fields"] == {"mail": 0}
    assert [row["mail"] for row in found["sample"]] == ["p***", "p***"]
    assert receiver.received == [] and shop.work()["crm"].delivered == 2


def test_versions_and_mistakes(shop: Shop, receiver: Receiver) -> None:
    shop.members(1)
    shop.destination(url=receiver.url)
    with pytest.raises(ConflictError):
        shop.destination(url=receiver.url)
    with pytest.raises(VersionMismatch):
        shop.destination(url=receiver.url, expected=7)
    with pytest.raises(NotFoundError, match="vipp"):
        shop.destination("other", url=receiver.url, segments=["vipp"])
    with pytest.raises(InputError, match=r"traits\.emial.*Did you mean traits\.email"):
        shop.destination("other", config={"kind": "webhook", "url": receiver.url, "fields": {"m": "traits.emial"}})
    with pytest.raises(InputError, match="url"):
        shop.destination("other", config={"kind": "webhook", "url": "file:///etc/passwd"})
    with pytest.raises(InputError, match="secret"):
        shop.destination("other", config={"kind": "table", "table": "x"})
    saved = destinations.read(shop.outbox, "crm")
    assert saved.secret not in json.dumps(manage.shown(saved)), "secrets are not shown"
    assert shop.destination(url=receiver.url, expected=1) is None
    assert destinations.read(shop.outbox, "crm").secret == saved.secret, "a change keeps the secret"
    destinations.delete(shop.outbox, "crm", expected=2)
    assert destinations.read_all(shop.outbox) == [] and shop.told() == []


def test_the_log_answers_who_was_told_what(shop: Shop, receiver: Receiver) -> None:
    shop.members(1, 2)
    shop.destination(url=receiver.url)
    shop.work()
    (row,) = destinations.log(shop.outbox, profile_id=profile_id(1))
    assert (row.state, row.attempts, row.error) == ("delivered", 1, None)
    assert row.finished_at is not None and isinstance(row.at, datetime)
    assert replace(row, id=0) != row
