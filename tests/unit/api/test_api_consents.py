"""Consent over HTTP: what is written counts at once, what is shown says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.client import Client
from tests.support.publications import publish
from tests.unit.api.segment_workshop import CONSENT, GERMAN, Workshop, ids, profile_id, workshop

FORM = {"channel": "web form"}


@pytest.fixture
def shop(world: tuple[Any, Path]) -> Iterator[Workshop]:
    with workshop(world[1]) as found:
        yield found


@pytest.fixture
def caller(shop: Workshop) -> Client:
    return shop.caller()


def say(caller: Client, who: str, purpose: str, state: str, headers: Any = None, **more: Any) -> httpx.Response:
    content = {"purpose": purpose, "state": state, **FORM, **more}
    return caller.request("POST", f"/v1/profiles/{who}/consents", json=content, headers=headers or {})


def states(answer: httpx.Response) -> dict[str, tuple[str, str]]:
    return {one["purpose"]: (one["state"], one["decided_by"]) for one in answer.json()["purposes"]}


def test_nobody_said_anything_but_the_sources(caller: Client) -> None:
    found = caller.get(f"/v1/profiles/{profile_id(3)}/consents")
    assert found.status_code == 200
    assert states(found) == {
        "marketing": ("given", "sources"), "personalisation": ("given", "sources"), "analytics": ("unknown", "nothing"),
        "service": ("unknown", "nothing"), "sharing": ("unknown", "nothing"),
    }  # fmt: skip
    assert found.json()["purposes"][0]["said_at"] == "2025-05-01T00:00:00Z"
    assert found.json()["entries"] == [] and not found.json()["restricted"]


def test_a_withdrawal_leaves_segments_exports_and_previews_at_once(shop: Workshop, caller: Client) -> None:
    assert caller.post("/v1/segments", json=GERMAN).status_code == 201
    reached = shop.people(f"country = 'DE' and {CONSENT}")
    answer = say(caller, reached[0], "marketing", "withdrawn", text_version="2026-02", proof="ticket 7")
    assert answer.status_code == 201
    assert states(answer)["marketing"] == ("refused", "objection")
    (entry,) = answer.json()["entries"]
    assert (entry["text_version"], entry["proof"], entry["channel"]) == ("2026-02", "ticket 7", "web form")

    assert ids(caller.get("/v1/segments/german/members?exportable=true")) == reached[1:]
    (last,) = caller.get("/v1/segments/german/changes").json()["data"][-1:]
    assert (last["profile_id"], last["change"], last["reason"]) == (reached[0], "exited", "consent")
    exported = caller.get("/v1/segments/german/export?format=ndjson")
    assert reached[0] not in exported.text and exported.headers["Segment-Rows"] == str(len(reached) - 1)
    sample = caller.post("/v1/segments/preview", json={"where": GERMAN["where"], "sample": 20}).json()
    assert [one["profile_id"] for one in sample["sample"]] == reached[1:]
    assert sample["exportable"] == len(reached) - 1


def test_what_is_given_anew_counts_in_the_next_evaluation(shop: Workshop, caller: Client) -> None:
    silent = shop.people("country = 'DE' and marketing_consent is null and not unsubscribed")[0]
    assert say(caller, silent, "marketing", "given").status_code == 201
    preview = caller.post("/v1/segments/preview", json={"where": GERMAN["where"], "sample": 20}).json()
    assert silent in {one["profile_id"] for one in preview["sample"]}
    caller.post("/v1/segments", json=GERMAN)
    assert silent in ids(caller.get("/v1/segments/german/members?exportable=true"))


def test_only_the_person_lifts_an_objection(shop: Workshop, caller: Client) -> None:
    who = shop.people(CONSENT)[0]
    say(caller, who, "marketing", "objected")
    assert states(say(caller, who, "marketing", "given", origin="import"))["marketing"] == ("refused", "objection")
    assert states(say(caller, who, "marketing", "given"))["marketing"] == ("given", "ledger")
    (unsubscribed,) = shop.people("unsubscribed")[:1]
    found = caller.get(f"/v1/profiles/{unsubscribed}/consents")
    assert states(found)["marketing"] == ("refused", "objection in a source")


def test_a_browser_that_objects(shop: Workshop, caller: Client) -> None:
    who = shop.people(CONSENT)[0]
    answer = say(caller, who, "sharing", "given", {"Sec-GPC": "1"})
    assert states(answer)["sharing"] == ("refused", "objection")
    assert [(one["purpose"], one["state"], one["channel"]) for one in answer.json()["entries"]] == [
        ("sharing", "given", "web form"), ("sharing", "objected", "Sec-GPC"),
    ]  # fmt: skip
    assert states(say(caller, who, "sharing", "given", {"Sec-GPC": "0"}))["sharing"] == ("given", "ledger")


def test_a_restriction_is_out_of_everything_until_it_is_lifted(shop: Workshop, caller: Client) -> None:
    caller.post("/v1/segments", json={**GERMAN, "purpose": "analytics"})
    who = shop.people("country = 'DE'")[0]
    answer = caller.post(f"/v1/profiles/{who}/restriction", json=FORM)
    assert answer.status_code == 201 and answer.json()["restricted"]
    assert {state for state, _ in states(answer).values()} == {"refused"}
    assert who not in ids(caller.get("/v1/segments/german/members?exportable=true"))
    assert who not in caller.get("/v1/segments/german/export?format=ndjson").text
    assert who not in ids(caller.get("/v1/segments/german/members"))
    assert caller.get(f"/v1/profiles/{who}").status_code == 200, "whoever handles requests sees what is stored"
    marketer = shop.caller("profiles:read", "segments:read", "consent:read")
    for path in ("", "/events", "/journey", "/identifiers"):
        closed = marketer.get(f"/v1/profiles/{who}{path}")
        assert closed.status_code == 403 and closed.json()["title"] == "Use restricted"
    assert marketer.get(f"/v1/profiles/{who}/consents").status_code == 200
    lifted = caller.post(f"/v1/profiles/{who}/restriction/lift", json=FORM)
    assert not lifted.json()["restricted"] and states(lifted)["analytics"] == ("unknown", "nothing")
    assert marketer.get(f"/v1/profiles/{who}").status_code == 200


def test_as_of_a_moment(shop: Workshop, caller: Client) -> None:
    who = shop.people(CONSENT)[0]
    say(caller, who, "marketing", "withdrawn", at="2025-06-10")
    say(caller, who, "marketing", "given", at="2025-06-20T12:00:00Z")
    path = f"/v1/profiles/{who}/consents?as_of="
    assert states(caller.get(f"{path}2025-06-09"))["marketing"] == ("given", "sources")
    assert states(caller.get(f"{path}2025-06-10"))["marketing"] == ("refused", "objection")
    assert states(caller.get(f"{path}2025-06-20T12:00:00Z"))["marketing"] == ("given", "ledger")
    assert states(caller.get(f"{path}2025-04-01"))["marketing"] == ("unknown", "nothing")
    assert caller.get(f"{path}yesterday").status_code == 422


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ({"purpose": "fun"}, 422),
        ({"state": "restricted"}, 422),
        ({"channel": "  "}, 422),
        ({"at": "2999-01-01"}, 422),
        ({"at": "soon"}, 422),
        ({"more": 1}, 422),
    ],
)
def test_bad_input(shop: Workshop, caller: Client, content: dict[str, Any], status: int) -> None:
    wanted = {"purpose": "marketing", "state": "given", **FORM, **content}
    answer = caller.post(f"/v1/profiles/{profile_id(1)}/consents", json=wanted)
    assert answer.status_code == status
    assert shop.store.consents.entries() == []


def test_who_is_merged_retired_or_unknown(shop: Workshop, caller: Client) -> None:
    from cdp.store.base import Redirect

    gone = [Redirect(profile_id(1), "merged", profile_id(2)), Redirect(profile_id(3), "retired")]
    publish(shop.store, range(4, 40), run="run-1", redirects=[*gone, Redirect(profile_id(2), "retired")])
    assert say(caller, profile_id(3), "marketing", "given").status_code == 410
    assert say(caller, profile_id(99), "marketing", "given").status_code == 404
    assert shop.store.consents.entries() == []


def test_scopes_and_masking(shop: Workshop) -> None:
    who = profile_id(1)
    assert say(shop.caller("consent:read"), who, "marketing", "given").status_code == 403
    assert shop.caller("consent:write").get(f"/v1/profiles/{who}/consents").status_code == 403
    say(shop.caller(), who, "marketing", "given", proof="IP 203.0.113.7")
    found = shop.caller("consent:read").get(f"/v1/profiles/{who}/consents")
    assert found.json()["entries"][0]["proof"] == "***"
