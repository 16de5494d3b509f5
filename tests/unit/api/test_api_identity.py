"""Identity over HTTP: who may, what is asked and decided, what is told, what becomes of ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from cdp.settings import load_settings
from cdp.store import keys
from cdp.store.memory import InMemoryStore
from tests.support.client import Client
from tests.support.identity_world import IdentityWorld
from tests.support.publications import profile_id
from tests.unit.api.conftest import lower

REVIEW, DECISIONS = "/v1/identity/review", "/v1/identity/decisions"
EXPLAIN = "/v1/identity/explain?record_a=sales:c003&record_b=web:u003"
READS = [REVIEW, DECISIONS, f"{DECISIONS}/x", EXPLAIN]
WRITES = [DECISIONS, f"{DECISIONS}/x/withdraw"]
HISTORY = f"/v1/profiles/{profile_id(1)}/history"
# What the people of the shop are called and how they are reached.
VALUES = ("dora", "birnbaum", "gmail", "2065551", "castellan")


class TestAccess:
    @pytest.mark.parametrize("url", [*READS, HISTORY])
    def test_anonymous_readers(self, client: Client, url: str) -> None:
        assert client.get(url).status_code == 401

    @pytest.mark.parametrize("url", WRITES)
    def test_anonymous_writers(self, client: Client, url: str) -> None:
        assert client.post(url, json={"kind": "merge", "a": "x:1", "b": "x:2"}).status_code == 401

    @pytest.mark.parametrize("url", READS)
    def test_readers_without_the_scope(self, client: Client, key: Callable[..., str], url: str) -> None:
        answer = client.by(key("profiles:read", "pii:read", "identity:write", "admin")).get(url)
        assert answer.status_code == 403 and "identity:read" in answer.json()["detail"]

    @pytest.mark.parametrize("url", WRITES)
    def test_writers_without_the_scope(self, client: Client, key: Callable[..., str], url: str) -> None:
        answer = client.by(key("identity:read", "pii:read", "admin")).post(url, json={})
        assert answer.status_code == 403 and "identity:write" in answer.json()["detail"]

    def test_history_is_for_who_may_see_profiles(self, client: Client, key: Callable[..., str]) -> None:
        assert client.by(key("identity:read")).get(HISTORY).status_code == 403


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityWorld]:
    made = IdentityWorld.make(tmp_path_factory.mktemp("identity") / "home", InMemoryStore())
    yield made
    made.shop.connection.close()


@pytest.fixture(scope="module")
def app(people: IdentityWorld) -> Iterator[Client]:
    settings = load_settings(home=people.warehouse.parent, memory_limit="1GB")
    with Client(create_app(settings, store=people.store, normalise=lower)) as client:
        yield client


@pytest.fixture
def reader(app: Client, people: IdentityWorld) -> Client:
    return app.by(
        keys.create(people.store, "steward", ["identity:read", "identity:write", "profiles:read", "pii:read"])
    )


@pytest.fixture
def masked(app: Client, people: IdentityWorld) -> Client:
    return app.by(keys.create(people.store, "outsider", ["identity:read"]))


@pytest.fixture(autouse=True)
def nothing_decided(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test leaves no decision behind."""
    yield
    if "people" in request.fixturenames:
        log = request.getfixturevalue("people").store.decisions
        log.forget({record for d in log.listed() for link in d.links for record in (link.record_a, link.record_b)})


def merge(client: Client, a: str = "sales:c000", b: str = "sales:c003", **more: Any) -> dict[str, Any]:
    answer = client.post(DECISIONS, json={"kind": "merge", "a": a, "b": b, **more})
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


