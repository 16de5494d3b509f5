"""Regulations in the form of Segment's Public API: the shapes of its client, over the register of subject requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
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
from privacy import tokens
from privacy.journal import Journal
from privacy.keys import token_keys
from privacy.register import Register
from privacy.requests import request as acts
from privacy.requests.request import Request
from privacy.requests.words import Refusal, State
from privacy.work import Work
from tests.support.client import Client
from tests.support.publications import publish

URL = "/regulations"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
UNKNOWN = f"{URL}/er-20260131-000000000000"


class Workspace:
    """A server with an empty register, and a caller who may send regulations."""

    def __init__(self, client: Client, store: InMemoryStore, privacy: Path) -> None:
        self.client = client
        self.store = store
        self.register = Register(privacy)
        self.privacy = privacy
        self.services = client.app.state.services
        self.by = self.caller("privacy:read", "privacy:write")

    def caller(self, *scopes: str) -> Client:
        return self.client.by(keys.create(self.store, "segment", scopes))

    def made(self, *ids: str, kind: str = "SUPPRESS_WITH_DELETE") -> str:
        body = {"regulationType": kind, "subjectType": "USER_ID", "subjectIds": list(ids)}
        answer = self.by.post(URL, json=body)
        assert answer.status_code == 200 and set(answer.json()) == {"data"}, answer.text
        name: str = answer.json()["data"]["regulateId"]
        return name

    def change(self, name: str, action: Any, **more: Any) -> Request:
        return self.register.change(name, partial(action, actor="pipeline", now=NOW, **more))

    def read(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.by.get(f"{URL}/{name}").json()["data"]["regulation"]
        return found

    def listed(self, **query: Any) -> tuple[list[str], dict[str, Any]]:
        found = self.by.get(URL, params=query).json()["data"]
        return [one["id"] for one in found["regulations"]], found["pagination"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, InMemoryStore]]:
    store = InMemoryStore()
    publish(store, [1], identifiers=[("user_id", "zqx-user", 1)])
    settings = load_settings(home=tmp_path_factory.mktemp("served"))
    with Client(create_app(settings, store=store, normalise=lookup_value)) as client:
        yield client, store


@pytest.fixture
def workspace(served: tuple[Client, InMemoryStore], tmp_path: Path) -> Iterator[Workspace]:
    client, store = served
    before = client.app.state.services
    client.app.state.services = replace(before, privacy=tmp_path, register=Register(tmp_path))
    yield Workspace(client, store, tmp_path)
    client.app.state.services = before


def refused(answer: httpx.Response, status: int, words: str, field: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    first = answer.json()["errors"][0]
    assert words in first["message"] and first["status"] == status and first["type"] and first.get("field") == field
    assert "zqx" not in answer.text


def test_it_is_an_erasure_of_people_by_their_user_ids(workspace: Workspace) -> None:
    name = workspace.made("zqx-user", "nobody", "zqx-user")
    one = workspace.register.read(name)
    assert (one.kind, one.state, one.subjects) == ("erasure", State.APPROVED, 2)
    assert Work.resume(workspace.privacy, name).content["subjects"] == [["user_id:zqx-user"], ["user_id:nobody"]]
    assert workspace.made("nobody", "zqx-user") == name, "the same again is the open one"
    found = workspace.read(name)
    assert set(found) == {"id", "workspaceId", "overallStatus", "createdAt", "streamStatus"}
    assert (found["id"], found["overallStatus"], found["streamStatus"]) == (name, "INITIALIZED", [])
    assert datetime.fromisoformat(found["createdAt"]).tzinfo is not None
    workspace.services.audit.flush()
    entries = [row.entry for row in workspace.store.audit_rows(object=name)]
    assert [(one.action.rpartition(".")[2], one.detail["people"]) for one in entries] == [
        ("received", 2),
        ("repeated", 2),
    ]


def test_who_exists_is_answered_as_who_does_not(workspace: Workspace) -> None:
    answers = []
    for user in ("zqx-user", "nobody"):
        found = workspace.read(workspace.made(user))
        answers.append({**found, "id": "", "createdAt": ""})
    assert answers[0] == answers[1]


def test_the_states(workspace: Workspace) -> None:
    done, part, stopped = (workspace.made(user) for user in "abc")
    for name in (done, part, stopped):
        workspace.change(name, acts.begin)
        assert workspace.read(name)["overallStatus"] == "RUNNING"
    workspace.change(done, acts.complete)
    workspace.change(part, acts.complete, partial=True)
    workspace.change(stopped, acts.give_up, why=Refusal.MATCHES_TOO_MUCH)
    found = {name: workspace.read(name) for name in (done, part, stopped)}
    assert [one["overallStatus"] for one in found.values()] == ["FINISHED", "PARTIAL_SUCCESS", "FAILED"]
    assert all(datetime.fromisoformat(one["finishedAt"]) == NOW for one in found.values())
    assert workspace.listed(status="FAILED")[0] == [stopped]
    assert "matches" not in str(found), "whether somebody exists is not told"


def test_lists_come_in_pages(workspace: Workspace) -> None:
    names = [workspace.made(str(number)) for number in range(5)]
    found, pagination = workspace.listed(**{"pagination[count]": 2})
    assert pagination["totalEntries"] == 5
    assert workspace.listed(**{"pagination[count]": 2, "pagination[cursor]": pagination["current"]})[0] == found
    while "next" in pagination:
        query = {"pagination[count]": 2, "pagination[cursor]": pagination["next"]}
        more, pagination = workspace.listed(**query)
        assert pagination["current"] == query["pagination[cursor]"]
        found += more
    assert found == names
    entry = workspace.by.get(URL).json()["data"]["regulations"][0]
    assert set(entry) == {"id", "subjectType", "subjects", "status", "createdAt", "regulationType"}
    assert (entry["subjectType"], entry["subjects"], entry["regulationType"]) == ("USER_ID", [], "SUPPRESS_WITH_DELETE")
    assert workspace.listed(regulationTypes="SUPPRESS_WITH_DELETE")[0] == names
    refused(workspace.by.get(URL, params={"pagination[cursor]": "AAAA"}), 422, "cursor")
    refused(workspace.by.get(URL, params={"pagination[count]": 1001}), 422, "at most 1000", "query.pagination[count]")


def test_deleted_while_it_has_not_begun(workspace: Workspace) -> None:
    first, second = workspace.made("a"), workspace.made("b")
    assert workspace.by.request("DELETE", f"{URL}/{first}").json() == {"data": {"status": "SUCCESS"}}
    assert workspace.register.read(first).state is State.CANCELLED
    refused(workspace.by.get(f"{URL}/{first}"), 404, "no such regulation")
    refused(workspace.by.request("DELETE", f"{URL}/{first}"), 404, "no such regulation")
    assert workspace.listed()[0] == [second]
    workspace.change(second, acts.begin)
    refused(workspace.by.request("DELETE", f"{URL}/{second}"), 409, "can no longer be cancelled")
    refused(workspace.by.get(UNKNOWN), 404, "There is no request")


def test_what_is_wrong(workspace: Workspace) -> None:
    right = {"regulationType": "SUPPRESS_WITH_DELETE", "subjectType": "USER_ID", "subjectIds": ["zqx-user"]}
    allowed = "must be one of 'SUPPRESS_WITH_DELETE' or 'UNSUPPRESS'"
    for changed, words, field in (
        *(({"regulationType": one}, allowed, "body.regulationType") for one in (
            "DELETE_INTERNAL", "DELETE_ONLY", "SUPPRESS_ONLY", "SUPPRESS_WITH_DELETE_INTERNAL", "PARDON",
        )),
        ({"subjectType": "OBJECT_ID"}, "must be one of 'USER_ID'", "body.subjectType"),
        ({"subjectIds": []}, "body.subjectIds", "body.subjectIds"),
        ({"subjectIds": ["zqx-user", "  "]}, "body.subjectIds.1", None),
        ({"subjectIds": [str(number) for number in range(5001)]}, "body.subjectIds", "body.subjectIds"),
    ):  # fmt: skip
        refused(workspace.by.post(URL, json={**right, **changed}), 422, words, field)
    refused(workspace.by.post(URL, content=b"{", headers={"Content-Type": "application/json"}), 422, "JSON", "body")
    assert workspace.register.all() == []
    most = workspace.made(*(str(number) for number in range(5000)))
    assert workspace.register.read(most).subjects == 5000


def test_one_person_of_a_batch_is_let_in_again(workspace: Workspace) -> None:
    erased = workspace.made("a", "b")
    made = {one: tokens.make(token_keys(workspace.privacy), "record", f"web:{one}") for one in "ab"}
    journal = Journal(workspace.privacy)
    journal.append("erased", [(erased, [[made["a"]], [made["b"]]])], NOW)
    name, other = workspace.made("b", kind="UNSUPPRESS"), workspace.made("nobody", kind="UNSUPPRESS")
    assert journal.suppressed() == [(erased, made["a"])]
    first, second = (workspace.read(one) for one in (name, other))
    assert first["overallStatus"] == "FINISHED" and first["finishedAt"] == first["createdAt"]
    hidden = {"id": "", "createdAt": "", "finishedAt": ""}
    assert {**first, **hidden} == {**second, **hidden}, "whether anybody was kept out is not told"
    assert workspace.listed()[0] == [erased, name, other]
    assert workspace.listed(regulationTypes="UNSUPPRESS", **{"pagination[count]": 1})[0] == [name]
    assert workspace.listed(regulationTypes="SUPPRESS_WITH_DELETE")[0] == [erased]
    refused(workspace.by.request("DELETE", f"{URL}/{name}"), 409, "carried out at once")
    refused(workspace.by.get(f"{URL}/un-20260131-000000000000"), 404, "no such regulation")
    workspace.services.audit.flush()
    (entry,) = [row.entry for row in workspace.store.audit_rows(object=name)]
    assert entry.action == "privacy.unsuppressed" and entry.detail == {"identifiers": 1, "way": "regulations"}


def test_destinations_are_told_to_who_may_know(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = {"told": 1, "pending": 0, "failed": 0}
    told = [
        {**counted, "destination": "done"},
        {**counted, "destination": "later", "pending": 1},
        {**counted, "destination": "lost", "failed": 2},
    ]
    monkeypatch.setattr("api.regulations.service.standing", lambda url, request: told)
    monkeypatch.setattr(workspace.store, "url", "sqlite:///x")
    name = workspace.made("a")
    assert workspace.read(name)["streamStatus"] == []
    may = workspace.caller("privacy:read", "pii:read")
    (stream,) = may.get(f"{URL}/{name}").json()["data"]["regulation"]["streamStatus"]
    assert [(one["name"], one["status"]) for one in stream["destinationStatus"]] == [
        ("done", "FINISHED"), ("later", "RUNNING"), ("lost", "FAILED"),
    ]  # fmt: skip


def test_the_media_type_of_the_client(workspace: Workspace) -> None:
    body = b'{"regulationType":"SUPPRESS_WITH_DELETE","subjectType":"USER_ID","subjectIds":["a"]}'
    sent = {"Content-Type": "application/vnd.segment.v1+json", "Accept": "application/vnd.segment.v1+json"}
    assert workspace.by.post(URL, content=body, headers=sent).status_code == 200


def test_who_may(workspace: Workspace) -> None:
    body = {"regulationType": "SUPPRESS_WITH_DELETE", "subjectType": "USER_ID", "subjectIds": ["a"]}
    for method, url, scope in (
        ("POST", URL, "write"), ("GET", URL, "read"), ("GET", UNKNOWN, "read"), ("DELETE", UNKNOWN, "write"),
    ):  # fmt: skip
        refused(workspace.client.request(method, url, json=body), 401, "API key")
        other = workspace.caller(*(set(keys.SCOPES) - {f"privacy:{scope}"}))
        refused(other.request(method, url, json=body), 403, f"privacy:{scope}")
    assert workspace.register.all() == []
