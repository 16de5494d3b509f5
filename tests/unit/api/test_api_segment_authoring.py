"""Creating, changing, deleting and previewing segments over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdp.store.memory import InMemoryStore
from segments.document import json_schema
from tests.unit.api.segment_workshop import CONSENT, GERMAN, Workshop, ids, put, workshop
from tests.unit.segments.segment_strategies import HOSTILE
from tests.unit.segments.test_segment_hostile import POSITIONS, with_text

URL = "/v1/segments"


@pytest.fixture
def shop(world: tuple[InMemoryStore, Path]) -> Iterator[Workshop]:
    with workshop(world[1]) as made:
        yield made


@pytest.fixture
def writer(shop: Workshop) -> Any:
    return shop.caller()


@pytest.mark.parametrize(
    ("method", "url", "scope"),
    [
        ("POST", URL, "segments:write"),
        ("PUT", f"{URL}/german", "segments:write"),
        ("DELETE", f"{URL}/german", "segments:write"),
        ("POST", f"{URL}/preview", "segments:read"),
        ("GET", f"{URL}/schema", "segments:read"),
        ("GET", f"{URL}/shipped_one", "segments:read"),
        ("GET", f"{URL}/shipped_one/versions", "segments:read"),
    ],
)
def test_access(shop: Workshop, method: str, url: str, scope: str) -> None:
    assert shop.client.request(method, url, json=GERMAN).status_code == 401
    other = {"segments:read", "segments:write", "profiles:read"} - {scope}
    answer = shop.caller(*other).request(method, url, json=GERMAN)
    assert answer.status_code == 403 and scope in answer.json()["detail"]


class TestCreate:
    def test_it_is_there_at_once(self, shop: Workshop, writer: Any) -> None:
        answer = writer.post(URL, json={**GERMAN, "tags": ["geo"], "owner": "Ann", "description": "Who lives there."})
        german, reached = shop.people("country = 'DE'"), shop.people(f"country = 'DE' and {CONSENT}")
        assert answer.status_code == 201
        assert (answer.headers["ETag"], answer.headers["Location"]) == ('"v1"', "/v1/segments/german")
        found = answer.json()
        assert (found["size"], found["exportable"]) == (len(german), len(reached))
        assert (found["origin"], found["version"], found["problem"], found["blocking"]) == ("user", 1, None, [])
        assert found["text"] == "trait.country = 'DE'" and "DE" in found["sentence"]
        assert found["definition"]["tags"] == ["geo"] and found["definition"]["author"].startswith("key:")
        assert ids(writer.get(f"{URL}/german/members")) == german
        told = writer.get(f"{URL}/german/changes").json()["data"]
        assert [(one["change"], one["profile_id"], one["reason"]) for one in told] == [
            ("entered", one, "definition") for one in reached
        ]
        same = writer.get(f"{URL}/german")
        assert same.json() == found and same.headers["ETag"] == '"v1"'
        assert [row["key"] for row in writer.get(URL).json()["data"]] == ["german", "shipped_one"]

    def test_the_tree_is_the_same_as_the_text(self, writer: Any) -> None:
        tree = {"type": "trait", "trait": "country", "op": "=", "value": "DE"}
        first = writer.post(URL, json=GERMAN).json()
        second = writer.post(URL, json={**GERMAN, "key": "tree", "where": tree}).json()
        assert first["definition"]["where"] == second["definition"]["where"] == tree
        assert first["text"] == second["text"] and first["size"] == second["size"]

    @pytest.mark.parametrize(
        ("changes", "field", "said"),
        [
            ({"where": "trait.contry = 'DE'"}, "where.trait", "Did you mean country?"),
            ({"where": "event('Home Viewd')"}, "where.event", "Did you mean Home Viewed?"),
            ({"where": "trait.revenue = 'much'"}, "where.value", "a number is needed here."),
            ({"where": "everyone and segment('germn')"}, "where.of[1]", "there is no segment germn."),
            ({"where": {"type": "trait"}}, "where.op", "is missing."),
            ({"where": {"type": "trayt"}}, "where.type", "there is no such condition."),
            ({"where": "trait.country ="}, "where", "line 1, column"),
            ({"key": "Ä b"}, "key", "lower-case letters"),
            ({"key": "schema"}, "key", "address of the API"),
            ({"purpose": "spam"}, "purpose", "none of the allowed values"),
            ({"colour": "red"}, "colour", "is not a field here."),
            ({"title": ""}, "title", "at least 1 character"),
        ],
    )
    def test_faults_are_told_by_path(self, shop: Workshop, writer: Any, changes: Any, field: str, said: str) -> None:
        answer = writer.post(URL, json={**GERMAN, **changes})
        problem = answer.json()
        assert answer.status_code == 422 and answer.headers["content-type"] == "application/problem+json"
        assert problem["type"] == "urn:wayfinder:problem:segment-definition-is-wrong"
        told = f"{problem['errors'][0]['field']}: {problem['errors'][0]['message']}"
        assert told.startswith(field) and said in told
        if field.endswith(("trait", "event", "type")) and "missing" not in said:
            assert {"where.trait": "country", "where.event": "Home Viewed", "where.type": "trait"}[field] in problem[
                "errors"
            ][0]["allowed"]
        assert shop.store.segmentation.definitions() == []

    def test_several_faults_at_once(self, writer: Any) -> None:
        where = "trait.contry = 'DE' and trait.revenue = 'much' and event('Nothing')"
        errors = writer.post(URL, json={**GERMAN, "where": where}).json()["errors"]
        assert [one["field"] for one in errors] == ["where.of[0].trait", "where.of[1].value", "where.of[2].event"]

    def test_keys_that_are_taken(self, writer: Any) -> None:
        assert writer.post(URL, json=GERMAN).status_code == 201
        for key in ("german", "vip"):
            assert writer.post(URL, json={**GERMAN, "key": key}).status_code == 409

    @pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"null", b"\xff", b'"text"', b"[" * 50_000])
    def test_bodies_that_are_no_document(self, writer: Any, body: bytes) -> None:
        answer = writer.post(URL, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/problem+json"

    def test_trees_of_a_thousand_conditions(self, shop: Workshop, writer: Any) -> None:
        many = {
            "type": "or",
            "of": [{"type": "trait", "trait": "purchases", "op": "=", "value": n} for n in range(1000)],
        }
        answer = writer.post(URL, json={**GERMAN, "where": many})
        assert answer.status_code == 201 and answer.json()["size"] == 40
        assert writer.post(f"{URL}/preview", json={"where": many}).json()["size"] == 40

    def test_trees_that_are_too_large_or_too_deep(self, writer: Any) -> None:
        deep: Any = {"type": "everyone"}
        for _ in range(100):
            deep = {"type": "not", "of": deep}
        broad = {"type": "or", "of": [{"type": "everyone"}] * 5001}
        for where, said in ((deep, "nested deeper"), (broad, "more than 5,000")):
            answer = writer.post(URL, json={**GERMAN, "where": where})
            assert answer.status_code == 422 and said in answer.json()["errors"][0]["message"]
        assert writer.post(URL, json={**GERMAN, "description": "x" * 1_100_000}).status_code == 413

    def test_an_unknown_name_a_thousand_times_is_told_briefly(self, writer: Any) -> None:
        many = {"type": "or", "of": [{"type": "trait", "trait": f"t{n}", "op": "is known"} for n in range(1000)]}
        answer = writer.post(URL, json={**GERMAN, "where": many})
        assert answer.status_code == 422 and len(answer.json()["errors"]) == 50


class TestHostile:
    @pytest.mark.parametrize("number", range(0, len(HOSTILE), 4))
    def test_texts_in_positions_are_values_or_refused(self, shop: Workshop, writer: Any, number: int) -> None:
        """Some texts in some of the positions: together each text and each position is tried."""
        for text in HOSTILE[number : number + 4]:
            _send_hostile(shop, writer, text, HOSTILE.index(text) % 8)

    @pytest.mark.slow
    @pytest.mark.parametrize("text", HOSTILE)
    def test_a_text_in_every_position_is_a_value_or_refused(self, shop: Workshop, writer: Any, text: str) -> None:
        _send_hostile(shop, writer, text, None)


def _send_hostile(shop: Workshop, writer: Any, text: str, part: int | None) -> None:
    """Create and preview definitions with the text in every position, or in an eighth of them."""
    before = shop.rows("select count(*), count(distinct country) from marts.profiles")
    documents = [{**GERMAN, "where": with_text(position, text)} for position in POSITIONS]
    documents += [{**GERMAN, name: text} for name in ("key", "title", "description", "owner", "author", "purpose")]
    documents += [{**GERMAN, "tags": [text]}, {**GERMAN, "where": text}, {**GERMAN, text or "x": 1}]
    documents = documents if part is None else documents[part::8]
    for number, content in enumerate(documents):
        body = json.dumps(
            {**content, "key": f"k{HOSTILE.index(text)}_{number}"} if content["key"] == "german" else content
        )
        answer = writer.post(URL, content=body.encode(), headers={"Content-Type": "application/json"})
        assert answer.status_code in (201, 422), (content, answer.text)
        previewed = json.dumps({"where": content["where"]}).encode()
        shown = writer.post(f"{URL}/preview", content=previewed, headers={"Content-Type": "application/json"})
        assert shown.status_code in (200, 422), content
    assert shop.rows("select count(*), count(distinct country) from marts.profiles") == before
    for row in writer.get(f"{URL}?limit=500").json()["data"]:
        assert row["size"] <= 40
        assert writer.get(f"{URL}/{row['key']}").json() == row


class TestChange:
    @pytest.fixture(autouse=True)
    def _created(self, writer: Any) -> None:
        assert writer.post(URL, json=GERMAN).status_code == 201

    def test_it_needs_the_version_that_was_read(self, shop: Workshop, writer: Any) -> None:
        french = {**GERMAN, "where": "trait.country = 'FR'"}
        assert put(writer, "german", french, None).status_code == 428
        for tag in ('"v2"', "v1", 'W/"v1"', '"x"', "1", ""):
            assert put(writer, "german", french, tag).status_code in (412, 428), tag
        answer = put(writer, "german", french, '"v9", "v1"')
        assert (answer.status_code, answer.headers["ETag"], answer.json()["version"]) == (200, '"v2"', 2)
        assert ids(writer.get(f"{URL}/german/members")) == shop.people("country = 'FR'")
        stale = put(writer, "german", GERMAN, '"v1"')
        assert stale.status_code == 412 and '"v2"' in stale.json()["detail"]
        assert stale.json()["type"] == "urn:wayfinder:problem:version-does-not-match"
        assert put(writer, "german", GERMAN, "*").json()["version"] == 3

    def test_what_was_read_can_be_sent_back(self, writer: Any) -> None:
        read = writer.get(f"{URL}/german").json()["definition"]
        same = put(writer, "german", read, '"v1"')
        assert (same.status_code, same.headers["ETag"]) == (200, '"v1"')
        changed = put(writer, "german", {**read, "title": "Germans"}, '"v1"')
        assert (changed.json()["title"], changed.headers["ETag"]) == ("Germans", '"v2"')
        old = put(writer, "german", {**read, "title": "Old"}, '"v2"')
        assert old.status_code == 412

    def test_faults_change_nothing(self, writer: Any) -> None:
        assert put(writer, "german", {**GERMAN, "where": "trait.x = 1"}, '"v1"').status_code == 422
        assert put(writer, "german", {**GERMAN, "key": "other"}, '"v1"').status_code == 422
        circle = put(writer, "german", {**GERMAN, "where": "segment('german')"}, '"v1"')
        assert circle.status_code == 422 and "in a circle: german → german" in circle.json()["detail"]
        assert writer.get(f"{URL}/german").headers["ETag"] == '"v1"'

    def test_shipped_and_unknown_ones(self, writer: Any) -> None:
        assert put(writer, "shipped_one", {**GERMAN, "key": "shipped_one"}, '"v1"').status_code == 409
        unknown = put(writer, "germ", {**GERMAN, "key": "germ"}, '"v1"')
        assert unknown.status_code == 404
        assert "Did you mean german?" in writer.get(f"{URL}/germn").json()["detail"]

    def test_two_writers_at_the_same_version(self, writer: Any) -> None:
        answers = [put(writer, "german", {**GERMAN, "title": title}, '"v1"').status_code for title in ("A", "B")]
        assert answers == [200, 412]
        assert writer.get(f"{URL}/german").json()["title"] == "A"

    def test_versions(self, writer: Any) -> None:
        for number in range(1, 4):
            put(writer, "german", {**GERMAN, "title": f"German {number}"}, f'"v{number}"')
        found = writer.get(f"{URL}/german/versions?limit=3").json()
        assert [(one["version"], one["definition"]["title"]) for one in found["data"]] == [
            (4, "German 3"), (3, "German 2"), (2, "German 1"),
        ]  # fmt: skip
        rest = writer.get(f"{URL}/german/versions", params={"cursor": found["next_cursor"], "limit": 3}).json()
        assert [one["version"] for one in rest["data"]] == [1] and rest["next_cursor"] is None
        assert writer.get(f"{URL}/shipped_one/versions").json()["data"] == []
        assert writer.get(f"{URL}/nothing/versions").status_code == 404

    def test_reads_and_writes_are_audited(self, shop: Workshop, writer: Any) -> None:
        put(writer, "german", {**GERMAN, "title": "Germans"}, '"v1"')
        writer.post(f"{URL}/preview", json={"where": "everyone"})
        writer.request("DELETE", f"{URL}/german", headers={"If-Match": '"v2"'})
        shop.client.app.state.services.audit.flush()
        found = [row.entry for row in shop.store.audit_rows(limit=100) if row.entry.action.startswith("segment.")]
        assert [(one.action, one.object) for one in found] == [
            ("segment.create", "german"), ("segment.change", "german"), ("segment.preview", "preview"),
            ("segment.delete", "german"),
        ]  # fmt: skip
        assert found[1].detail == {"version": 2} and found[1].actor.startswith("key:")


class TestDelete:
    def test_everybody_leaves_and_the_past_stays(self, shop: Workshop, writer: Any) -> None:
        writer.post(URL, json=GERMAN)
        reached = shop.people(f"country = 'DE' and {CONSENT}")
        assert writer.request("DELETE", f"{URL}/german").status_code == 428
        assert writer.request("DELETE", f"{URL}/german", headers={"If-Match": '"v7"'}).status_code == 412
        gone = writer.request("DELETE", f"{URL}/german", headers={"If-Match": '"v1"'})
        assert (gone.status_code, gone.content) == (204, b"")
        assert writer.get(f"{URL}/german").status_code == 404
        assert writer.get(f"{URL}/german/members").status_code == 404
        told = writer.get(f"{URL}/german/changes").json()["data"][len(reached) :]
        assert [(one["change"], one["profile_id"], one["reason"]) for one in told] == [
            ("exited", one, "deleted") for one in reached
        ]
        assert [one["deleted"] for one in writer.get(f"{URL}/german/versions").json()["data"]] == [True, False]
        assert writer.request("DELETE", f"{URL}/german", headers={"If-Match": '"v2"'}).status_code == 404
        mistyped = put(writer, "shipped_on", GERMAN, "*")
        assert mistyped.status_code == 404 and "Did you mean shipped_one?" in mistyped.json()["detail"]
        again = writer.post(URL, json=GERMAN)
        assert (again.status_code, again.headers["ETag"]) == (201, '"v3"')

    def test_while_others_refer_to_it(self, writer: Any) -> None:
        writer.post(URL, json=GERMAN)
        writer.post(URL, json={**GERMAN, "key": "rich", "where": "segment('german') and trait.revenue > 5"})
        answer = writer.request("DELETE", f"{URL}/german", headers={"If-Match": '"v1"'})
        assert answer.status_code == 409 and "rich" in answer.json()["detail"]

    def test_shipped_ones_stay(self, writer: Any) -> None:
        assert writer.request("DELETE", f"{URL}/shipped_one", headers={"If-Match": "*"}).status_code == 409


class TestPreview:
    WHERE = "trait.country = 'DE' and trait.marketing_consent = true"

    def test_it_says_what_creating_would_do(self, shop: Workshop, writer: Any) -> None:
        found = writer.post(f"{URL}/preview", json={"where": self.WHERE}).json()
        created = writer.post(URL, json={**GERMAN, "where": self.WHERE}).json()
        assert (found["size"], found["exportable"]) == (created["size"], created["exportable"])
        assert (found["sentence"], found["text"], found["blocking"]) == (
            created["sentence"], created["text"], created["blocking"],
        )  # fmt: skip
        assert found["profiles"] == 40 and found["share"] == found["size"] / 40
        german = len(shop.people("country = 'DE'"))
        assert [(one["remaining"], one["removed"]) for one in found["drop_off"]] == [
            (german, 40 - german), (found["size"], german - found["size"]),
        ]  # fmt: skip
        assert found["reachable"]["email"] == len(shop.people(f"country = 'DE' and {CONSENT} and email is not null"))
        assert found["seconds"] > 0 and shop.store.list_segments()[0].key == "german"

    def test_overlap_with_some_or_all(self, writer: Any) -> None:
        writer.post(URL, json=GERMAN)
        body = {"where": "trait.country in ('DE', 'FR')", "overlap": ["german"]}
        found = writer.post(f"{URL}/preview", json=body).json()["overlap"]
        assert [(one["key"], one["both"]) for one in found] == [("german", found[0]["size"])]
        writer.post(URL, json={**GERMAN, "key": "french", "where": "trait.country = 'FR'"})
        every = writer.post(f"{URL}/preview", json={**body, "overlap": "all"}).json()["overlap"]
        assert {one["key"] for one in every} == {"german", "french"}
        unknown = writer.post(f"{URL}/preview", json={**body, "overlap": ["germn"]})
        assert unknown.status_code == 422 and "germn" in unknown.json()["detail"]

    def test_the_sample_is_masked(self, shop: Workshop, writer: Any) -> None:
        body = {"where": "everyone", "sample": 3}
        shown = writer.post(f"{URL}/preview", json=body).json()["sample"]
        assert len(shown) == 3 and all(person["email"].endswith("***@***.org") for person in shown)
        hidden = shop.caller("segments:read").post(f"{URL}/preview", json=body).json()["sample"]
        assert {(person["email"], person["initials"]) for person in hidden} == {("***", "***")}
        assert writer.post(f"{URL}/preview", json={**body, "sample": 0}).json()["sample"] == []
        for wrong in ({"sample": 21}, {"sample": True}, {"overlap": "some"}, {"overlap": [1]}):
            assert writer.post(f"{URL}/preview", json={**body, **wrong}).status_code == 422

    def test_what_stands_in_the_way_of_single_profiles(self, writer: Any) -> None:
        found = writer.post(f"{URL}/preview", json={"where": "top 10% by trait.revenue"}).json()
        assert found["blocking"] == ["where: top 10 % by revenue depends on all other profiles"]


def test_the_schema_is_that_of_the_documents(shop: Workshop, writer: Any) -> None:
    answer = writer.get(f"{URL}/schema")
    assert answer.json() == json_schema()
    assert answer.headers["content-type"] == "application/schema+json"
