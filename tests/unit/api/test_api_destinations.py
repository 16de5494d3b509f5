"""Destinations over HTTP: who may, what is shown, what reaches the receiver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from activation.worker import Options, deliver
from api.app import create_app
from cdp.outbound import Guard
from cdp.settings import load_settings
from cdp.store import keys, open_store
from cdp.store.base import Store
from cdp.store.memory import InMemoryStore
from tests.support.client import Client
from tests.support.publications import profile_id, publish
from tests.support.receiver import Receiver, receiving
from tests.unit.api.conftest import lower

URL = "/v1/destinations"
WRITER = ("destinations:read", "destinations:write", "pii:read")


class Shop:
    """An app over a store in SQLite, with a segment of three people, one of whom may not be reached."""

    def __init__(self, store: Store, client: Client) -> None:
        self.store = store
        self.client = client

    def caller(self, *scopes: str) -> Client:
        return self.client.by(keys.create(self.store, "test", scopes or WRITER))


@pytest.fixture
def shop(world: tuple[InMemoryStore, Path], tmp_path: Path) -> Iterator[Shop]:
    with open_store(f"sqlite:///{tmp_path / 'own.sqlite'}") as store:
        people = {n: {"traits": {"email": f"zqx{n}@canary.example", "purchases": n}} for n in (1, 2, 3)}
        publish(store, people, members={"vip": [1, 2, 3]}, withheld=[3])
        settings = load_settings(home=world[1], memory_limit="1GB", outbound_allow="127.0.0.0/8")
        with Client(create_app(settings, store=store, normalise=lower)) as client:
            yield Shop(store, client)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def wanted(receiver: Receiver, **changes: Any) -> dict[str, Any]:
    config = {"kind": "webhook", "url": receiver.url, "fields": {"mail": "traits.email", "n": "traits.purchases"}}
    return {"key": "crm", "title": "CRM", "segments": ["vip"], "config": config, **changes}


def put(caller: Client, body: Any, tag: str | None) -> httpx.Response:
    return caller.request("PUT", f"{URL}/crm", json=body, headers={"If-Match": tag} if tag else {})


@pytest.mark.parametrize(
    ("method", "url", "scope"),
    [
        ("GET", URL, "destinations:read"), ("POST", URL, "destinations:write"),
        ("GET", f"{URL}/crm", "destinations:read"), ("PUT", f"{URL}/crm", "destinations:write"),
        ("DELETE", f"{URL}/crm", "destinations:write"), ("POST", f"{URL}/crm/test", "destinations:write"),
        ("POST", f"{URL}/crm/resync", "destinations:write"), ("POST", f"{URL}/crm/replay", "destinations:write"),
        ("GET", f"{URL}/crm/rehearsal", "destinations:read"), ("GET", "/v1/deliveries", "destinations:read"),
    ],
)  # fmt: skip
def test_access(shop: Shop, receiver: Receiver, method: str, url: str, scope: str) -> None:
    assert shop.client.request(method, url, json=wanted(receiver)).status_code == 401
    others = set(keys.SCOPES) - {scope}
    answer = shop.caller(*others).request(method, url, json=wanted(receiver))
    assert answer.status_code == 403 and scope in answer.json()["detail"]


def test_from_creation_to_the_log(shop: Shop, receiver: Receiver) -> None:
    caller = shop.caller()
    made = caller.post(URL, json=wanted(receiver))
    assert made.status_code == 201 and made.headers["ETag"] == '"v1"'
    secret = made.json()["secret"]
    assert secret.startswith("whsec_") and made.json()["purpose"] == "marketing"
    assert made.json()["messages"] == {"pending": 2}, "whom the purpose may not reach is not queued"
    assert caller.post(URL, json=wanted(receiver)).status_code == 409
    for answer in (caller.get(URL), caller.get(f"{URL}/crm")):
        assert answer.status_code == 200 and secret not in answer.text
    rehearsal = caller.get(f"{URL}/crm/rehearsal")
    assert rehearsal.json()["would"] == {"entered": 2} and "canary" not in rehearsal.text
    blind = shop.caller("destinations:read").get(f"{URL}/crm/rehearsal").json()
    assert [(row["mail"], row["n"]) for row in blind["sample"]] == [("***", "***")] * 2
    assert receiver.received == []
    deliver(shop.store.url, Options(guard=Guard.of(["127.0.0.0/8"])))
    assert sorted(one.json["profile"]["mail"][:4] for one in receiver.received) == ["zqx1", "zqx2"]
    log = caller.get("/v1/deliveries", params={"profile_id": profile_id(1)})
    (row,) = log.json()["data"]
    assert (row["state"], row["attempts"], row["message_id"]) == ("delivered", 1, receiver.ids()[0])
    assert "canary" not in log.text
    first = caller.get("/v1/deliveries", params={"destination": "crm", "state": "delivered", "limit": 1}).json()
    second = caller.get(
        "/v1/deliveries", params={"destination": "crm", "state": "delivered", "cursor": first["next_cursor"]}
    ).json()
    assert [row["profile_id"] for row in first["data"] + second["data"]] == [profile_id(1), profile_id(2)]
    assert caller.post(f"{URL}/crm/resync", json={}).json() == {"entered": 0, "exited": 0}
    assert caller.post(f"{URL}/crm/resync", json={"everybody": True}).json() == {"entered": 2, "exited": 0}


def test_changes_name_the_version_that_was_read(shop: Shop, receiver: Receiver) -> None:
    caller = shop.caller()
    secret = caller.post(URL, json=wanted(receiver)).json()["secret"]
    assert put(caller, wanted(receiver, title="New"), None).status_code == 428
    assert put(caller, wanted(receiver, title="New"), '"v9"').status_code == 412
    changed = put(caller, wanted(receiver, title="New"), '"v1"')
    assert (changed.status_code, changed.headers["ETag"], changed.json()["title"]) == (200, '"v2"', "New")
    assert changed.json()["secret"] is None and secret not in changed.text
    assert caller.request("DELETE", f"{URL}/crm", headers={"If-Match": '"v1"'}).status_code == 412
    assert caller.request("DELETE", f"{URL}/crm", headers={"If-Match": '"v2"'}).status_code == 204
    assert caller.get(f"{URL}/crm").status_code == 404
    assert caller.get("/v1/deliveries").json()["data"] == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"config": {"kind": "files", "folder": "/tmp"}}, "over HTTP only webhook"),
        ({"config": {"kind": "table", "table": "x"}}, "over HTTP only webhook"),
        ({"config": {"kind": "webhook", "url": "ftp://example.org/"}}, "https://HOST/PATH"),
        ({"config": {"kind": "webhook", "url": "https://example.org/", "colour": 1}}, "colour"),
        ({"segments": ["vipp"]}, "Did you mean vip?"),
        ({"segments": []}, "segments"),
        ({"purpose": "analytics"}, "have to be the same"),
        ({"secret": "short"}, "whsec_"),
        ({"key": "No Key"}, "key"),
        ({"colour": "red"}, "not known here"),
    ],
)
def test_what_cannot_be_is_told_in_one_sentence(
    shop: Shop, receiver: Receiver, changes: dict[str, Any], said: str
) -> None:
    answer = shop.caller().post(URL, json=wanted(receiver, **changes))
    assert answer.status_code in (404, 422) and said in answer.text
    assert "Traceback" not in answer.text


def test_fields_of_people_need_the_right_to_see_them(shop: Shop, receiver: Receiver) -> None:
    caller = shop.caller("destinations:read", "destinations:write")
    answer = caller.post(URL, json=wanted(receiver))
    assert answer.status_code == 403 and "pii:read" in answer.json()["detail"]
    assert caller.post(URL, json=wanted(receiver, config={"kind": "webhook", "url": receiver.url})).status_code == 201


def test_a_message_about_nobody(shop: Shop, receiver: Receiver) -> None:
    caller = shop.caller()
    caller.post(URL, json=wanted(receiver))
    assert caller.post(f"{URL}/crm/test").json() == {"taken": True, "code": ""}
    receiver.behaviours = ["status:401"]
    assert caller.post(f"{URL}/crm/test").json() == {"taken": False, "code": "http_401"}
    assert [one.json["type"] for one in receiver.received] == ["destination.test"] * 2
    assert "zqx" not in receiver.received[0].body.decode() and receiver.received[0].headers["webhook-signature"]
    unknown = caller.post(f"{URL}/crmm/test")
    assert unknown.status_code == 404 and "Did you mean crm?" in unknown.json()["detail"]


def test_dead_messages_are_replayed(shop: Shop, receiver: Receiver) -> None:
    caller = shop.caller()
    caller.post(URL, json=wanted(receiver))
    receiver.always = "status:400"
    options = Options(guard=Guard.of(["127.0.0.0/8"]))
    deliver(shop.store.url, options)
    assert caller.get(f"{URL}/crm").json()["messages"] == {"dead": 2}
    one = receiver.ids()[0]
    assert caller.post(f"{URL}/crm/replay", json={"message_ids": [one]}).json() == {"replayed": 1}
    assert caller.post(f"{URL}/crm/replay", json={}).json() == {"replayed": 1}
    receiver.always = "ok"
    deliver(shop.store.url, options)
    assert caller.get(f"{URL}/crm").json()["messages"] == {"delivered": 2}
    actions = {row.entry.action for row in shop.store.audit_rows(object="crm")}
    assert actions <= {"destination.create", "destination.replay"}


def test_a_store_in_memory_says_that_it_has_none(world: tuple[InMemoryStore, Path]) -> None:
    settings = load_settings(home=world[1], memory_limit="1GB")
    with Client(create_app(settings, store=world[0], normalise=lower)) as client:
        answer = client.by(keys.create(world[0], "test", list(WRITER))).get(URL)
    assert answer.status_code == 503 and "database" in answer.json()["detail"]
