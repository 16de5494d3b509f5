"""Notices of rights under kills: written with what they tell or not at all, told at least once, and ending as told.

A worker is killed before every statement and every commit that it writes, one process for each: what it reads and sends
in between changes nothing of its own, so these are all the moments there are. What writes notices does it in one long
transaction, which is ended here and there and before its commit.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from activation.worker import Options, deliver
from cdp.clock import wall_now
from cdp.domain.consent import State, Statement
from cdp.store import destinations, open_store
from cdp.store.base import Rights
from cdp.store.erasing import SqlEraser
from tests.contract.activation_shop import LOCAL, Shop, receiver, shop
from tests.contract.test_activation_notices import REQUEST, carried_out, correct, notices, say, standing
from tests.support.publications import profile_id
from tests.support.receiver import Received, Receiver

__all__ = ["receiver", "shop"]

pytestmark = pytest.mark.slow

# Processes that begin with everything imported and no connection open.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])

EACH = "statement or commit"

TYPES = {
    "rectified": "profile.rectified",
    "restricted": "profile.restricted",
    "lifted": "profile.restriction_lifted",
    "erased": "profile.erased",
}


def is_killed(moment: int, act: Callable[..., Any], *given: Any, event: str = EACH) -> bool:
    """Whether a process that acts died before its statement or commit of this number; False when it came to its end."""
    process = PROCESSES.Process(target=_until, args=(moment, event, act, *given))
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


def killed(act: Callable[..., Any], *given: Any) -> Iterator[str]:
    """Kill a process that acts here and there and before each commit, and let it come to its end at last."""
    for moment in (0, 30, 60):
        assert is_killed(moment, act, *given)
        yield f"before statement {moment}"
    for moment in itertools.count():
        if not is_killed(moment, act, *given, event="commit"):
            assert moment > 0
            return
        yield f"before commit {moment}"


def _until(moment: int, event: str, act: Callable[..., Any], *given: Any) -> None:
    past = itertools.count()

    def tick(connection: sa.Connection, *_: Any) -> None:
        if connection.get_execution_options().get("writes") and next(past) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(sa.Engine, "commit", tick)
    if event == EACH:
        sa.event.listen(sa.Engine, "before_cursor_execute", tick)
    act(*given)


def state(url: str, number: int, said: State) -> None:
    with open_store(url) as store:
        now = wall_now()
        store.consents.write([Statement(profile_id(number), "*", said, now, "letter", "dpo", request=REQUEST)], at=now)


def publish(url: str, runs: int, rights: Rights) -> None:
    office = Shop(url)
    office.runs = runs
    office.members(2, 3, rights=rights, consents=1_000)


def erase(url: str, number: int, request: str) -> None:
    SqlEraser(url).erase([profile_id(number)], None, request=request)


def work(url: str) -> None:
    deliver(url, Options(guard=LOCAL))


def known(shop: Shop, receiver: Receiver) -> None:
    """People whom a receiver was given; the first has left the segment since, so that only notices are about them."""
    shop.members(1, 2, 3)
    shop.destination(url=receiver.url)
    shop.work()
    shop.members(2, 3)
    shop.work()
    receiver.received.clear()


def test_a_notice_is_written_with_what_it_tells_or_not_at_all(shop: Shop, receiver: Receiver) -> None:
    known(shop, receiver)
    for when in killed(state, shop.url, 1, "restricted"):
        assert notices(shop) == [] and shop.store.consents.entries() == [], when
    assert notices(shop) == [("restricted", 1, "pending")] and standing(shop) == [("crm", 0, 1, 0)]
    name = correct(shop, 2)
    rights = Rights((name,), {profile_id(1): shop.store.consents.entries()[0].seq})
    for when in killed(publish, shop.url, shop.runs, rights):
        assert [one[0] for one in notices(shop)] == ["restricted"], when
    assert [one[:2] for one in notices(shop)] == [("restricted", 1), ("rectified", 2)]
    shop.members(2, 3, rights=rights, consents=1_000)
    assert len(notices(shop)) == 2, "what is told is not told again by the next run"
    for when in killed(erase, shop.url, 3, "er-1"):
        assert standing(shop, "er-1") == [], when
    assert standing(shop, "er-1") == [("crm", 0, 1, 0)]


@pytest.mark.parametrize("kind", TYPES)
def test_a_killed_worker_tells_it_again_under_the_same_id(shop: Shop, receiver: Receiver, kind: str) -> None:
    known(shop, receiver)
    request = queued(shop, receiver, kind)
    kills = 0
    while is_killed(kills, work, shop.url):
        (line,) = standing(shop, request)
        assert line in (("crm", 0, 1, 0), ("crm", 1, 0, 0)), f"after {kills} writes"
        assert line[1] == 0 or of_rights(receiver), "nothing is noted as told that nobody heard"
        shop.freed()
        kills += 1
    assert standing(shop, request) == [("crm", 1, 0, 0)]
    told = of_rights(receiver)
    assert len(told) > 1, "a kill came between sending and noting"
    assert len({(one.headers["webhook-id"], one.body) for one in told}) == 1, "the same message under the same id"
    assert (told[0].json["type"], told[0].json["profile"]["profile_id"]) == (TYPES[kind], profile_id(1))
    assert set(destinations.counts(shop.outbox)["crm"]) == {"delivered"}
    (of,) = {one.profile_id for one in destinations.log(shop.outbox) if one.request == request}
    assert of == ("" if kind == "erased" else profile_id(1)), "only an erasure names nobody afterwards"


@pytest.mark.parametrize("then", ["lifted", "erased"])
def test_what_changed_after_a_kill_is_told_after_it(shop: Shop, receiver: Receiver, then: str) -> None:
    """A restriction arrived without being noted: its end, or an erasure, is what the receiver hears last."""
    known(shop, receiver)
    queued(shop, receiver, "restricted")
    for moment in itertools.count():
        assert is_killed(moment, work, shop.url)
        shop.freed()
        if of_rights(receiver):
            break
    assert standing(shop) == [("crm", 0, 1, 0)]
    if then == "lifted":
        say(shop, 1, "lifted")
    else:
        erase(shop.url, 1, "er-1")
    shop.work()
    told = [one.json["type"] for one in of_rights(receiver)]
    first = TYPES["restricted"]
    assert told == ([first, first, TYPES["lifted"]] if then == "lifted" else [first, TYPES["erased"]])
    assert standing(shop, REQUEST if then == "lifted" else "er-1") == [("crm", 2 if then == "lifted" else 1, 0, 0)]


def of_rights(receiver: Receiver) -> list[Received]:
    """What arrived about nobody's membership."""
    return [one for one in receiver.received if one.json["type"] in TYPES.values()]


def queued(shop: Shop, receiver: Receiver, kind: str) -> str:
    """A notice about the first person that waits to be told alone; the request that it answers."""
    if kind == "rectified":
        shop.members(2, 3, **carried_out(correct(shop, 1)))
    elif kind == "erased":
        erase(shop.url, 1, "er-1")
    else:
        say(shop, 1, "restricted", request=REQUEST if kind == "restricted" else None)
    if kind == "lifted":
        shop.work()
        receiver.received.clear()
        say(shop, 1, "lifted")
    return "er-1" if kind == "erased" else REQUEST
