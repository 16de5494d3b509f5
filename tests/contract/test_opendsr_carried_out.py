"""A request of a controller from its arrival to the last callback: erased, proved, told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from api.app import create_app
from cdp.cli.app import app
from cdp.settings import Settings, load_settings
from cdp.store import keys, open_store
from identity.normalise.lookup import lookup_value
from privacy import receipts
from tests.support import certificates
from tests.support.certificates import DOMAIN
from tests.support.client import Client
from tests.support.receiver import Receiver, receiving
from tests.unit.pipelines.erasing_world import ANN, make_world

BOB = "bob@marked.org"
NAMES = {"ann": "a", "nobody": "b", "both": "c"}


def named(who: str) -> str:
    return f"{NAMES[who]}7551968-d5d6-44b2-9831-815ac9017798"


def sent(client: Client, receiver: Receiver, who: str, *mails: str) -> httpx.Response:
    return client.post(
        "/v2/requests",
        json={
            "regulation": "gdpr", "subject_request_id": named(who), "subject_request_type": "erasure",
            "submitted_time": "2026-11-01T10:00:00Z", "status_callback_urls": [receiver.url],
            "subject_identities": [
                {"identity_type": "email", "identity_value": mail, "identity_format": "raw"} for mail in mails
            ],
        },
    )  # fmt: skip


def carried_out(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """`cdp privacy run`, as people start it."""
    for name in ("home", "opendsr_certificate", "opendsr_key", "outbound_allow"):
        monkeypatch.setenv(f"CDP_{name.upper()}", str(getattr(settings, name)))
    done = CliRunner().invoke(app, ["privacy", "run"])
    assert done.exit_code == 0, done.output


@pytest.mark.slow
def test_from_the_request_to_the_callback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One who is known, one who is not, and identities of two people, which erase nobody."""
    world, pair = make_world(tmp_path), certificates.issue(tmp_path)
    settings = load_settings(
        home=world.settings.home, opendsr_certificate=pair.certificate, opendsr_key=pair.key,
        outbound_allow="127.0.0.0/8", memory_limit="1GB",
    )  # fmt: skip
    with receiving() as receiver, open_store(settings.database_url) as store:
        key = keys.create(store, "acme", ["privacy:read", "privacy:write"])
        with Client(create_app(settings, store=store, normalise=lookup_value), key=key) as client:
            people: dict[str, tuple[str, ...]] = {"ann": (ANN,), "nobody": ("x@y.org",), "both": (ANN, BOB)}
            for who, mails in people.items():
                assert sent(client, receiver, who, *mails).status_code == 201
            carried_out(settings, monkeypatch)
            found: dict[str, Any] = {who: client.get(f"/v2/requests/{named(who)}").json() for who in people}
    assert {who: one["request_status"] for who, one in found.items()} == {
        "ann": "completed", "nobody": "completed", "both": "cancelled",
    }  # fmt: skip
    assert found["both"]["extensions"] == {DOMAIN: {"outcome": "refused", "reason": "not_identified"}}
    assert world.found(ANN) == [] and world.found(BOB)
    assert receipts.verify(settings.privacy) == [] and len(list((settings.privacy / "receipts").glob("*.json"))) == 2
    told: dict[str, list[str]] = {}
    for one in receiver.received:
        certificates.verify(pair.certificate.read_bytes(), one.body, one.headers["x-opendsr-signature"])
        told.setdefault(one.json["subject_request_id"], []).append(one.json["request_status"])
    assert told == {
        named("ann"): ["in_progress", "completed"], named("nobody"): ["in_progress", "completed"],
        named("both"): ["cancelled"],
    }  # fmt: skip
