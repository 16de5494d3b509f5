"""A server that speaks OpenDSR, and a controller who verifies every answer; the tables of both versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from cdp.settings import load_settings
from cdp.store import keys
from cdp.store.memory import InMemoryStore
from identity.normalise.lookup import lookup_value
from privacy.packages.vault import Vault
from privacy.register import Register
from privacy.requests.request import Request
from tests.support import certificates
from tests.support.certificates import DOMAIN, Pair
from tests.support.client import Client
from tests.support.publications import publish

ID = "a7551968-d5d6-44b2-9831-815ac9017798"
OTHER = "b7551968-d5d6-44b2-9831-815ac9017798"
MAIL = "zqxmail@canary.example"
NOW = datetime.now(UTC).replace(microsecond=0)
CALLBACK = "https://203.0.114.7/opendsr/callbacks"

IDENTITY_TYPES = [
    "controller_customer_id", "android_advertising_id", "android_id", "email", "fire_advertising_id",
    "ios_advertising_id", "ios_vendor_id", "microsoft_advertising_id", "microsoft_publisher_id", "roku_publisher_id",
    "roku_advertising_id",
]  # fmt: skip


@dataclass(frozen=True)
class Version:
    """What the tables of a version say."""

    api_version: str
    discovery: str
    requests: str
    domain_header: str
    signature_header: str
    regulation: bool

    def request(self, **changed: Any) -> dict[str, Any]:
        """The example of the specification, changed; None takes a field out."""
        body: dict[str, Any] = {
            "subject_request_id": ID, "subject_request_type": "erasure", "submitted_time": NOW.isoformat(),
            "subject_identities": [{"identity_type": "email", "identity_value": MAIL, "identity_format": "raw"}],
            "api_version": self.api_version, "status_callback_urls": [CALLBACK],
            **({"regulation": "gdpr"} if self.regulation else {}), **changed,
        }  # fmt: skip
        return {name: value for name, value in body.items() if value is not None}


VERSIONS = [
    Version("2.0", "/v2/discovery", "/v2/requests", "X-OpenDSR-Processor-Domain", "X-OpenDSR-Signature", True),
    Version(
        "1.0", "/v1/discovery", "/v1/opengdpr_requests", "X-OpenGDPR-Processor-Domain", "X-OpenGDPR-Signature", False
    ),
]


class Processor:
    """A server with a certificate and an empty register, and a controller who verifies all it hears."""

    def __init__(self, version: Version, client: Client, store: InMemoryStore, privacy: Path) -> None:
        self.version = version
        self.store = store
        self.client = client
        self.privacy = privacy
        self.register = Register(privacy)
        self.services = client.app.state.services
        self.by = client.by(keys.create(store, "acme", ["privacy:read", "privacy:write"]))
        self.pem = client.get(f"{version.discovery.rpartition('/')[0]}/cert.pem").content

    def heard(self, answer: httpx.Response) -> httpx.Response:
        """The answer, when its signature holds under the certificate of the discovery."""
        assert answer.headers[self.version.domain_header] == DOMAIN
        certificates.verify(self.pem, answer.content, answer.headers[self.version.signature_header])
        return answer

    def seeing(self) -> Client:
        """The controller with a key that may know whether a person exists."""
        return self.client.by(keys.create(self.store, "acme", ["privacy:read", "pii:read"]))

    def create(self, by: Client | None = None, **changed: Any) -> httpx.Response:
        return self.heard((by or self.by).post(self.version.requests, json=self.version.request(**changed)))

    def status(self, name: str = ID, by: Client | None = None) -> httpx.Response:
        return self.heard((by or self.by).get(f"{self.version.requests}/{name}"))

    def cancel(self, name: str = ID, by: Client | None = None) -> httpx.Response:
        return self.heard((by or self.by).request("DELETE", f"{self.version.requests}/{name}"))

    def change(self, action: Any, name: str = ID, **more: Any) -> Request:
        one = self.register.by_origin(way="opendsr", controller="acme", id=name)
        assert one is not None
        return self.register.change(one.request, partial(action, actor="pipeline", now=NOW, **more))

    def refused(self, answer: httpx.Response, words: str, status: int = 400) -> None:
        """The error object of the specification, without anything of the person."""
        assert answer.status_code == status, answer.text
        error = self.heard(answer).json()["error"]
        assert error["code"] == status and words in error["message"]
        assert all(set(one) == {"domain", "reason", "message"} for one in error["errors"])
        assert MAIL not in answer.text


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return certificates.issue(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(params=VERSIONS, scope="module", ids=lambda version: version.api_version)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, pair: Pair
) -> Iterator[tuple[Version, Client, InMemoryStore]]:
    """A server for each version; they differ in nothing but the version that is asked for."""
    settings = load_settings(
        home=tmp_path_factory.mktemp("served"), opendsr_certificate=pair.certificate, opendsr_key=pair.key
    )  # fmt: skip
    store = InMemoryStore()
    publish(store, [1], identifiers=[("email", MAIL, 1)])
    with Client(create_app(settings, store=store, normalise=lookup_value)) as client:
        yield request.param, client, store


@pytest.fixture
def processor(served: tuple[Version, Client, InMemoryStore], tmp_path: Path) -> Iterator[Processor]:
    version, client, store = served
    privacy = tmp_path / "privacy"
    before = client.app.state.services
    client.app.state.services = replace(
        before, privacy=privacy, register=Register(privacy), packages=Vault(tmp_path / "packages", privacy)
    )  # fmt: skip
    yield Processor(version, client, store, privacy)
    client.app.state.services = before
