"""What reaches a receiver, on SQLite and on PostgreSQL: real servers, real databases, every way to fail."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from activation import manage
from activation.worker import Pass
from cdp.clock import wall_now
from cdp.errors import ConflictError, InputError, NotFoundError, VersionMismatch
from cdp.outbound import Guard
from cdp.store import destinations
from cdp.store.base import Redirect
from cdp.store.erasing import SqlEraser
from tests.contract.activation_shop import Shop, document, heard, number, receiver, shop
from tests.support.publications import NOW, profile_id, publish
from tests.support.receiver import Receiver, receiving

__all__ = ["receiver", "shop"]


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


def test_what_was_told_anew_is_not_tried_again(shop: Shop, receiver: Receiver) -> None:
    """Dead messages that a resync, or a change of the destination, tells anew are told once."""
    receiver.behaviours = ["status:410"] * 3
    shop.members(1, 2, 3)
    shop.destination(url=receiver.url)
    assert shop.work()["crm"].dead == 3
    receiver.received.clear()
    assert destinations.replay(shop.outbox, "crm", ["crm:none"]) == 0
    assert destinations.resync(shop.outbox, "crm", shop.clock) == (3, 0)
    assert destinations.replay(shop.outbox, "crm") == 0
    assert shop.work()["crm"].delivered == 3 and len(set(receiver.ids())) == 3
    receiver.behaviours = ["status:410"]
    shop.members(1, 2, 3, 4)
    assert shop.work()["crm"].dead == 1
    assert destinations.replay(shop.outbox, "crm") == 1
    assert destinations.resync(shop.outbox, "crm", shop.clock) == (0, 0), "what waits is left to it"
    assert shop.work()["crm"].delivered == 1


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
    destinations.switch(shop.outbox, "crm", enabled=False, by="tester", at=NOW)
    shop.members(1)
    assert shop.work() == {}
    destinations.switch(shop.outbox, "crm", enabled=True, by="tester", at=NOW)
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
    shop.members(1, 2, 3, 4)

    def withdrawn_meanwhile(_: float) -> None:
        shop.store.segmentation.withdraw([profile_id(4)], ["marketing"], at=NOW + timedelta(days=1))

    assert shop.work(sleep=withdrawn_meanwhile)["crm"].withheld == 1, "judged after the wait"


@pytest.mark.parametrize("kind", ["webhook", "files"])
def test_a_pass_ends_where_it_would_wait_longer_than_it_may(
    shop: Shop, receiver: Receiver, tmp_path: Path, kind: str
) -> None:
    """And the next one knows what this one has sent."""
    place = {"url": receiver.url} if kind == "webhook" else {"folder": str(tmp_path)}
    waits: list[float] = []
    shop.members(1, 2, 3)
    shop.destination(config={"kind": kind, "per_minute": 1, **place})

    def delivered(later: float) -> int:
        return shop.work(later=later, seconds=20.0, sleep=waits.append)["crm"].delivered

    assert [delivered(later) for later in (0, 5, 60, 5, 60, 60)] == [1, 0, 1, 0, 1, 0] and waits == []


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
    with pytest.raises(NotFoundError, match=r"'vipp'\. Did you mean vip\?"):
        shop.destination("other", url=receiver.url, segments=["vipp"])
    with pytest.raises(InputError, match=r"traits\.emial.*Did you mean traits\.email"):
        shop.destination("other", config={"kind": "webhook", "url": receiver.url, "fields": {"m": "traits.emial"}})
    for unknown in (
        lambda: shop.destination("crmm", url=receiver.url, expected=1),
        lambda: destinations.delete(shop.outbox, "crmm", expected=None),
        lambda: destinations.replay(shop.outbox, "crmm"),
    ):
        with pytest.raises(NotFoundError, match=r"'crmm'\. Did you mean crm\?"):
            unknown()
    with pytest.raises(InputError, match=r"kind: there is no such kind\. Did you mean webhook\?"):
        shop.destination("other", config={"kind": "webhok"})
    with pytest.raises(InputError, match=r"feilds: there is no such field\. Did you mean fields\?"):
        shop.destination("other", config={"kind": "webhook", "url": receiver.url, "feilds": {}})
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
