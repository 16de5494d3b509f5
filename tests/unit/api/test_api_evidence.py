"""Evidence over HTTP: who may ask, whom it is about, that it can be traced, and that the consent gate holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from segments import document
from tests.support.client import Client
from tests.support.publications import profile_id
from tests.unit.api.conftest import CANARIES

PEOPLE = 40
HOLDOUT = "holdout?key=letter&share=25"
PATHS = ("breaks", "touchpoints", "experiments", HOLDOUT, "feeling", "findings", "interventions")


@pytest.mark.parametrize("path", PATHS)
class TestAccess:
    def test_anonymous(self, client: Client, path: str) -> None:
        assert client.get(f"/v1/journeys/{path}").status_code == 401

    def test_missing_scope(self, client: Client, key: Callable[..., str], path: str) -> None:
        answer = client.by(key("profiles:read", "segments:read", "journeys:write")).get(f"/v1/journeys/{path}")
        assert answer.status_code == 403 and "journeys:read" in answer.json()["detail"]

    def test_an_answer_can_be_traced_and_holds_no_people(
        self, client: Client, key: Callable[..., str], path: str
    ) -> None:
        answer = client.by(key("journeys:read")).get(f"/v1/journeys/{path}")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["as_of"] == "2026-01-01T00:00:00Z" and found["people"] == PEOPLE and found["compare"] is None
        assert all("select" in query["statement"] and query["models"] for query in found["queries"].values())
        assert not [canary for canary in CANARIES if canary in answer.text]
        assert profile_id(1) not in answer.text

    def test_two_audiences(self, masked: Client, path: str) -> None:
        address = f"/v1/journeys/{path}{'&' if '?' in path else '?'}segment=new"
        found = masked.get(address if path == HOLDOUT else f"{address}&compare=segment:empty").json()
        assert found["audience"]["segment_title"] == "New" and "audience" in found["queries"]
        if path != HOLDOUT:
            assert found["compare"]["people"] == 0 and found["compare"]["audience"]["segment"] == "empty"

    def test_unknown_names_are_answered_with_the_nearest(self, masked: Client, path: str) -> None:
        joined = "&" if "?" in path else "?"
        answer = masked.get(f"/v1/journeys/{path}{joined}segment=nwe")
        assert answer.status_code == 404 and "did you mean `new`" in answer.json()["detail"]
        assert answer.headers["content-type"] == "application/problem+json"
        assert masked.get(f"/v1/journeys/{path}{joined}period=never").status_code == 422

    def test_who_has_it_gets_nothing_again(self, masked: Client, path: str) -> None:
        tag = masked.get(f"/v1/journeys/{path}").headers["etag"]
        again = masked.get(f"/v1/journeys/{path}", headers={"If-None-Match": tag})
        assert again.status_code == 304 and not again.content and again.headers["etag"] == tag
        joined = "&" if "?" in path else "?"
        other = masked.get(f"/v1/journeys/{path}{joined}segment=new", headers={"If-None-Match": tag})
        assert other.status_code == 200


class TestAnswers:
    def test_breaks_count_everybody(self, masked: Client) -> None:
        found = masked.get("/v1/journeys/breaks").json()
        assert found["drop_off"][0]["reached"]["value"] == PEOPLE
        assert sum(row["is_bottleneck"] for row in found["bottlenecks"]) <= 1

    def test_touchpoints_have_reach_place_and_conversion(self, masked: Client) -> None:
        (home,) = masked.get("/v1/journeys/touchpoints", params={"window_days": 7}).json()["types"]
        assert home["type"] == "home" and home["reach"]["value"] == 1 and home["journeys"]["value"] == 1
        assert home["position"]["value"] == 1 and home["cost"] is None
        assert [cell["conversion"]["value"] for cell in home["stages"][:2]] == [1, 1]
        assert masked.get("/v1/journeys/touchpoints?window_days=0").status_code == 422

    def test_experiments_among_chosen_people_are_associations(self, masked: Client) -> None:
        assert masked.get("/v1/journeys/experiments?by=nothing").status_code == 422
        found = masked.get("/v1/journeys/experiments?segment=new").json()
        assert {row["basis"] for row in found["results"]} == {"association"} and found["note"]

    def test_feeling_says_what_it_rests_on(self, masked: Client) -> None:
        cells = {cell["stage"]: cell for cell in masked.get("/v1/journeys/feeling").json()["cells"]}
        assert cells["decision"]["rated"] == 10 and cells["decision"]["good"]["n"] == 10
        assert cells["loyalty"]["good"]["value"] is None


class TestHoldout:
    def test_drawn_people_are_the_same_every_time_and_the_rest_are_the_others(self, masked: Client) -> None:
        address = "/v1/journeys/holdout/people?key=letter&share=25"
        held = masked.get(address).json()
        assert held["data"] == masked.get(address).json()["data"] and held["node"] == "held_out"
        reached = masked.get(f"{address}&node=reached").json()
        assert held["size"] + reached["size"] == PEOPLE and not set(held["data"]) & set(reached["data"])
        assert held["size"] == masked.get("/v1/journeys/holdout?key=letter&share=25").json()["held_out"]["value"]
        definition = {"key": "held", "title": "Held", "purpose": "analytics", "where": held["segment"]["where"]}
        assert document.parse(definition).where is not None

    def test_among_a_segment(self, masked: Client) -> None:
        address = "/v1/journeys/holdout/people?key=letter&share=50&segment=new"
        held = masked.get(address).json()
        assert held["held_back"] + len(held["data"]) == held["size"] > 0
        assert held["segment"]["where"]["type"] == "and"

    def test_people_need_both_scopes(self, client: Client, key: Callable[..., str]) -> None:
        address = "/v1/journeys/holdout/people?key=letter&share=25"
        assert client.get(address).status_code == 401
        for scopes in (("journeys:read",), ("segments:read",)):
            assert client.by(key(*scopes)).get(address).status_code == 403

    @pytest.mark.parametrize(
        "wrong", ["key=a&share=0", "key=a&share=100", "key=&share=5", "share=5", "key=a&share=5&since=soon"]
    )
    def test_senseless_holdouts(self, masked: Client, wrong: str) -> None:
        assert masked.get(f"/v1/journeys/holdout?{wrong}").status_code == 422

    def test_an_effect_is_measured_among_everybody_only(self, masked: Client) -> None:
        began = "&since=2025-06-01T00:00:00Z"
        answer = masked.get(f"/v1/journeys/holdout?key=a&share=50&segment=new{began}")
        assert answer.status_code == 422 and "among everybody" in answer.json()["detail"]
        found = masked.get(f"/v1/journeys/holdout?key=a&share=50{began}").json()
        assert found["effect"]["n_exposed"] + found["effect"]["n_compared"] <= PEOPLE
        late = masked.get("/v1/journeys/holdout?key=a&share=50&since=2025-12-31T00:00:00Z")
        assert late.status_code == 422 and "not over yet" in late.json()["detail"]
        assert masked.get("/v1/journeys/holdout/people?key=a&share=50&node=none").status_code == 422
