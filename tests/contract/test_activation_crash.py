"""Kills between sending and noting: what was under way is sent again under the same id, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from cdp.clock import stopwatch
from cdp.store import destinations
from tests.contract.activation_shop import Shop, heard, receiver, shop
from tests.support.receiver import Receiver

__all__ = ["receiver", "shop"]

ROOT = Path(__file__).resolve().parents[2]


def worker(shop: Shop, home: Path) -> subprocess.Popen[bytes]:
    """`cdp deliver` in a process of its own."""
    environment = {
        **os.environ, "CDP_HOME": str(home), "CDP_STORE_URL": shop.url, "CDP_OUTBOUND_ALLOW": "127.0.0.0/8",
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    return subprocess.Popen([sys.executable, "-m", "cdp", "deliver"], cwd=home, env=environment)


def wait_for(receiver: Receiver, requests: int, seconds: float = 60) -> None:
    deadline = stopwatch() + seconds
    while len(receiver.received) < requests:
        assert stopwatch() < deadline, f"only {len(receiver.received)} requests came"
        threading.Event().wait(0.02)


@pytest.mark.parametrize("taken", [0, 2])
def test_a_kill_between_sending_and_noting(shop: Shop, receiver: Receiver, tmp_path: Path, taken: int) -> None:
    shop.members()
    shop.destination(url=receiver.url)
    shop.members(1, 2, 3, 4)
    receiver.behaviours = ["ok"] * taken + ["silence:120"]
    process = worker(shop, tmp_path)
    wait_for(receiver, taken + 1)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert destinations.counts(shop.outbox)["crm"].get("delivered", 0) == taken, "noted is only what was answered"
    assert shop.work()["crm"].busy, "the killed worker still has the queue"
    # Well past the lease, which began by the clock of the killed worker: on a busy machine much later than the shop's.
    assert shop.work(later=600)["crm"].delivered == 4 - taken
    assert sorted(Counter(receiver.ids()).values()) == [1, 1, 1, 2]
    assert receiver.ids()[taken] == receiver.ids()[taken + 1], "the same message under the same id"
    assert sorted(set(heard(receiver))) == [("entered", number) for number in (1, 2, 3, 4)]
    assert [state for _, _, state in shop.told()] == ["delivered"] * 4


@pytest.mark.slow
def test_kills_at_any_moment(shop: Shop, receiver: Receiver, tmp_path: Path) -> None:
    shop.members()
    shop.destination(url=receiver.url)
    shop.members(*range(1, 9))
    shop.members(*range(5, 9))
    for pause in (0.0, 0.9, 1.1, 1.3, 1.5, 1.7):
        process = worker(shop, tmp_path)
        threading.Event().wait(pause)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        shop.freed()
    shop.work(later=130)
    last = {number: kind for kind, number in heard(receiver)}
    assert {number for number, kind in last.items() if kind == "entered"} == {5, 6, 7, 8}
    assert destinations.resync(shop.outbox, "crm", shop.clock) == (0, 0)
    assert set(destinations.counts(shop.outbox)["crm"]) <= {"delivered", "superseded"}
