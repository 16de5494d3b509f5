"""Legal holds over HTTP: placed and released without a word of whom they mean, and refused in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from cdp.settings import load_settings
from cdp.store import keys
from cdp.store.memory import InMemoryStore
from identity.normalise.lookup import lookup_value
from privacy.holds.register import Holds
from tests.support.client import Client

URL = "/v1/privacy/holds"
MAIL = "zqxmail@canary.example"
UNTIL = "2999-12-31"


@pytest.fixture
def client(world: tuple[InMemoryStore, Path], tmp_path: Path) -> Iterator[Client]:
    settings = load_settings(home=tmp_path, memory_limit="1GB")
    with Client(create_app(settings, store=world[0], normalise=lookup_value)) as client:
        yield client.by(keys.create(world[0], "test", ("privacy:read", "privacy:write")))


def wanted(**more: Any) -> dict[str, Any]:
    return {"identifiers": [{"type": "email", "value": MAIL}], "basis": "tax", "until": UNTIL, **more}


def test_a_hold_is_placed_extended_and_released(client: Client, tmp_path: Path) -> None:
    made = client.post(URL, json=wanted(categories=["orders"]))
    assert made.status_code == 201, made.text
    hold = made.json()["hold"]
    assert made.headers["Location"] == f"{URL}/{hold}"
    assert (made.json()["categories"], made.json()["status"], made.json()["records"]) == (["orders"], "active", None)
    assert client.get(URL, params={"open": True}).json()["data"] == [client.get(f"{URL}/{hold}").json()]
    again = client.post(URL, json=wanted())
    assert again.status_code == 409 and hold in again.json()["detail"] and "zqx" not in again.text
    sooner = client.post(f"{URL}/{hold}/extend", json={"until": "2998-01-01"})
    assert sooner.status_code == 422 and "release it" in sooner.json()["detail"]
    assert client.post(f"{URL}/{hold}/release").json()["status"] == "released"
    assert client.post(f"{URL}/{hold}/extend", json={"until": UNTIL}).status_code == 409
    assert Holds(tmp_path / "privacy").sealed(hold).load()["identifiers"] == [f"email:{MAIL}"]
    for path in (tmp_path / "privacy").rglob("*"):
        assert not path.is_file() or b"zqx" not in path.read_bytes()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (wanted(basis="taxes"), "did you mean tax"),
        (wanted(categories=["receipt"]), "did you mean receipts"),
        (wanted(until="2020-01-01"), "in the past"),
        ({**wanted(), "until": None}, "until"),
        (wanted(identifiers=[{"type": "mail", "value": "x"}]), "body.identifiers.0"),
    ],
)
def test_what_cannot_be_is_told(client: Client, body: dict[str, Any], said: str) -> None:
    answer = client.post(URL, json=body)
    assert answer.status_code == 422 and said in answer.text
    assert client.get(URL).json()["data"] == []


def test_access(world: tuple[InMemoryStore, Path], client: Client) -> None:
    other = client.by(keys.create(world[0], "other", ("privacy:read",)))
    assert other.post(URL, json=wanted()).status_code == 403
    assert client.get(f"{URL}/ho-20260131-0123456789ab").status_code == 404
