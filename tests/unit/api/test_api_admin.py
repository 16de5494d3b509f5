"""Keys and the audit trail over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from api.app import create_app
from cdp.settings import Settings
from cdp.store import keys
from cdp.store.memory import InMemoryStore
from tests.support.client import Client
from tests.support.publications import profile_id, publish
from tests.unit.api.conftest import lower


@pytest.fixture
def store() -> InMemoryStore:
    found = InMemoryStore()
    publish(found, [1, 2])
    return found


@pytest.fixture
def anonymous(settings: Settings, store: InMemoryStore) -> Iterator[Client]:
    with Client(create_app(settings, store=store, normalise=lower)) as client:
        yield client


@pytest.fixture
def admin(anonymous: Client, store: InMemoryStore) -> Client:
    return anonymous.by(keys.create(store, "operator", ["admin"]))


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/v1/admin/keys"),
        ("DELETE", "/v1/admin/keys/x"),
        ("GET", "/v1/admin/audit"),
        ("GET", "/v1/admin/audit/seen?profile_id=x"),
    ],
)
class TestAccess:
    def test_anonymous(self, client: Client, method: str, url: str) -> None:
        assert client.request(method, url).status_code == 401

    def test_missing_scope(self, client: Client, key: Callable[..., str], method: str, url: str) -> None:
        answer = client.by(key("profiles:read", "pii:read")).request(method, url)
        assert answer.status_code == 403 and "admin" in answer.json()["detail"]


class TestKeys:
    def test_listed_without_secrets(self, admin: Client, store: InMemoryStore) -> None:
        secret = keys.create(store, "campaigns", ["profiles:read"])
        answer = admin.get("/v1/admin/keys")
        assert [key["name"] for key in answer.json()["data"]] == ["operator", "campaigns"]
        assert "secret" not in answer.text and secret.split("_")[2] not in answer.text

    def test_a_revoked_key_fails_on_its_next_call(self, anonymous: Client, admin: Client, store: InMemoryStore) -> None:
        campaigns = anonymous.by(keys.create(store, "campaigns", ["profiles:read"]))
        url = f"/v1/profiles/{profile_id(1)}"
        assert campaigns.get(url).status_code == 200
        key_id = store.list_keys()[-1].id
        assert admin.request("DELETE", f"/v1/admin/keys/{key_id}").status_code == 204
        answer = campaigns.get(url)
        assert answer.status_code == 401 and "revoked" in answer.json()["detail"]
        assert admin.request("DELETE", f"/v1/admin/keys/{key_id}").status_code == 204

    def test_unknown_ids(self, admin: Client) -> None:
        assert admin.request("DELETE", "/v1/admin/keys/no-such").status_code == 404

    @pytest.mark.parametrize(
        "text",
        [
            "cdp",
            "cdp_",
            "cdp__",
            "cdp_x_y",
            "cdp_x_y_z",
            "CDP_x_y",
            "Bearer",
            "é",
            "x" * 5000,
            "cdp_" + "a" * 12 + "_" + "0" * 64,
        ],
    )
    def test_what_is_no_key(self, anonymous: Client, text: str) -> None:
        for headers in ({"Authorization": f"Bearer {text}".encode()}, {"X-API-Key": text.encode()}):
            answer = anonymous.get("/v1/admin/keys", headers=headers)  # type: ignore[arg-type]
            assert answer.status_code == 401


class TestAudit:
    def test_who_saw_a_profile(self, anonymous: Client, admin: Client, store: InMemoryStore) -> None:
        reader = anonymous.by(keys.create(store, "campaigns", ["profiles:read"]))
        key_id = store.list_keys()[-1].id
        for number in (1, 2, 1):
            reader.get(f"/v1/profiles/{profile_id(number)}")
        found = admin.get("/v1/admin/audit", params={"object": profile_id(1)}).json()["data"]
        assert [(row["actor"], row["action"]) for row in found] == [(f"key:{key_id}", "profile.read")] * 2
        assert found[0]["detail"] == {"personal": False}

    def test_who_saw_a_profile_on_lists_too(self, anonymous: Client, admin: Client, store: InMemoryStore) -> None:
        publish(store, [1, 2], run="run-2", members={"vip": [1]})
        reader = anonymous.by(keys.create(store, "campaigns", ["profiles:read", "segments:read"]))
        assert reader.get("/v1/segments/vip/members").status_code == 200
        reader.get(f"/v1/profiles/{profile_id(1)}")
        for number, actions in ((1, ["segment.members", "profile.read"]), (2, [])):
            answer = admin.get("/v1/admin/audit/seen", params={"profile_id": profile_id(number)}).json()
            assert [row["action"] for row in answer["data"]] == actions
        page = admin.get("/v1/admin/audit/seen", params={"profile_id": profile_id(1), "limit": 1}).json()
        assert page["data"][0]["how"] == "listed"
        rest = {"profile_id": profile_id(1), "limit": 1, "cursor": page["next_cursor"]}
        assert admin.get("/v1/admin/audit/seen", params=rest).json()["data"][0]["how"] == "itself"

    def test_who_saw_in_a_window(self, admin: Client) -> None:
        admin.get(f"/v1/profiles/{profile_id(1)}")
        asked = {"profile_id": profile_id(1), "until": "2026-01-01"}
        assert admin.get("/v1/admin/audit/seen", params=asked).json()["data"] == []
        answer = admin.get("/v1/admin/audit/seen", params={**asked, "until": "soon"})
        assert answer.status_code == 422 and answer.json()["detail"].startswith("until: ")
        assert admin.get("/v1/admin/audit/seen", params={"profile_id": "nobody"}).status_code == 404

    def test_pages(self, admin: Client, store: InMemoryStore) -> None:
        for number in range(5):
            keys.create(store, f"key {number}", ["admin"])
        seen, cursor = [], None
        while True:
            parameters = {"action": "key.create", "limit": 2, **({"cursor": cursor} if cursor else {})}
            answer = admin.get("/v1/admin/audit", params=parameters).json()
            seen += [row["seq"] for row in answer["data"]]
            cursor = answer["next_cursor"]
            if cursor is None:
                break
        assert len(seen) == 6 and seen == sorted(set(seen))
        assert admin.get("/v1/admin/audit", params={"action": "audit.read"}).json()["data"] != []
