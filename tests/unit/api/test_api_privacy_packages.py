"""Packages over HTTP: who may fetch one, what is kept of it, and what others are not told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from api.app import create_app
from cdp.clock import wall_now
from cdp.settings import load_settings
from cdp.store import keys
from cdp.store.memory import InMemoryStore
from identity.normalise.lookup import lookup_value
from privacy.packages.vault import READ, Record, Vault, Whose
from privacy.register import Register
from privacy.requests import request as acts
from privacy.requests.words import Verification
from tests.support.client import Client

URL = "/v1/privacy/requests"
SCOPES = ("privacy:read", "privacy:write", "pii:read")
ARCHIVE = b"PK the archive"


class Office:
    """An app with a register and a vault."""

    def __init__(self, home: Path, store: InMemoryStore, client: Client) -> None:
        self.register = Register(home / "privacy")
        self.vault = Vault(home / "packages", home / "privacy")
        self.store = store
        self.client = client
        self.people = 0

    def caller(self, *scopes: str) -> Client:
        return self.client.by(keys.create(self.store, "test", scopes or SCOPES))

    def asked(self, kind: str = "access") -> str:
        self.people += 1
        person = {"identifiers": [{"type": "email", "value": f"p{self.people}@canary.example"}]}
        name: str = self.caller().post(URL, json={"kind": kind, "people": [person]}).json()["request"]
        return name

    def carried_out(self, *, rows: int = 3, days: int = 30) -> str:
        """A request that the pipeline has carried out."""
        name = self.asked()
        now = wall_now()
        for act in (
            partial(acts.verify, how=Verification.LOGIN), partial(acts.approve, four_eyes=False), acts.begin,
        ):  # fmt: skip
            self.register.change(name, partial(act, actor="pipeline", now=now))
        end = (now + timedelta(days)).isoformat()
        record = Record(name, "access", now.isoformat(), end, rows, 2, 0)
        whose = Whose(frozenset({"sales:1"}), frozenset({"profile-1"}), frozenset())
        self.vault.keep(record, whose, ARCHIVE)
        self.register.change(name, partial(acts.complete, actor="pipeline", now=now))
        return name


@pytest.fixture
def office(world: tuple[InMemoryStore, Path], tmp_path: Path) -> Iterator[Office]:
    settings = load_settings(home=tmp_path, memory_limit="1GB")
    with Client(create_app(settings, store=world[0], normalise=lookup_value)) as client:
        yield Office(tmp_path, world[0], client)


def test_a_package_is_sent_and_the_read_is_kept(office: Office) -> None:
    name, caller = office.carried_out(), office.caller()
    answer = caller.get(f"{URL}/{name}/package")
    assert answer.content == ARCHIVE and answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Cache-Control"] == "no-store" and f"{name}.zip" in answer.headers["Content-Disposition"]
    known = caller.get(f"{URL}/{name}/package", headers={"If-None-Match": answer.headers["ETag"]})
    assert known.status_code == 304 and known.content == b""
    office.client.app.state.services.audit.flush()
    for seen in (name, "profile-1"):
        rows = office.store.audit_rows(object=seen, action=READ)
        assert len(rows) == 2 and rows[0].entry.detail == {"request": name}


def test_what_there_is_not_and_what_is_gone(office: Office) -> None:
    caller = office.caller()
    for name, status, sentence in (
        (office.asked(), 404, "is received; its package is made when it is carried out"),
        (office.asked("erasure"), 404, "asks for erasure"),
        (office.carried_out(rows=0), 404, "nothing is held of the person"),
        (office.carried_out(days=0), 410, "could be fetched until"),
        ("ac-20260131-000000000000", 404, "There is no request"),
    ):
        answer = caller.get(f"{URL}/{name}/package")
        assert answer.status_code == status and sentence in answer.json()["detail"], name


def test_who_may_not_know_is_not_told(office: Office) -> None:
    """A request about somebody and one about nobody read the same without `pii:read`."""
    found, nothing = office.carried_out(), office.carried_out(rows=0)
    plain = office.caller("privacy:read")
    answers = []
    for name in (found, nothing):
        assert plain.get(f"{URL}/{name}/package").status_code == 403
        said = plain.get(f"{URL}/{name}").json()
        history = [(step["action"], step["note"]) for step in said["history"]]
        answers.append((said["status"], said["reason"], said["doubtful"], history))
    assert answers[0] == answers[1]


def test_a_package_is_one_person_s(office: Office) -> None:
    people = [{"identifiers": [{"type": "email", "value": f"{n}@canary.example"}]} for n in range(2)]
    answer = office.caller().post(URL, json={"kind": "portability", "people": people})
    assert answer.status_code == 422 and "names one person" in answer.json()["detail"]