class TestDeciding:
    def test_a_decision_is_accepted_for_the_next_run(self, reader: Client, people: IdentityWorld) -> None:
        answer = reader.post(DECISIONS, json={"kind": "merge", "a": "sales:c000", "b": "sales:c003", "note": "papers"})
        decision = answer.json()
        assert answer.status_code == 202
        assert answer.headers["location"] == f"{DECISIONS}/{decision['decision_id']}"
        assert (decision["kind"], decision["effective"], decision["withdrawn"]) == ("merge", "next run", None)
        assert decision["author"]["note"] == "papers" and decision["author"]["name"].startswith("key:")
        assert {link["kind"] for link in decision["links"]} == {"always"}
        assert reader.get(answer.headers["location"]).json() == decision
        audited = [row for row in self.audit(reader, people) if row == ("identity.merge", decision["decision_id"])]
        assert len(audited) == 1

    def audit(self, reader: Client, people: IdentityWorld) -> list[tuple[str, str]]:
        reader.app.state.services.audit.flush()
        return [(row.entry.action, row.entry.object) for row in people.store.audit_rows(limit=100_000)]

    def test_withdrawing(self, reader: Client) -> None:
        decision = merge(reader)
        url = f"{DECISIONS}/{decision['decision_id']}/withdraw"
        answer = reader.post(url, json={"note": "an error"})
        assert answer.status_code == 202
        assert answer.json()["effective"] == "no more" and answer.json()["withdrawn"]["note"] == "an error"
        assert reader.post(url).status_code == 409
        assert reader.post(f"{DECISIONS}/no-such/withdraw").status_code == 404

    def test_pages_of_decisions(self, reader: Client) -> None:
        made = [
            reader.post(DECISIONS, json={"kind": "different", "record_a": "sales:c000", "record_b": f"sales:c00{n}"})
            for n in range(1, 6)
        ]
        reader.post(f"{DECISIONS}/{made[0].json()['decision_id']}/withdraw")
        seen, cursor = [], None
        while True:
            page = reader.get(DECISIONS, params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
            seen += [row["decision_id"] for row in page["data"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == [answer.json()["decision_id"] for answer in reversed(made)]
        assert len(reader.get(DECISIONS, params={"active": True}).json()["data"]) == 4

    def test_contradictions_name_the_path(self, reader: Client) -> None:
        first = merge(reader)
        answer = reader.post(DECISIONS, json={"kind": "different", "record_a": "sales:c000", "record_b": "sales:c003"})
        assert answer.status_code == 409
        for named in ("sales:c000", "sales:c003", first["decision_id"], "Withdraw"):
            assert named in answer.json()["detail"]
        assert reader.post(DECISIONS, json={"kind": "merge", "a": "sales:c003", "b": "web:u000"}).status_code == 409

    @pytest.mark.parametrize(
        ("body", "status", "named"),
        [
            ({}, 422, "body"),
            ({"kind": "guess"}, 422, "body"),
            ({"kind": "merge", "a": "sales:c000"}, 422, "b"),
            ({"kind": "merge", "a": "sales:c000", "b": "sales:c003", "c": 1}, 422, "body"),
            ({"kind": "merge", "a": 17, "b": "sales:c003"}, 422, "a"),
            ({"kind": "merge", "a": "sales:c000", "b": "sales:c003", "note": "n" * 2001}, 422, "note"),
            ({"kind": "merge", "a": "sales:c000", "b": "sales:none"}, 404, "sales:none"),
            ({"kind": "merge", "a": "sales:c000", "b": "web:u000"}, 422, "one profile already"),
            ({"kind": "split", "profile": "sales:c003", "records": []}, 422, "records"),
            ({"kind": "split", "profile": "sales:c003", "records": ["sales:c001"]}, 422, "sales:c001"),
            ({"kind": "split", "profile": "web:u002", "records": ["sales:c002", "web:u002"]}, 422, "not all"),
            ({"kind": "split", "profile": profile_id(4242), "records": ["sales:c001"]}, 404, profile_id(4242)),
            ({"kind": "same", "record_a": "c000", "record_b": "sales:c003"}, 422, "record_a"),
            ({"kind": "different", "record_a": "sales:c000", "record_b": "sales:c000"}, 422, "two different"),
        ],
    )  # fmt: skip
    def test_mistakes_are_one_sentence(
        self, reader: Client, people: IdentityWorld, body: dict[str, Any], status: int, named: str
    ) -> None:
        answer = reader.post(DECISIONS, json=body)
        assert answer.status_code == status and named in answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert people.store.decisions.listed() == []


class TestReview:
    def test_what_was_answered_is_not_asked_again(self, reader: Client) -> None:
        first = reader.get(REVIEW).json()["data"][0]
        body = {"kind": "different", "record_a": first["record_a"], "record_b": first["record_b"]}
        assert reader.post(DECISIONS, json=body).status_code == 202
        assert first not in reader.get(REVIEW).json()["data"]

    def test_pages(self, reader: Client) -> None:
        whole = reader.get(REVIEW, params={"limit": 500}).json()["data"]
        paged, cursor = [], None
        while True:
            page = reader.get(REVIEW, params={"limit": 1, **({"cursor": cursor} if cursor else {})}).json()
            paged += page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert paged == whole and len(whole) >= 1
        assert reader.get(DECISIONS, params={"cursor": "nonsense"}).status_code == 422


class TestExplaining:
    def test_words_weights_and_the_way(self, reader: Client) -> None:
        told = reader.get(EXPLAIN).json()
        assert told["profile_a"] == told["profile_b"] and told["probability"] > 0.9
        assert told["path"][0]["record_a"] == "sales:c003"
        total = told["start_strangers"] + sum(part["against_strangers"] + part["rarity"] for part in told["parts"])
        assert total == pytest.approx(told["against_strangers"], abs=0.01)
        shown = {field["field"]: (field["a"], field["b"]) for field in told["fields"]}
        assert shown["given"] == ("dora", "dora")

    def test_values_are_masked_and_reading_is_audited(self, masked: Client, people: IdentityWorld) -> None:
        answer = masked.get(EXPLAIN)
        assert answer.status_code == 200
        assert {field["a"] for field in answer.json()["fields"]} <= {"***", None}
        assert not [value for value in VALUES if value in answer.text.lower()]
        masked.app.state.services.audit.flush()
        rows = people.store.audit_rows(object=answer.json()["profile_a"], limit=100_000)
        assert [(row.entry.action, row.entry.detail) for row in rows][-1] == ("identity.explain", {"personal": False})

    def test_what_cannot_be_explained(self, reader: Client) -> None:
        url = "/v1/identity/explain"
        assert reader.get(url, params={"record_a": "sales:c003", "record_b": "sales:none"}).status_code == 404
        assert reader.get(url, params={"record_a": "sales:c003", "record_b": "sales:c003"}).status_code == 422
        assert reader.get(url, params={"record_a": "c003", "record_b": "sales:c003"}).status_code == 422
        assert reader.get(url, params={"record_a": "sales:c003"}).status_code == 422


def test_a_decision_from_writing_to_the_former_id_restored(tmp_path: Path) -> None:
    """Merge, run, redirect; withdraw, run, and the former id lives again."""
    world = IdentityWorld.make(tmp_path / "home", InMemoryStore())
    settings = load_settings(home=tmp_path / "home", memory_limit="1GB")
    with Client(create_app(settings, store=world.store, normalise=lower)) as app:
        steward = app.by(keys.create(world.store, "steward", ["identity:read", "identity:write", "profiles:read"]))
        before = world.shop.ids()
        decision = merge(steward)
        assert steward.get(f"/v1/profiles/{before['sales:c003']}").status_code == 200
        world.run()
        assert steward.get(f"{DECISIONS}/{decision['decision_id']}").json()["effective"] == "now"
        living = world.shop.profile("sales:c000")
        lost = ({before["sales:c000"], before["sales:c003"]} - {living}).pop()
        moved = steward.get(f"/v1/profiles/{lost}")
        assert moved.status_code == 301 and moved.json()["merged_into"] == living
        assert moved.headers["location"] == f"/v1/profiles/{living}"

        # The heir is merged away too: the first id leads to the living one at once.
        merge(steward, living, "sales:c005")
        world.run()
        last = world.shop.profile("sales:c000")
        gone = {before["sales:c000"], before["sales:c003"], before["sales:c005"]} - {last}
        assert {steward.get(f"/v1/profiles/{one}").json()["merged_into"] for one in gone} == {last}
        told = steward.get(f"/v1/profiles/{lost}/history").json()
        assert (told["status"], told["lives_on_as"]) == ("merged", last)
        assert [event["kind"] for event in told["events"] if event["profile_id"] == lost] == ["created", "merged"]

        for row in steward.get(DECISIONS, params={"active": True}).json()["data"]:
            assert (
                steward.post(f"{DECISIONS}/{row['decision_id']}/withdraw").json()["effective"] == "until the next run"
            )
        world.run()
        assert world.shop.ids() == before
        assert steward.get(f"/v1/profiles/{lost}").status_code == 200
        kinds = [e["kind"] for e in steward.get(f"/v1/profiles/{lost}/history").json()["events"]]
        assert kinds[-1] == "restored"
        assert steward.get(f"/v1/profiles/{profile_id(4242)}/history").status_code == 404
    world.shop.connection.close()
