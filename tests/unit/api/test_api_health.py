"""Health, metrics and documentation: what needs no key, and what it must not tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from api.app import create_app
from cdp.settings import Settings
from cdp.store import keys
from cdp.store.base import Store
from cdp.store.memory import InMemoryStore
from tests.support.client import Client
from tests.support.publications import profile_id, publish
from tests.unit.api.conftest import lower, publish_world

# What OpenDSR and OpenGDPR want anybody to read: what the server takes, and the certificate of its signatures.
OPEN = {f"/{version}/{name}" for version in ("v1", "v2") for name in ("discovery", "cert.pem")}
ADDRESSES = ["/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json"]


class TestHealth:
    def test_live_always_ready_once_published(self, settings: Settings) -> None:
        store = InMemoryStore()
        with Client(create_app(settings, store=store, normalise=lower)) as client:
            assert client.get("/health/live").json() == {"status": "live"}
            answer = client.get("/health/ready")
            assert answer.status_code == 503 and "cdp run" in answer.json()["detail"]
            publish_world(store, settings.serving)
            answer = client.get("/health/ready")
            assert answer.status_code == 200
            assert answer.json()["publication"] == {"run_id": "run-1", "as_of": "2026-01-01T00:00:00Z"}

    def test_not_ready_without_the_snapshot(self, settings: Settings) -> None:
        store = InMemoryStore()
        publish(store, [1])
        with Client(create_app(settings, store=store, normalise=lower)) as client:
            answer = client.get("/health/ready")
            assert answer.status_code == 503 and "snapshot-run-1.duckdb is missing" in answer.json()["detail"]


class TestMetrics:
    def test_open_on_this_machine_only(self, client: Client, key: Callable[..., str]) -> None:
        assert client.by(None, address="127.0.0.1").get("/metrics").status_code == 200
        assert client.by(None, address="::1").get("/metrics").status_code == 200
        assert client.get("/metrics").status_code == 401
        assert client.by(key("profiles:read")).get("/metrics").status_code == 403
        assert client.by(key("metrics:read")).get("/metrics").status_code == 200

    @pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via"])
    def test_what_a_proxy_passes_on_is_not_from_this_machine(self, client: Client, header: str) -> None:
        answer = client.by(None, address="127.0.0.1").get("/metrics", headers={header: "for=127.0.0.1"})
        assert answer.status_code == 401

    def test_labels_are_templates(self, client: Client, reader: Client) -> None:
        reader.get(f"/v1/profiles/{profile_id(1)}")
        reader.get("/zqx/unknown")
        reader.request("ZQX", "/health/live")
        text = client.by(None, address="127.0.0.1").get("/metrics").text
        assert 'method="GET",route="/v1/profiles/{profile_id}",status="200"' in text
        assert 'route="unmatched",status="404"' in text
        assert profile_id(1) not in text and "zqx" not in text.lower()


class TestDocumentation:
    def test_one_page_without_anything_from_elsewhere(self, client: Client) -> None:
        answer = client.get("/docs")
        assert answer.status_code == 200 and "<script" not in answer.text and "//" not in answer.text.replace("://", "")
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        for words in ("/v1/profiles/lookup", "profiles:read", "/v1/journeys/map", "identifier"):
            assert words in answer.text

    def test_openapi_names_keys_scopes_and_problems(self, client: Client) -> None:
        document = client.get("/openapi.json").json()
        assert document["openapi"].startswith("3.1")
        assert set(document["components"]["securitySchemes"]) == {"key"}
        for address, methods in document["paths"].items():
            for method, operation in methods.items():
                if address in OPEN:
                    assert "security" not in operation, address
                elif address.startswith(("/v1/", "/v2/", "/regulations")):
                    assert {"401", "403"} <= set(operation["responses"]), address
                    ways = operation["security"]
                    assert {name for way in ways for name in way} == {"key"}, (method, address)
                    assert all(scopes for way in ways for scopes in way.values()), address
                assert operation.get("description"), address

    @pytest.mark.parametrize("address", ADDRESSES)
    def test_every_answer_is_guarded(self, client: Client, address: str) -> None:
        headers = client.get(address).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert len(headers["request-id"]) == 16


def test_nothing_is_opened_before_the_app_starts(settings: Settings) -> None:
    create_app(settings)
    assert not settings.home.exists()


def test_the_app_opens_its_own_store(settings: Settings, tmp_path: Path) -> None:
    from cdp.store import open_store

    with open_store(settings.database_url) as store:
        publish_world(store, settings.serving)
        key = keys.create(store, "x", ["profiles:read"])
    with Client(create_app(settings, normalise=lower), key=key) as client:
        assert client.by(key).get(f"/v1/profiles/{profile_id(1)}").status_code == 200


def test_stores_are_stores() -> None:
    found: Store = InMemoryStore()
    assert found.current_publication() is None


def test_the_shipped_normaliser_is_that_of_the_sources(settings: Settings) -> None:
    store = InMemoryStore()
    publish_world(store, settings.serving)
    with Client(create_app(settings, store=store)) as client:
        reader = client.by(keys.create(store, "x", ["profiles:read"]))
        for kind, value in (("email", " ZQXmail@Canary.example"), ("phone", "+41 79 000 00 99")):
            answer = reader.post("/v1/profiles/lookup", json={"type": kind, "value": value})
            assert [found["profile_id"] for found in answer.json()["data"]] == [profile_id(1)]
        answer = reader.post("/v1/profiles/lookup", json={"type": "phone", "value": "Zqxlast"})
        assert answer.status_code == 422 and "Zqxlast" not in answer.text
