"""Profiles over HTTP: who may, what is shown, what happened to ids that are no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from cdp.store.memory import InMemoryStore
from tests.support.client import Client
from tests.support.publications import profile_id
from tests.unit.api.conftest import CANARIES, DOCUMENT

ONE = f"/v1/profiles/{profile_id(1)}"
READS = [ONE, f"{ONE}/events", f"{ONE}/journey", f"{ONE}/identifiers"]
Key = Callable[..., str]


def pages(client: Client, url: str) -> list[dict[str, Any]]:
    """All rows of a list, page by page."""
    rows, cursor = [], None
    joint = "&" if "?" in url else "?"
    while True:
        answer = client.get(f"{url}{joint}{urlencode({'cursor': cursor})}" if cursor else url).json()
        rows += answer["data"]
        cursor = answer["next_cursor"]
        if cursor is None:
            return rows


@pytest.mark.parametrize("url", READS)
class TestAccess:
    def test_anonymous(self, client: Client, url: str) -> None:
        answer = client.get(url)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"].startswith("Bearer")

    def test_missing_scope(self, client: Client, key: Key, url: str) -> None:
        answer = client.by(key("segments:read", "pii:read", "admin")).get(url)
        assert answer.status_code == 403
        assert "profiles:read" in answer.json()["detail"]

    @pytest.mark.parametrize("number", [7777, 901, 902, 903])
    def test_ids_that_are_not_living(self, reader: Client, url: str, number: int) -> None:
        answer = reader.get(url.replace(profile_id(1), profile_id(number)))
        assert answer.status_code == {7777: 404, 901: 301, 902: 410, 903: 410}[number]
        assert answer.json()["status"] == answer.status_code
        if number == 901:
            assert answer.json()["merged_into"] == profile_id(1)
            assert answer.headers["location"] == url
            assert answer.headers["cache-control"] == "no-store"


class TestProfile:
    def test_the_document_as_published_with_identifiers(self, reader: Client) -> None:
        answer = reader.get(ONE)
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
        found = answer.json()
        assert {name: found[name] for name in DOCUMENT} == DOCUMENT
        assert {(i["type"], i["value"]) for i in found["identifiers"]} == {
            ("email", "zqxmail@canary.example"), ("phone", "+41790000099"), ("user_id", "zqx-user"),
        }  # fmt: skip

    def test_masked_without_pii_read(self, masked: Client) -> None:
        answer = masked.get(ONE)
        found = answer.json()
        assert not [canary for canary in CANARIES if canary in answer.text]
        assert found["traits"]["first_name"] == "***"
        assert found["traits"]["region"] is None, "whether there is a value stays visible"
        assert (found["traits"]["country"], found["traits"]["purchases"]) == ("CH", 3)
        assert found["stage"] == DOCUMENT["stage"] and found["journey"] == DOCUMENT["journey"]
        assert [i["value"] for i in found["identifiers"]] == ["***"] * 3
        assert {i["type"] for i in found["identifiers"]} == {"email", "phone", "user_id"}

    def test_conditional_requests(self, reader: Client, masked: Client) -> None:
        tag = reader.get(ONE).headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = reader.get(ONE, headers={"If-None-Match": known})
            assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == tag
        assert reader.get(ONE, headers={"If-None-Match": '"other"'}).status_code == 200
        assert masked.get(ONE, headers={"If-None-Match": tag}).status_code == 200, "another view is another version"

    def test_answers_are_private(self, reader: Client) -> None:
        headers = reader.get(ONE).headers
        assert headers["cache-control"] == "private, no-cache"
        assert headers["vary"] == "Authorization, X-API-Key"

    def test_upper_case_ids_are_the_same_ids(self, reader: Client) -> None:
        assert reader.get(f"/v1/profiles/{profile_id(10).upper()}").status_code == 200

    @pytest.mark.parametrize("wrong", ["x", "zqxmail@canary.example", "1'--", "lookup"])
    def test_what_is_no_id(self, reader: Client, wrong: str) -> None:
        answer = reader.get(f"/v1/profiles/{wrong}")
        assert answer.status_code in (404, 405) and wrong not in answer.text

    def test_the_key_in_its_own_header(self, client: Client, key: Key) -> None:
        assert client.get(ONE, headers={"X-API-Key": key("profiles:read")}).status_code == 200


class TestLookup:
    URL = "/v1/profiles/lookup"

    def test_anonymous(self, client: Client) -> None:
        assert client.post(self.URL, json={"type": "email", "value": "a@b.example"}).status_code == 401

    def test_missing_scope(self, client: Client, key: Key) -> None:
        answer = client.by(key("segments:read")).post(self.URL, json={"type": "email", "value": "a@b.example"})
        assert answer.status_code == 403

    def test_normalised_like_in_the_sources(self, reader: Client) -> None:
        answer = reader.post(self.URL, json={"type": "email", "value": "  ZqxMail@canary.example "})
        assert answer.status_code == 200
        assert [found["profile_id"] for found in answer.json()["data"]] == [profile_id(1)]

    def test_masked_without_pii_read(self, masked: Client) -> None:
        answer = masked.post(self.URL, json={"type": "phone", "value": "+41790000099"})
        assert answer.status_code == 200
        assert not [canary for canary in CANARIES if canary in answer.text]

    def test_shared_identifiers_find_all(self, reader: Client) -> None:
        answer = reader.post(self.URL, json={"type": "phone", "value": "+41790000001"})
        assert [found["profile_id"] for found in answer.json()["data"]] == [profile_id(2), profile_id(3)]

    def test_nobody(self, reader: Client) -> None:
        answer = reader.post(self.URL, json={"type": "email", "value": "zqxnobody@canary.example"})
        assert answer.status_code == 404 and "zqxnobody" not in answer.text
        assert answer.json()["detail"] == "No profile carries this email."

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"type": "zqxkind", "value": "x"}, "body.type"),
            ({"type": "email"}, "body.value"),
            ({"type": "email", "value": ""}, "body.value"),
            ({"type": "email", "value": "zqx" * 500}, "body.value"),
            ({"type": "email", "value": 7}, "body.value"),
            ({"type": "email", "value": "x", "zqxextra": 1}, "body"),
            (["zqx"], "body"),
            (None, "body"),
        ],
    )
    def test_wrong_bodies_are_told_without_their_values(self, reader: Client, body: Any, field: str) -> None:
        answer = reader.post(self.URL, json=body)
        assert answer.status_code == 422, answer.text
        assert field in [error["field"] for error in answer.json()["errors"]]
        assert "zqx" not in answer.text

    def test_a_body_that_is_no_json(self, reader: Client) -> None:
        answer = reader.post(self.URL, content=b'{"type": "zqxmail', headers={"Content-Type": "application/json"})
        assert answer.status_code == 422 and "zqx" not in answer.text

    def test_a_body_that_is_too_large(self, reader: Client) -> None:
        headers = {"Content-Type": "application/json"}
        assert reader.post(self.URL, content=b" " * 70_000, headers=headers).status_code == 413

        async def endless() -> Any:
            for _ in range(100):
                yield b" " * 10_000

        answer = reader.post(self.URL, content=endless(), headers=headers)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"

    def test_half_a_character(self, reader: Client) -> None:
        answer = reader.post(
            self.URL, content=b'{"type": "email", "value": "\\ud800"}', headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in (404, 422)


class TestEvents:
    def test_newest_first(self, reader: Client) -> None:
        answer = reader.get(f"{ONE}/events").json()
        moments = [event["occurred_at"] for event in answer["data"]]
        assert len(moments) == 10 and moments == sorted(moments, reverse=True)
        assert moments[0] == "2025-06-01T14:00:00Z"
        assert answer["data"][-1]["stage"] == "awareness"
        assert answer["publication"] == {"run_id": "run-1", "as_of": "2026-01-01T00:00:00Z"}

    def test_pages_meet_also_where_moments_are_equal(self, reader: Client) -> None:
        whole = reader.get(f"{ONE}/events").json()["data"]
        for limit in (1, 3, 4):
            assert pages(reader, f"{ONE}/events?limit={limit}") == whole

    def test_a_profile_without_events(self, reader: Client, world: tuple[InMemoryStore, Path]) -> None:
        assert reader.get(f"/v1/profiles/{profile_id(40)}/events").json()["data"] != []

    @pytest.mark.parametrize("limit", ["0", "501", "x", "-1"])
    def test_limits(self, reader: Client, limit: str) -> None:
        answer = reader.get(f"{ONE}/events?limit={limit}")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "query.limit"


class TestJourney:
    def test_in_the_order_it_was_lived(self, reader: Client) -> None:
        whole = reader.get(f"{ONE}/journey").json()["data"]
        assert [(e["stage"], e["move"], e["is_open"]) for e in whole] == [
            ("awareness", "start", False), ("consideration", "forward", False), ("decision", "forward", True),
        ]  # fmt: skip
        assert whole[0]["left_at"] == whole[1]["entered_at"] and whole[-1]["left_at"] is None
        assert pages(reader, f"{ONE}/journey?limit=2") == whole


class TestIdentifiers:
    def test_all_and_paged(self, reader: Client) -> None:
        whole = reader.get(f"{ONE}/identifiers").json()["data"]
        assert len(whole) == 3 and pages(reader, f"{ONE}/identifiers?limit=1") == whole

    def test_masked_without_pii_read(self, masked: Client) -> None:
        answer = masked.get(f"{ONE}/identifiers?limit=1")
        assert answer.json()["data"][0]["value"] == "***"
        assert not [canary for canary in CANARIES if canary in answer.text]


class TestCursors:
    def test_another_lists_cursor_is_refused(self, reader: Client) -> None:
        cursor = reader.get(f"{ONE}/events?limit=1").json()["next_cursor"]
        for url in (f"{ONE}/journey", f"/v1/profiles/{profile_id(2)}/events", "/v1/segments"):
            answer = reader.get(url, params={"cursor": cursor})
            assert answer.status_code == 422 and "cursor" in answer.json()["detail"]

    @pytest.mark.parametrize("cursor", ["x", "*", "AAAA", "", "é", "A" * 601, "%00"])
    def test_invented_cursors_are_refused(self, reader: Client, cursor: str) -> None:
        assert reader.get(f"{ONE}/events", params={"cursor": cursor}).status_code == 422

    def test_a_changed_cursor_is_refused(self, reader: Client) -> None:
        cursor = reader.get(f"{ONE}/events?limit=1").json()["next_cursor"]
        for place in (0, len(cursor) // 2, len(cursor) - 2):
            changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
            assert reader.get(f"{ONE}/events", params={"cursor": changed}).status_code == 422


def test_reads_are_audited(reader: Client, client: Client, world: tuple[InMemoryStore, Path]) -> None:
    store = world[0]
    client.app.state.services.audit.flush()
    before = len(store.audit_rows(limit=10_000))
    for url in READS:
        reader.get(url)
    reader.post("/v1/profiles/lookup", json={"type": "email", "value": "zqxmail@canary.example"})
    client.get(ONE)
    client.app.state.services.audit.flush()
    rows = store.audit_rows(limit=10_000)[before:]
    assert [(row.entry.action, row.entry.object) for row in rows] == [
        ("profile.read", profile_id(1)), ("profile.events", profile_id(1)), ("profile.journey", profile_id(1)),
        ("profile.identifiers", profile_id(1)), ("profile.lookup", profile_id(1)),
    ]  # fmt: skip
    assert {row.entry.actor.split(":")[0] for row in rows} == {"key"}
    assert store.verify_audit() is None
    assert not [canary for canary in CANARIES if canary in json.dumps([vars(row.entry) for row in rows], default=str)]
