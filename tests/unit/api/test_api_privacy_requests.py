"""Subject requests over HTTP: who may, what is answered, what is kept, and what nobody is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.privacy import service
from cdp.settings import load_settings
from cdp.store import keys
from cdp.store.memory import InMemoryStore
from identity.normalise.lookup import lookup_value
from privacy import receipts
from privacy.receipts import Receipt
from privacy.register import Register
from privacy.requests import request as acts
from privacy.requests.words import Refusal
from privacy.work import Work
from tests.support.client import Client
from tests.support.publications import profile_id

URL = "/v1/privacy/requests"
SCOPES = ("privacy:read", "privacy:write")
MAIL = "Zqxmail@canary.example"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Office:
    """An app with an empty register, on a clock that the test sets."""

    def __init__(self, home: Path, store: InMemoryStore, client: Client) -> None:
        self.folder = home / "privacy"
        self.register = Register(self.folder)
        self.store = store
        self.client = client
        self.now = NOW

    def caller(self, *scopes: str) -> Client:
        return self.client.by(keys.create(self.store, "test", scopes or SCOPES))


@pytest.fixture
def office(world: tuple[InMemoryStore, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    settings = load_settings(home=tmp_path, memory_limit="1GB", privacy_four_eyes=True)
    with Client(create_app(settings, store=world[0], normalise=lookup_value)) as client:
        found = Office(tmp_path, world[0], client)
        monkeypatch.setattr(service, "wall_now", lambda: found.now)
        yield found


def wanted(*values: str, kind: str = "erasure", type: str = "email", **more: Any) -> dict[str, Any]:
    people = [{"identifiers": [{"type": type, "value": value}]} for value in values]
    return {"kind": kind, "people": people, **more}


def made(caller: Client, *values: str, **more: Any) -> str:
    answer = caller.post(URL, json=wanted(*(values or (MAIL,)), **more))
    assert answer.status_code == 201, answer.text
    name: str = answer.json()["request"]
    assert answer.headers["Location"] == f"{URL}/{name}"
    return name


def act(caller: Client, name: str, action: str, body: Any = None, tag: str | None = None) -> httpx.Response:
    return caller.post(f"{URL}/{name}/{action}", json=body, headers={"If-Match": tag} if tag else {})


def test_access(office: Office) -> None:
    name = made(office.caller())
    calls: list[tuple[str, str, Any, tuple[str, ...]]] = [
        ("GET", URL, None, ("privacy:read",)), ("POST", URL, wanted(MAIL), ("privacy:write",)),
        ("GET", f"{URL}/{name}", None, ("privacy:read",)),
        ("GET", f"{URL}/{name}/receipt", None, ("privacy:read", "pii:read")),
        ("GET", f"{URL}/{name}/package", None, ("privacy:read", "pii:read")),
        ("GET", f"{URL}/{name}/recipients", None, ("privacy:read", "pii:read")),
        *(("POST", f"{URL}/{name}/{action}", body, ("privacy:write",)) for action, body in (
            ("verify", {"how": "login"}), ("approve", {}), ("extend", {"why": "complexity"}),
            ("refuse", {"why": "unfounded"}), ("confirm", None), ("complete", None), ("cancel", None),
        )),
    ]  # fmt: skip
    for method, url, body, scopes in calls:
        assert office.client.request(method, url, json=body).status_code == 401
        for scope in scopes:
            answer = office.caller(*(set(keys.SCOPES) - {scope})).request(method, url, json=body)
            assert answer.status_code == 403 and scope in answer.json()["detail"]
    assert len(office.register.read(name).history) == 1


def test_from_receipt_to_approval(office: Office) -> None:
    first, second = office.caller(), office.caller()
    name = made(first)
    one = first.get(f"{URL}/{name}").json()
    assert (one["status"], one["standing"], one["due_on"]) == ("received", "open", "2026-03-02")
    assert (one["rules"], one["people"], one["reason"], one["doubtful"]) == ("gdpr", 1, None, None)
    early = act(first, name, "approve", {})
    assert early.status_code == 409 and "identity of the person has to be verified first" in early.json()["detail"]
    office.now += timedelta(days=3)
    verified = act(first, name, "verify", {"how": "document"})
    assert verified.json()["status"] == "verified" and verified.json()["due_on"] == "2026-03-02"
    alone = act(first, name, "approve", {})
    assert alone.status_code == 409 and "somebody else" in alone.json()["detail"]
    assert act(second, name, "approve", {}).json()["status"] == "approved"
    assert act(first, name, "confirm").json()["confirmed_at"] == "2026-02-03T12:00:00Z"
    assert act(first, name, "extend", {"why": "complexity"}).json()["due_on"] == "2026-04-30"
    assert act(first, name, "complete").status_code == 409
    assert act(second, name, "cancel").json()["status"] == "cancelled"
    assert act(second, name, "cancel").status_code == 200, "again is the same"
    assert act(second, name, "refuse", {"why": "unfounded"}).status_code == 409
    assert Work.open_ones(office.folder) == []
    office.client.app.state.services.audit.flush()
    done = [row.entry.action.rpartition(".")[2] for row in office.store.audit_rows(object=name)]
    assert done == ["received", "verified", "approved", "confirmed", "extended", "cancelled", "cancelled"]


def test_an_extension_is_refused_late(office: Office) -> None:
    caller = office.caller()
    name = made(caller, kind="access")
    office.now = datetime(2026, 3, 3, tzinfo=UTC)
    answer = act(caller, name, "extend", {"why": "number_of_requests"})
    assert answer.status_code == 409 and "was due on 2026-03-02" in answer.json()["detail"]
    assert caller.get(f"{URL}/{name}").json()["standing"] == "overdue"


def test_who_exists_is_answered_as_who_does_not(office: Office) -> None:
    """Known, unknown, and merged: the same answer but for the id."""
    caller = office.caller()
    answers = []
    for type, value in (
        ("email", MAIL), ("email", "nobody@canary.example"), ("profile", profile_id(1)), ("profile", profile_id(77)),
    ):  # fmt: skip
        answer = caller.post(URL, json=wanted(value, type=type)).json()
        name = answer.pop("request")
        assert name.startswith("er-20260131-")
        answers.append(answer)
    assert all(one == answers[0] for one in answers)
    merged, living = (caller.post(URL, json=wanted(profile_id(n), type="profile")) for n in (901, 1))
    assert merged.status_code == living.status_code == 200, "asked before, by the id it lives on under"
    assert merged.json() == living.json()


def test_what_tells_that_somebody_exists_is_for_those_who_may_know(office: Office) -> None:
    plain, seeing = office.caller(), office.caller(*SCOPES, "pii:read")
    name = made(plain)
    untold = plain.get(f"{URL}/{name}").headers["ETag"]
    register = office.register

    def looked_up(one: acts.Request) -> acts.Request:
        return acts.replace(one, doubtful=2)

    register.change(name, looked_up)
    assert plain.get(f"{URL}/{name}").headers["ETag"] == untold
    assert plain.get(f"{URL}/{name}").json()["doubtful"] is None
    assert seeing.get(f"{URL}/{name}").json()["doubtful"] == 2
    act(plain, name, "verify", {"how": "login"})
    act(seeing, name, "approve", {})
    register.change(name, partial(acts.begin, actor="pipeline", now=NOW))
    register.change(name, partial(acts.give_up, why=Refusal.DIFFERENT_PEOPLE, actor="pipeline", now=NOW))
    told = seeing.get(f"{URL}/{name}").json()
    assert told["reason"] == "different_people" == told["history"][-1]["note"]
    for text in (plain.get(f"{URL}/{name}").text, plain.get(URL).text):
        assert "different_people" not in text and "not_identified" in text


def test_a_receipt_once_there_is_one(office: Office) -> None:
    caller = office.caller(*SCOPES, "pii:read")
    name = made(caller)
    assert caller.get(f"{URL}/{name}/receipt").status_code == 404
    moment = NOW.isoformat()
    signed = receipts.issue(
        office.folder, Receipt(name, "erasure", "completed", 1, 0, moment, moment, moment, 1, ())
    )  # fmt: skip
    assert caller.get(f"{URL}/{name}/receipt").json() == signed
    assert receipts.verify(office.folder) == []
    assert caller.get(f"{URL}/{name}/recipients").json() == {"data": []}


def test_the_same_again_is_the_open_one(office: Office) -> None:
    caller = office.caller()
    name = made(caller)
    again = caller.post(URL, json=wanted(f"  {MAIL.upper()} "))
    assert again.status_code == 200 and again.json()["request"] == name
    assert made(caller, kind="access") != name and made(caller, MAIL, "b@canary.example") != name
    act(caller, name, "cancel")
    assert made(caller) != name


def test_a_stale_version_changes_nothing(office: Office) -> None:
    caller = office.caller()
    name = made(caller)
    tag = caller.get(f"{URL}/{name}").headers["ETag"]
    verified = act(caller, name, "verify", {"how": "login"}, tag)
    assert verified.status_code == 200 and verified.headers["ETag"] != tag
    assert act(caller, name, "cancel", None, tag).status_code == 412
    assert office.register.read(name).status == "verified"
    assert act(caller, name, "cancel", None, verified.headers["ETag"]).status_code == 200


def test_lists_come_in_pages_and_by_choice(office: Office) -> None:
    caller = office.caller()
    names = []
    for number in range(5):
        office.now = NOW + timedelta(minutes=number)
        names.append(made(caller, f"p{number}@canary.example", kind=("access", "erasure")[number % 2]))
    act(caller, names[0], "cancel")
    found, cursor = [], None
    for _ in range(3):
        page = caller.get(URL, params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        found += [one["request"] for one in page["data"]]
        cursor = page["next_cursor"]
    assert found == names and cursor is None

    def listed(**query: Any) -> list[str]:
        return [one["request"] for one in caller.get(URL, params=query).json()["data"]]

    assert listed(open=True) == names[1:] and listed(kind="erasure") == [names[1], names[3]]
    assert listed(state="cancelled") == [names[0]]
    assert caller.get(URL, params={"cursor": "AAAA"}).status_code == 422


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (wanted("x", type="shoe"), "body.people.0.identifiers.0"),
        (wanted("x@y.z", type="email:a"), "body.people.0.identifiers.0.type"),
        (wanted(MAIL, "zqx no mail"), "body.people.1.identifiers.0"),
        (wanted(), "body.people"), (wanted(MAIL, kind="pardon"), "body.kind"),
        (wanted(MAIL, rules="lgpd"), "body.rules"), (wanted(MAIL, more=1), "body"),
        ({"kind": "erasure", "people": [{"identifiers": []}]}, "body.people.0.identifiers"),
        (wanted("  ", type="profile"), "body.people.0.identifiers.0.value: is blank"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_not_repeated(office: Office, body: Any, sentence: str) -> None:
    answer = office.caller().post(URL, json=body)
    assert answer.status_code == 422 and sentence in answer.json()["detail"]
    assert "zqx" not in answer.text.lower() and office.register.all() == []


def test_a_hundred_thousand_ids_are_refused_and_ten_thousand_kept(office: Office) -> None:
    caller = office.caller()
    answer = caller.post(URL, json=wanted(*map(str, range(100_000)), type="user_id"))
    assert answer.status_code in (413, 422) and office.register.all() == []
    answer = caller.post(URL, json=wanted(*map(str, range(10_001)), type="user_id"))
    assert answer.status_code == 422 and "body.people" in answer.json()["detail"]
    name = made(caller, *map(str, range(10_000)), type="user_id")
    assert caller.get(f"{URL}/{name}").json()["people"] == 10_000


def test_unknown_ids(office: Office) -> None:
    caller = office.caller()
    assert caller.get(f"{URL}/er-20260131-000000000000").status_code == 404
    assert act(caller, "er-20260131-000000000000", "cancel").status_code == 404
    assert caller.get(f"{URL}/..%2Fsigning-key").status_code in (404, 422)


def test_metrics_count_what_is_overdue(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    made(office.caller())
    monkeypatch.setattr("api.health.service.wall_now", lambda: datetime(2026, 3, 3, tzinfo=UTC))
    text = office.client.by(None, address="127.0.0.1").get("/metrics").text
    assert 'wayfinder_subject_requests{standing="overdue"} 1.0' in text
    assert 'wayfinder_subject_requests{standing="open"} 0.0' in text


def test_metrics_go_on_without_what_cannot_be_counted(office: Office) -> None:
    name = made(office.caller())
    kept = next(path for path in office.register._folder.rglob(f"{name}.json"))
    kept.write_text("{")
    answer = office.client.by(None, address="127.0.0.1").get("/metrics")
    assert answer.status_code == 200 and 'wayfinder_subject_requests{standing="overdue"} NaN' in answer.text
    assert "wayfinder_http_requests" in answer.text


def test_nothing_personal_is_kept_in_the_clear_or_logged(
    office: Office, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    made(office.caller())
    office.client.app.state.services.audit.flush()
    texts = [record.getMessage() for record in caplog.records if record.name != "httpx"]
    texts += [repr(row) for row in office.store.audit_rows(limit=10_000)]
    assert not [text for text in texts if "zqxmail" in text.lower()]
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"zqxmail" not in path.read_bytes().lower(), path.name
