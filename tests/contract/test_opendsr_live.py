"""OpenDSR as it is run: the served process on one side, receivers with TLS on the other, and what lies between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from cdp.settings import Settings, load_settings
from cdp.store import keys, open_store
from pipelines.erasing import callbacks as passes
from pipelines.erasing.callbacks import Called, call_back
from privacy.opendsr.callbacks import WAITS
from privacy.register import Register
from tests.contract.opendsr_processor import VERSIONS, Version
from tests.support import certificates
from tests.support.receiver import receiving
from tests.support.server import running

AT_ONCE = 8


class Controller:
    """One who calls a served process, and the installation behind it that calls back."""

    def __init__(self, url: str, key: str, settings: Settings) -> None:
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)
        self.settings = settings
        self.said: list[str] = []

    def call(self) -> Called:
        return call_back(self.settings, self.said.append)

    def cancelled(self, version: Version, *urls: str) -> str:
        """The id of a request that its controller took back, so that there is something to be told."""
        name = str(uuid4())
        made = self.http.post(
            version.requests, json=version.request(subject_request_id=name, status_callback_urls=urls)
        )
        assert made.status_code == 201, made.text
        assert self.http.delete(f"{version.requests}/{name}").status_code == 202
        return name


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    home = tmp_path_factory.mktemp("live") / "home"
    pair = certificates.issue(home.parent)
    settings = load_settings(
        home=home, opendsr_certificate=pair.certificate, opendsr_key=pair.key, outbound_allow="127.0.0.0/8,localhost"
    )  # fmt: skip
    with open_store(settings.database_url) as store:
        key = keys.create(store, "acme", ["privacy:read", "privacy:write"])
    given = {
        f"CDP_{name.upper()}": str(getattr(settings, name))
        for name in ("opendsr_certificate", "opendsr_key", "outbound_allow")
    }
    with running(home, **given) as server:
        found = Controller(server.url, key, settings)
        with found.http:
            yield found


@pytest.fixture(params=VERSIONS, ids=lambda version: version.api_version)
def version(request: pytest.FixtureRequest) -> Version:
    found: Version = request.param
    return found


def test_the_same_at_the_same_time_is_one_request(controller: Controller, version: Version) -> None:
    """Sent again in other words, taken back several times: each has one answer, also to those who come together."""
    name = str(uuid4())
    body = version.request(subject_request_id=name, status_callback_urls=[])

    def posted(number: int) -> httpx.Response:
        turned = dict(reversed(body.items())) if number % 2 else body
        content = json.dumps(turned, indent=number)
        return controller.http.post(
            version.requests, content=content, headers={"Content-Type": "application/json"}
        )  # fmt: skip

    def kept(answer: httpx.Response) -> tuple[int, Any]:
        return answer.status_code, {**answer.json(), "encoded_request": ""}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = list(pool.map(posted, range(AT_ONCE)))
        assert all(kept(one) == kept(made[0]) for one in made) and made[0].status_code == 201
        ended = list(pool.map(controller.http.delete, [f"{version.requests}/{name}"] * AT_ONCE))
    assert {(one.status_code, one.text) for one in ended} == {(202, ended[0].text)}
    register = Register(controller.settings.privacy)
    assert len([one for one in register.all() if one.origin["id"] == name]) == 1
    other = controller.http.post(version.requests, json={**body, "subject_request_type": "access"})
    assert (other.status_code, other.json()["error"]["errors"][0]["reason"]) == (400, "Conflict")
    unknown = controller.http.delete(f"{version.requests}/{uuid4()}")
    assert (unknown.status_code, unknown.json()["error"]["errors"][0]["reason"]) == (404, "NotFound")


def test_a_redirect_inwards_is_not_followed_and_a_failure_is_told_later(
    controller: Controller, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    monkeypatch.setattr(passes, "wall_now", lambda: now)
    pem = controller.http.get(version.discovery.replace("discovery", "cert.pem")).content
    with receiving() as receiver, receiving() as inner:
        name = controller.cancelled(version, receiver.url)
        receiver.behaviours = [f"redirect:{inner.url}", "status:500"]
        for wait, code in zip(WAITS, ("http_302", "http_500"), strict=False):
            assert controller.call() == Called(later=1) and f"({code})" in controller.said[-1]
            now += wait
        assert controller.call() == Called(taken=1)
        assert controller.call() == Called()
    assert inner.received == [] and len(receiver.received) == 3
    told = receiver.received[-1]
    certificates.verify(pem, told.body, told.headers[version.signature_header.lower()])
    assert (told.json["subject_request_id"], told.json["request_status"]) == (name, "cancelled")


def test_only_a_receiver_that_proves_its_name_is_told(
    controller: Controller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = {
        "right": certificates.issue(tmp_path / "right", domain="localhost"),
        "ended": certificates.issue(tmp_path / "ended", domain="localhost", days=-1),
        "self": certificates.issue(tmp_path / "self", domain="localhost", self_signed=True),
        "other": certificates.issue(tmp_path / "other", domain="elsewhere.example"),
    }
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(b"".join(certificates.authority(pair) for pair in pairs.values()))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    controller.said.clear()
    with ExitStack() as open_ones:
        receivers = {name: open_ones.enter_context(receiving(pair)) for name, pair in pairs.items()}
        plain = open_ones.enter_context(receiving())
        without = plain.url.replace("http:", "https:")
        controller.cancelled(VERSIONS[0], *(one.url for one in receivers.values()), without)
        assert controller.call() == Called(taken=1, later=4)
        assert {name: len(one.received) for name, one in receivers.items()} == {
            "right": 1, "ended": 0, "self": 0, "other": 0,
        }  # fmt: skip
    assert plain.received == []
    codes = [sentence.partition("(")[2].partition(")")[0] for sentence in controller.said]
    assert codes == ["certificate", "certificate", "certificate", "no_tls"]


def test_a_server_whose_certificate_has_ended_says_so_and_serves_the_rest(tmp_path: Path) -> None:
    pair = certificates.issue(tmp_path, days=-1)
    with running(
        tmp_path / "home", CDP_OPENDSR_CERTIFICATE=str(pair.certificate), CDP_OPENDSR_KEY=str(pair.key)
    ) as server:
        for version in VERSIONS:
            answer = httpx.get(f"{server.url}{version.discovery}")
            assert answer.status_code == 503 and "not valid today" in answer.json()["error"]["message"]
        assert httpx.get(f"{server.url}/health/live").status_code == 200
        server.process.terminate()
        _, told = server.process.communicate(timeout=60)
    assert "CDP_OPENDSR_CERTIFICATE is not valid today" in told and "Traceback" not in told
