"""No personal data where nobody asked for it: not in logs, metrics, errors or the audit trail, whatever goes wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.app import create_app
from cdp.errors import CdpError, CheckFailed, ConfigurationError
from cdp.settings import Settings
from cdp.store import keys
from cdp.store.base import StoredProfile
from cdp.store.memory import InMemoryStore
from tests.support.client import Client
from tests.support.publications import profile_id
from tests.unit.api.conftest import CANARIES, lower, publish_world

ONE = f"/v1/profiles/{profile_id(1)}"
LOOKUP = "/v1/profiles/lookup"


class FailingStore(InMemoryStore):
    """A store whose profile reads fail as told, with a canary in the message."""

    error: Exception | None = None

    def get_profile(self, profile_id: str) -> StoredProfile | None:
        if self.error is not None:
            raise self.error
        return super().get_profile(profile_id)


@pytest.fixture
def store(settings: Settings) -> FailingStore:
    found = FailingStore()
    publish_world(found, settings.serving)
    return found


@pytest.fixture
def client(settings: Settings, store: FailingStore) -> Iterator[Client]:
    with Client(create_app(settings, store=store, normalise=lower)) as calling:
        yield calling


def visit_everything(client: Client, store: InMemoryStore) -> list[str]:
    """Call every kind of address with every kind of caller and return the masked callers' answers."""
    everything = client.by(keys.create(store, "all", list(keys.SCOPES)))
    plain = client.by(keys.create(store, "plain", ["profiles:read", "segments:read", "journeys:read"]))
    texts = []
    for url in (
        ONE,
        f"{ONE}/events",
        f"{ONE}/journey",
        f"{ONE}/identifiers",
        "/v1/segments/new/members",
        "/v1/nothing",
    ):
        everything.get(url)
        texts += [plain.get(url).text, client.get(url).text]
    for value in ("zqxmail@canary.example", "Zqxlast nobody", "+41790000099", "\x00", "x" * 2000):
        for kind in ("email", "phone", "user_id", "Zqxlast"):
            body = {"type": kind, "value": value}
            everything.post(LOOKUP, json=body)
            texts += [plain.post(LOOKUP, json=body).text, client.post(LOOKUP, json=body).text]
    texts.append(plain.get("/v1/profiles/zqxmail@canary.example?cursor=Zqxlast&limit=Zqxfirst").text)
    texts.append(plain.get(f"{ONE}/events?cursor=Zqxlast&limit=Zqxfirst").text)
    return texts


def test_no_canary_leaves_without_pii_read(
    client: Client,
    store: FailingStore,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    texts = visit_everything(client, store)
    client.app.state.services.audit.flush()
    texts.append(client.by(None, address="127.0.0.1").get("/metrics").text)
    texts += [repr(row) for row in store.audit_rows(limit=10_000)]
    texts += [record.getMessage() for record in caplog.records if record.name != "httpx"]
    texts += [str(record.exc_info) for record in caplog.records if record.exc_info]
    texts += list(capfd.readouterr())
    found = [(canary, text[:200]) for text in texts for canary in CANARIES if canary.lower() in text.lower()]
    assert found == []
    assert not [path for path in Path(settings.home / "audit").iterdir() if path.stat().st_size], "the spool is empty"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("zqxmail@canary.example"),
        KeyError("zqxmail@canary.example"),
        CdpError("/home/secret/store.sqlite failed"),
        ConfigurationError("/home/secret/store.sqlite is wrong"),
        CheckFailed("/home/secret/warehouse.duckdb"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_goes_wrong_inside_stays_inside(
    client: Client, store: FailingStore, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    store.error = error
    answer = client.by(keys.create(store, "all", list(keys.SCOPES))).get(ONE)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    logged = " ".join(record.getMessage() for record in caplog.records)
    assert answer.headers["request-id"] in logged and type(error).__name__ in logged and "get_profile" in logged
    for text in (answer.text, logged):
        assert "canary" not in text and "/home/secret" not in text
    assert answer.json()["instance"] == f"urn:request:{answer.headers['request-id']}"


def test_no_answer_without_its_audit_entry(
    client: Client, store: FailingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = client.by(keys.create(store, "all", list(keys.SCOPES)))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    answer = reader.get(ONE)
    monkeypatch.undo()
    assert answer.status_code == 507 and "Zqx" not in answer.text
