"""The journey map over HTTP."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from api.shelf import AnswerShelf
from cdp.errors import InputError
from journeys.map.fonts import CJK_PACKAGE
from segments import document
from tests.support.client import Client
from tests.support.publications import profile_id
from tests.unit.api.conftest import CANARIES

MAP = "/v1/journeys/map"


class TestMap:
    def test_anonymous(self, client: Client) -> None:
        assert client.get(MAP).status_code == 401

    def test_missing_scope(self, client: Client, key: Callable[..., str]) -> None:
        answer = client.by(key("profiles:read", "pii:read")).get(MAP)
        assert answer.status_code == 403 and "journeys:read" in answer.json()["detail"]

    def test_as_json(self, masked: Client) -> None:
        answer = masked.get(MAP)
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
        found = answer.json()
        assert found["as_of"] == "2026-01-01T00:00:00Z"
        assert [stage["stage"] for stage in found["stages"]][:3] == ["awareness", "consideration", "decision"]
        assert not [canary for canary in CANARIES if canary in answer.text]

    def test_as_svg(self, masked: Client) -> None:
        answer = masked.get(MAP, params={"format": "svg", "lang": "zh"})
        assert answer.status_code == 200 and answer.headers["content-type"] == "image/svg+xml"
        assert ElementTree.fromstring(answer.text).tag.endswith("svg")
        assert "sandbox" in answer.headers["content-security-policy"]

    @pytest.mark.parametrize(
        ("file_format", "begin"),
        [("html", b"<!doctype html>"), ("xlsx", b"PK"), ("mermaid", b"---"), ("png", b"\x89PNG"), ("pdf", b"%PDF")],
    )
    def test_in_every_format(self, masked: Client, file_format: str, begin: bytes) -> None:
        answer = masked.get(MAP, params={"format": file_format, "compare": "segment:new"})
        assert answer.status_code == 200 and answer.content.startswith(begin)
        if file_format == "html":
            assert "sandbox allow-scripts" in answer.headers["content-security-policy"]
            assert "GET /v1/journeys/map/people?node=people.use.now" in answer.text

    def test_chinese_without_a_font_names_the_package(self, masked: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        answer = masked.get(MAP, params={"format": "png", "lang": "zh"})
        assert answer.status_code == 422 and CJK_PACKAGE in answer.json()["detail"]

    def test_every_number_has_its_query(self, masked: Client) -> None:
        found = masked.get(MAP).json()
        for name, number in found["numbers"].items():
            assert {"value", "n", "low", "high", "unit", "query", "models"} <= set(number), name
            assert "select" in found["queries"][number["query"]]["sql"], name

    def test_of_a_segment(self, masked: Client) -> None:
        found = masked.get(MAP, params={"segment": "new"}).json()
        assert found["segment"] == "New" and found["audience"]["segment"] == "new"
        assert "audience" in found["queries"]
        assert masked.get(MAP, params={"segment": "no-such"}).status_code == 404

    @pytest.mark.parametrize("wrong", ["format=exe", "lang=xx", "format=", f"segment={'x' * 300}"])
    def test_wrong_choices(self, masked: Client, wrong: str) -> None:
        assert masked.get(f"{MAP}?{wrong}").status_code == 422


FUNNEL = {"steps": [{"events": ["awareness"]}, {"events": ["consideration"]}, {"events": ["decision"]}], "window": "7d"}
PATHS = {"start": {"events": ["home"]}, "depth": 3, "collapse": False}
GETS = ("transitions", "transitions?of=touchpoint_type&unit=visit", "happy-path")
PEOPLE = 40


def asked(client: Client, question: str, **more: Any) -> Any:
    """The answer to a GET question, or to a funnel or paths."""
    bodies = {"funnel": FUNNEL, "paths": PATHS, "attribution": {}}
    if question in bodies:
        return client.post(f"/v1/journeys/{question}", json={**bodies[question], **more})
    return client.get(f"/v1/journeys/{question}")


class TestQuestions:
    @pytest.mark.parametrize("question", ["funnel", "paths", "attribution", "value", *GETS])
    def test_anonymous_and_missing_scope(self, client: Client, key: Callable[..., str], question: str) -> None:
        assert asked(client, question).status_code == 401
        assert asked(client.by(key("segments:read")), question).status_code == 403

    @pytest.mark.parametrize("question", ["funnel", "paths", "attribution", *GETS])
    def test_an_answer_can_be_traced(self, masked: Client, question: str) -> None:
        answer = asked(masked, question)
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
        found = answer.json()
        assert set(found) == {"as_of", "audience", "people", "result", "compare"} and found["people"] == PEOPLE
        assert all("select" in query["sql"] and query["models"] for query in found["result"]["queries"].values())
        assert not [canary for canary in CANARIES if canary in answer.text]

    def test_funnel(self, masked: Client) -> None:
        found = asked(masked, "funnel").json()["result"]
        assert [step["units"]["value"] for step in found["steps"]] == [PEOPLE] * 3
        assert found["median_seconds"]["value"] == 4 * 3600
        strict = {**FUNNEL, "window": 3600}
        found = masked.post("/v1/journeys/funnel", json=strict).json()["result"]
        assert [step["units"]["value"] for step in found["steps"]] == [PEOPLE, 0, 0]

    def test_two_audiences(self, masked: Client) -> None:
        found = asked(masked, "funnel", audience={"segment": "new"}, compare="empty").json()
        assert found["people"] == PEOPLE and found["compare"]["people"] == 0
        assert found["audience"]["segment_title"] == "New"
        assert found["compare"]["result"]["conversion"]["value"] is None

    def test_too_few_customers_are_said(self, masked: Client) -> None:
        answer = masked.get("/v1/journeys/value")
        assert answer.status_code == 422 and "bought again" in answer.json()["detail"]

    @pytest.mark.parametrize(
        ("body", "status", "words"),
        [
            ({**FUNNEL, "steps": FUNNEL["steps"][:1]}, 422, "at least two steps"),
            ({**FUNNEL, "window": "0d"}, 422, "longer than zero"),
            ({**FUNNEL, "window": 0}, 422, "longer than zero"),
            ({**FUNNEL, "window": "soon"}, 422, "window"),
            ({**FUNNEL, "mode": "loose"}, 422, "mode"),
            ({**FUNNEL, "surprise": 1}, 422, "not known here"),
            ({**FUNNEL, "audience": {"segment": "nwe"}}, 404, "did you mean `new`"),
            ({**FUNNEL, "audience": {"persona": "x"}}, 404, "no personas"),
            ({**FUNNEL, "audience": {"period": "2025"}}, 422, "no period"),
            ({**FUNNEL, "compare": "colour:red"}, 422, "cannot be compared"),
            ({**FUNNEL, "steps": [{"events": ["desicion"]}, {"events": ["use"]}]}, 422, "did you mean `decision`"),
        ],
    )
    def test_senseless_funnels(self, masked: Client, body: Any, status: int, words: str) -> None:
        answer = masked.post("/v1/journeys/funnel", json=body)
        assert answer.status_code == status
        assert words in answer.text

    @pytest.mark.parametrize(
        "address", ["transitions?of=mood", "transitions?of=stage&unit=visit", "happy-path?planned=awareness,hevaen",
                    "value?horizon_days=0", "transitions?who=new", "transitions?hours=9"]
    )  # fmt: skip
    def test_senseless_addresses(self, masked: Client, address: str) -> None:
        assert masked.get(f"/v1/journeys/{address}").status_code == 422


class TestPeople:
    def test_scopes(self, client: Client, key: Callable[..., str]) -> None:
        address = "/v1/journeys/transitions/people?node=decision>"
        assert client.get(address).status_code == 401
        for scope in ("journeys:read", "segments:read"):
            assert client.by(key(scope)).get(address).status_code == 403
        assert client.by(key("journeys:read", "segments:read")).get(address).status_code == 200

    def test_pages_of_people_behind_a_step(self, reader: Client) -> None:
        body = {**FUNNEL, "node": "step.2.reached"}
        seen: list[str] = []
        cursor: str | None = None
        while True:
            more = f"&cursor={cursor}" if cursor else ""
            page = reader.post(f"/v1/journeys/funnel/people?limit=15{more}", json=body).json()
            seen += page["data"]
            cursor = page["next_cursor"]
            assert page["size"] == PEOPLE and page["held_back"] == 0 and page["segment"] is None
            if cursor is None:
                break
        assert seen == [profile_id(number) for number in range(1, PEOPLE + 1)]
        other = {**FUNNEL, "node": "step.3.reached"}
        first = reader.post("/v1/journeys/funnel/people?limit=15", json=body).json()["next_cursor"]
        assert reader.post(f"/v1/journeys/funnel/people?cursor={first}", json=other).status_code == 422

    def test_a_segment_is_offered_where_it_says_the_same(self, reader: Client) -> None:
        page = reader.get("/v1/journeys/map/people?node=people.decision.now&segment=new").json()
        assert len(page["data"]) == PEOPLE
        stage = {"type": "stage", "stages": ["decision"]}
        assert page["segment"]["where"] == {"type": "and", "of": [{"type": "segment", "key": "new"}, stage]}
        document.parse({"key": "x", "title": "x", "where": page["segment"]["where"]})

    def test_other_questions(self, reader: Client) -> None:
        for address in ("transitions/people?node=awareness>consideration", "happy-path/people?node=begun",
                        "transitions/people?of=channel&node=web>web"):  # fmt: skip
            assert len(reader.get(f"/v1/journeys/{address}").json()["data"]) == PEOPLE
        body = {**PATHS, "node": "path.1"}
        assert len(reader.post("/v1/journeys/paths/people", json=body).json()["data"]) == PEOPLE

    def test_reading_people_is_audited(self, reader: Client) -> None:
        reader.get("/v1/journeys/map/people?node=people.use.now")
        rows: list[Any] = []
        for _ in range(50):
            rows = [row for row in reader.get("/v1/admin/audit").json()["data"] if row["action"] == "journey.people"]
            if any(row["object"] == "people.use.now" for row in rows):
                break
            time.sleep(0.1)
        assert any(row["object"] == "people.use.now" and row["detail"]["question"] == "map" for row in rows)

    @pytest.mark.parametrize(
        ("address", "status"),
        [("map/people?node=weather", 404), ("map/people?node=people.nowhere.now", 422), ("map/people", 422),
         ("transitions/people?node=a", 422), ("map/people?node=people.use.now&purpose=fun", 422),
         ("map/people?node=people.use.now&segment=no-such", 404)],
    )  # fmt: skip
    def test_senseless_nodes(self, reader: Client, address: str, status: int) -> None:
        assert reader.get(f"/v1/journeys/{address}").status_code == status


class TestShelf:
    async def _check(self) -> None:
        import asyncio

        shelf, built = AnswerShelf(size=2), []

        def build(name: str) -> Callable[[], object]:
            async def work() -> str:
                built.append(name)
                await asyncio.sleep(0)
                if name == "broken":
                    raise InputError("nobody")
                return name

            return work

        answers = await asyncio.gather(*[shelf.get("a", build("a")) for _ in range(3)])  # type: ignore[arg-type]
        assert answers == ["a"] * 3 and built == ["a"], "built once however many ask"
        for _ in range(2):
            with pytest.raises(InputError):
                await shelf.get("broken", build("broken"))  # type: ignore[arg-type]
        assert built == ["a", "broken", "broken"], "a failure is not kept"
        for name in ("b", "c", "a"):
            await shelf.get(name, build(name))  # type: ignore[arg-type]
        assert built[-1] == "a", "the one not asked for the longest went"

    def test_maps_are_built_once_and_kept(self) -> None:
        import asyncio

        asyncio.run(self._check())
