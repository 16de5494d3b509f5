"""The worker: goes on until stopped, tries destinations out, follows a run, and its commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from activation import files, manage
from activation.probe import probe
from activation.worker import Options, Pass, follow
from cdp import outbound
from cdp.cli import deliveries
from cdp.cli.app import run
from cdp.clock import stopwatch, wall_now
from cdp.outbound import Guard
from cdp.settings import Settings, load_settings
from cdp.store import destinations
from cdp.store.base import UnavailableError
from cdp.store.outbox import Outbox
from pipelines.activating import deliver_waiting
from tests.contract.activation_shop import LOCAL, Shop, heard, receiver, shop
from tests.support.receiver import Receiver, receiving

__all__ = ["receiver", "shop"]

ROOT = Path(__file__).resolve().parents[2]


def wait_for(receiver: Receiver, requests: int, seconds: float = 60) -> None:
    deadline = stopwatch() + seconds
    while len(receiver.received) < requests:
        assert stopwatch() < deadline, f"only {len(receiver.received)} requests came"
        threading.Event().wait(0.02)


def test_going_on_a_dead_destination_slows_no_other(
    shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its first call outlasts the test on the slowest machine.
    monkeypatch.setitem(outbound.post.__kwdefaults__, "seconds", 300.0)
    told: list[Pass] = []
    with receiving() as dead:
        dead.always = "silence:300"
        shop.members()
        shop.destination("crm", url=receiver.url)
        shop.destination("dead", url=dead.url)
        options = Options(guard=LOCAL)
        worker = threading.Thread(target=follow, args=(shop.url, options, told.append), kwargs={"every": 0.2})
        worker.start()
        try:
            shop.members(1)
            wait_for(receiver, 1)
            wait_for(dead, 1)
            shop.members(1, 2)
            wait_for(receiver, 2)
            shop.members(2)
            wait_for(receiver, 3)
            # Passes before the first message found nothing to send.
            called = [one for one in told if one.destination == "dead" and one != Pass("dead")]
            assert not called, "its first call is still waiting"
        finally:
            options.stop.set()
            dead.over.set()
            worker.join(60)
    assert not worker.is_alive()
    assert heard(receiver) == [("entered", 1), ("entered", 2), ("exited", 1)]
    assert sum(one.delivered for one in told if one.destination == "crm") == 3


def test_going_on_a_store_that_does_not_answer_is_asked_again(
    shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.members(1)
    shop.destination(url=receiver.url)
    real, failures, told = destinations.read_all, [UnavailableError("away"), UnavailableError("away")], []

    def read_all(outbox: Outbox) -> list[destinations.Destination]:
        if failures:
            raise failures.pop()
        return real(outbox)

    def tell(one: Pass) -> None:
        told.append((one.destination, one.problem, one.delivered))
        if one.delivered:
            options.stop.set()

    monkeypatch.setattr(destinations, "read_all", read_all)
    options = Options(guard=LOCAL)
    follow(shop.url, options, tell, every=0.01)
    assert told == [("all", "away", 0), ("all", "away", 0), ("crm", None, 1)]


def test_what_nobody_thought_of_stops_one_queue_only(
    shop: Shop, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object store may raise anything: that is a failure to try again. Anywhere else it ends the queue's pass."""
    shop.members(1)
    shop.destination(url=receiver.url)
    shop.destination("drop", config={"kind": "files", "folder": "memory://drop"})
    shop.destination("other", config={"kind": "files", "folder": str(tmp_path / "drop")})

    def breaks(*_: Any) -> None:
        raise RuntimeError("p1@example.org")

    monkeypatch.setattr(files, "_put", breaks)
    done = shop.work()
    assert done["drop"].codes == {"store_refused": 1} and done["crm"].delivered == done["other"].delivered == 1
    monkeypatch.setattr(files, "send", breaks)
    shop.members(1, 2)
    done = shop.work()
    assert done["crm"].delivered == 1
    assert done["other"].problem == "The pass ended unexpectedly (RuntimeError); nothing is lost."
    monkeypatch.undo()
    assert shop.work(later=60)["other"].delivered == 1


