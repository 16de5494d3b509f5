"""Callbacks of OpenDSR to a real receiver: signed, in order, at least once, and never into a private network."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cdp.settings import load_settings
from cdp.store import open_store
from pipelines.erasing import callbacks as passes
from pipelines.erasing.callbacks import Called, call_back
from privacy import policy
from privacy.opendsr.callbacks import WAITS
from privacy.register import Asked, Register
from privacy.requests import request as acts
from privacy.requests.words import Kind, Refusal
from tests.support import certificates
from tests.support.certificates import DOMAIN, Pair
from tests.support.receiver import Received, Receiver, receiving

ID = "a7551968-d5d6-44b2-9831-815ac9017798"


class Office:
    """A home with a certificate, whose requests want to be called back at a receiver."""

    def __init__(self, home: Path, pair: Pair, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        self.given = {"home": home, "opendsr_certificate": pair.certificate, "opendsr_key": pair.key}
        self.settings = load_settings(outbound_allow="127.0.0.0/8", **self.given)
        self.register = Register(self.settings.privacy)
        self.receiver = receiver
        self.pem = pair.certificate.read_bytes()
        self.now = datetime.now(UTC)
        self.said: list[str] = []
        monkeypatch.setattr(passes, "wall_now", lambda: self.now)

    def made(self, *urls: str, version: str = "2.0", name: str = ID) -> str:
        wanted = Asked(
            Kind.ERASURE, [["email:zqx@marked.org"]], [[("email", "zqx@marked.org")]],
            origin={
                "way": "opendsr", "controller": "acme", "id": name, "version": version, "content": "",
                "callbacks": [{"url": url} for url in urls or (self.receiver.url,)],
            },
        )  # fmt: skip
        one, _ = self.register.receive(
            wanted, actor="key:1", now=self.now, policy=policy.load(self.settings), then=self._begun
        )  # fmt: skip
        return one.request

    def act(self, request: str, action: Any, **more: Any) -> None:
        self.register.change(request, partial(action, actor="pipeline", now=self.now, **more))

    def carried_out(self, request: str) -> None:
        self.act(request, acts.begin)
        self.act(request, acts.complete)

    def call(self, **more: Any) -> Called:
        return call_back(self.settings, self.said.append, **more)

    def heard(self) -> list[str]:
        """The statuses that arrived, each call verified as a controller would."""
        return [self.verified(one)["request_status"] for one in self.receiver.received]

    def verified(self, one: Received, name: str = "opendsr") -> dict[str, Any]:
        assert one.headers[f"x-{name}-processor-domain"] == DOMAIN
        certificates.verify(self.pem, one.body, one.headers[f"x-{name}-signature"])
        found: dict[str, Any] = one.json
        return found

    def _begun(self, one: acts.Request) -> acts.Request:
        one = acts.verify(one, acts.Verification.CONTROLLER, actor="key:1", now=self.now)
        return acts.approve(one, actor="key:1", now=self.now, four_eyes=False)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return certificates.issue(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def office(tmp_path: Path, pair: Pair, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Office:
    receiver.received.clear()
    receiver.behaviours, receiver.always = [], "ok"
    return Office(tmp_path, pair, receiver, monkeypatch)


def test_every_change_is_told_in_order_and_once(office: Office) -> None:
    request = office.made()
    assert office.call() == Called(), "the answer told the first status"
    office.carried_out(request)
    assert office.call() == Called(taken=2)
    assert office.heard() == ["in_progress", "completed"]
    found = office.receiver.received[-1].json
    assert set(found) == {
        "controller_id", "expected_completion_time", "status_callback_url", "subject_request_id", "request_status",
        "api_version",
    }  # fmt: skip
    assert (found["controller_id"], found["subject_request_id"]) == ("acme", ID)
    assert found["status_callback_url"] == office.receiver.url
    assert office.call() == Called() and len(office.register.read(request).history) == 5


def test_what_is_not_proved_everywhere_is_not_told_as_completed(office: Office) -> None:
    request = office.made()
    office.act(request, acts.begin)
    office.act(request, acts.complete, partial=True, held=True)
    assert office.call() == Called(taken=1) and office.heard() == ["in_progress"]


def test_each_address_is_told_and_the_former_version_in_its_words(office: Office) -> None:
    other = f"{office.receiver.url}/other"
    request = office.made(office.receiver.url, other, version="1.0")
    office.act(request, acts.cancel)
    assert office.call() == Called(taken=2)
    told = [office.verified(one, "opengdpr") for one in office.receiver.received]
    assert [(one["status_callback_url"], one["request_status"], one["api_version"]) for one in told] == [
        (office.receiver.url, "cancelled", "1.0"), (other, "cancelled", "1.0"),
    ]  # fmt: skip


def test_a_refusal_does_not_tell_that_somebody_exists(office: Office) -> None:
    request = office.made()
    office.act(request, acts.begin)
    office.act(request, acts.give_up, why=Refusal.DIFFERENT_PEOPLE)
    assert office.call().taken == 2
    first, last = (one.json for one in office.receiver.received)
    assert first["request_status"] == "in_progress" and "extensions" not in first
    assert last["extensions"] == {DOMAIN: {"outcome": "refused", "reason": "not_identified"}}


@pytest.mark.parametrize(
    "behaviour", ["status:500", "reset", "nonsense", "half", "silence:9", "drip:9", "redirect:http://127.0.0.1:1/x"]
)
def test_what_fails_is_told_later(office: Office, behaviour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "CALL_SECONDS", 0.3)
    request = office.made()
    office.carried_out(request)
    office.receiver.behaviours = [behaviour]
    assert office.call() == Called(later=1)
    assert request in office.said[-1] and "it is tried again" in office.said[-1]
    assert office.call() == Called(), "not before its time"
    office.now += WAITS[0]
    assert office.call() == Called(taken=2)
    assert office.heard() == ["in_progress", "in_progress", "completed"]


def test_a_huge_answer_is_not_read(office: Office) -> None:
    office.act(office.made(), acts.cancel)
    office.receiver.behaviours = ["huge:50000000"]
    assert office.call() == Called(taken=1)


def test_after_days_it_is_given_up_and_somebody_is_told(office: Office) -> None:
    request = office.made()
    office.act(request, acts.begin)
    office.receiver.always = "status:503"
    for wait in WAITS:
        assert office.call() == Called(later=1)
        office.now += wait
    assert office.call() == Called(given_up=1)
    assert "could not be called back (http_503)" in office.said[-1]
    with open_store(office.settings.database_url) as store:
        assert store.audit_rows(object=request)[0].entry.action == "privacy.request.callback_given_up"
    office.now += timedelta(days=1)
    assert office.call() == Called()
    office.receiver.always = "ok"
    office.act(request, acts.complete)
    assert office.call() == Called(taken=1), "the next change is tried anew"
    assert office.heard()[-1] == "completed"


def test_one_dead_host_does_not_hold_the_others(office: Office) -> None:
    with receiving() as dead:
        dead.always = "status:500"
        for number, url in enumerate((dead.url, f"{dead.url}/2", office.receiver.url)):
            office.act(office.made(url, name=str(number)), acts.cancel)
        assert office.call() == Called(taken=1, later=1)
        assert len(dead.received) == 1, "a host that failed is left alone for this pass"


def test_time_ends_a_pass(office: Office) -> None:
    office.act(office.made(), acts.cancel)
    assert office.call(seconds=0) == Called()
    assert office.call() == Called(taken=1)


def test_private_networks_are_not_called(office: Office) -> None:
    """An address that was public when the request came may lead elsewhere now."""
    office.act(office.made(), acts.cancel)
    office.settings = load_settings(**office.given)
    assert office.call() == Called(later=1) and office.receiver.received == []


def test_a_kill_after_the_call_calls_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    request = office.made()
    office.act(request, acts.cancel)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(passes._Pass, "_note", killed)
        office.call()
    assert office.call() == Called(taken=1)
    assert office.heard() == ["cancelled", "cancelled"]


def test_two_passes_do_not_tell_twice(office: Office) -> None:
    office.act(office.made(), acts.cancel)
    with (office.settings.privacy / "requests" / ".callbacks").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert office.call() == Called()
    assert office.call() == Called(taken=1)


def test_without_a_certificate_it_waits_and_says_so(office: Office) -> None:
    office.act(office.made(), acts.cancel)
    office.settings = load_settings(home=office.settings.home)
    assert office.call() == Called() and "CDP_OPENDSR_CERTIFICATE" in office.said[-1]
    office.settings = load_settings(**office.given)
    office.now += timedelta(days=11)
    assert office.call() == Called() and "not valid today" in office.said[-1]


def test_other_requests_are_nobodys_business(office: Office) -> None:
    wanted = Asked(Kind.ERASURE, [["email:a@b.org"]], [[("email", "a@b.org")]])
    one, _ = office.register.receive(wanted, actor="x", now=office.now, policy=policy.load(office.settings))
    office.act(one.request, acts.cancel)
    assert office.call() == Called() and office.said == []