def test_the_command_goes_on_until_it_is_stopped(shop: Shop, receiver: Receiver, tmp_path: Path) -> None:
    shop.members()
    shop.destination(url=receiver.url)
    environment = {
        **os.environ, "CDP_HOME": str(tmp_path), "CDP_STORE_URL": shop.url, "CDP_OUTBOUND_ALLOW": "127.0.0.0/8",
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    command = [sys.executable, "-m", "cdp", "deliver", "--follow", "--every", "0.2"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    shop.members(1)
    wait_for(receiver, 1)
    shop.members(1, 2)
    wait_for(receiver, 2)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0 and "delivered, 0 later, 0 dead" in said
    assert heard(receiver) == [("entered", 1), ("entered", 2)]


def test_every_kind_is_tried_out_without_people(shop: Shop, receiver: Receiver, tmp_path: Path) -> None:
    shop.members(1)
    folder = tmp_path / "drop"
    shop.destination("hook", url=receiver.url)
    shop.destination("audience", config={"kind": "webhook", "url": receiver.url, "body": "audience"})
    shop.destination("drop", config={"kind": "files", "folder": str(folder)})
    tried = {
        key: probe(destinations.read(shop.outbox, key), guard=LOCAL, now=wall_now()).result
        for key in ("hook", "audience", "drop")
    }
    assert tried == {"hook": "taken", "audience": "taken", "drop": "taken"}
    assert len(receiver.received) == 2 and "example.org" not in b"".join(r.body for r in receiver.received).decode()
    assert list(folder.iterdir()) == []
    folder.rmdir()
    folder.write_text("in the way")
    assert probe(destinations.read(shop.outbox, "drop"), guard=LOCAL, now=wall_now()).code == "disk"
    hook = destinations.read(shop.outbox, "hook")
    assert probe(hook, guard=Guard(), now=wall_now()).code == "private_address"
    assert destinations.counts(shop.outbox)["hook"] == {"pending": 1}, "a trial is noted nowhere"


def test_a_table_is_tried_out(shop: Shop, postgres_server: Any) -> None:
    address = postgres_server.new_database()
    shop.members(1)
    shop.destination(config={"kind": "table", "table": "vips"}, secret=address)
    one = destinations.read(shop.outbox, "crm")
    assert probe(one, guard=LOCAL, now=wall_now()).result == "taken"
    assert shop.work()["crm"].delivered == 1
    assert probe(one, guard=LOCAL, now=wall_now()).result == "taken"
    config = {"kind": "table", "table": "vips", "fields": {"mail": "traits.email"}}
    shop.destination(config=config, expected=1)
    changed = destinations.read(shop.outbox, "crm")
    assert probe(changed, guard=LOCAL, now=wall_now()).code == "table_refused", "the table has no such column"


def test_a_run_tells_destinations(shop: Shop, receiver: Receiver, tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, store_url=shop.url, outbound_allow="127.0.0.0/8")
    said: list[str] = []
    shop.members(1, 2)
    assert deliver_waiting(settings, said.append) == [], "no destination, nothing to account for"
    shop.destination(url=receiver.url)
    (step,) = deliver_waiting(settings, said.append)
    assert (step.step, step.rows, step.detail) == ("deliver", 2, "(to 1 destinations)")
    receiver.behaviours = ["status:500"]
    shop.members(1, 2, 3)
    (step,) = deliver_waiting(settings, said.append)
    assert (step.rows, step.detail) == (0, "(to 1 destinations, 1 to be tried again)")
    broken = load_settings(home=tmp_path, store_url=shop.url, outbound_allow="http://x")
    assert deliver_waiting(broken, said.append) == [] and "CDP_OUTBOUND_ALLOW" in said[-1]


def test_the_commands(
    shop: Shop, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CDP_HOME", str(tmp_path))
    monkeypatch.setenv("CDP_STORE_URL", shop.url)
    monkeypatch.setenv("CDP_OUTBOUND_ALLOW", "127.0.0.0/8")

    def facts(*arguments: str, code: int = 0) -> Any:
        assert run([*arguments, "--json"]) == code
        return json.loads(capsys.readouterr().out)

    shop.members(1, 2)
    made = facts("destination", "create", "crm", "--segment", "vip", "--url", receiver.url, "--field", "m=traits.email")
    secret = made["secret"]
    assert made["purpose"] == "marketing" and secret.startswith("whsec_")
    for arguments in (["list"], ["show", "crm"], ["log"]):
        assert run(["destination", *arguments]) == 0
        assert run(["destination", *arguments, "--json"]) == 0
    said = capsys.readouterr().out
    assert "crm" in said and secret not in said and "p1@example.org" not in said
    assert facts("deliver", "--dry-run")[0]["would"] == {"entered": 2} and receiver.received == []
    assert facts("destination", "test", "crm") == {"key": "crm", "taken": True, "code": ""}
    receiver.behaviours = ["status:404"]
    assert facts("destination", "test", "crm", code=1)["code"] == "http_404"
    assert facts("deliver")[0]["delivered"] == 2
    assert [row["state"] for row in facts("destination", "log", "crm")] == ["delivered", "delivered"]
    assert facts("destination", "resync", "crm", "--everybody") == {"key": "crm", "entered": 2, "exited": 0}
    assert facts("destination", "disable", "crm") == {"key": "crm", "enabled": False}
    assert facts("deliver") == []
    assert facts("destination", "delete", "crm") == {"key": "crm", "deleted": True}
    assert run(["deliver", "--follow", "--json"]) == 1 and "--follow" in capsys.readouterr().err
    assert run(["destination", "show", "crm"]) == 1 and "cdp destination list" in capsys.readouterr().err


def test_a_segment_that_gets_another_purpose_is_taken_back(shop: Shop, receiver: Receiver) -> None:
    shop.members(1, 2)
    shop.destination(url=receiver.url)
    shop.work()
    shop.members(1, 2, 3, purpose="analytics")
    assert shop.work()["crm"].withheld == 1, "who came in meanwhile is not told of"
    assert sorted(heard(receiver)[2:]) == [("exited", 1), ("exited", 2)]
    shop.members(1, 2, 3)
    shop.work()
    assert sorted(heard(receiver)[4:]) == [("entered", 1), ("entered", 2), ("entered", 3)]
    assert manage.rehearse(shop.outbox, "crm", shop.clock)["would"] == {}


def test_controllers_are_called_back_while_it_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, options = load_settings(home=tmp_path), Options()
    called: list[tuple[Path, float]] = []

    def call_back(given: Settings, progress: Callable[[str], None], *, seconds: float) -> None:
        called.append((given.home, seconds))
        options.stop.set()

    monkeypatch.setattr("pipelines.erasing.callbacks.call_back", call_back)
    monkeypatch.setattr("activation.worker.follow", lambda *_, **__: options.stop.wait(10))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    deliveries._follow(settings, options, None, 5.0)
    assert called == [(tmp_path, 10.0)]
    deliveries._follow(settings, options, "crm", 5.0)
    assert len(called) == 1, "a worker of one destination tells nobody else"
