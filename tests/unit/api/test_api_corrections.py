"""Corrections over HTTP: kept for the next run, shown with what the sources say, taken back; nothing is repeated."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cdp.store.base import Redirect
from privacy.register import Register
from tests.support.client import Client
from tests.support.publications import publish
from tests.unit.api.conftest import PEOPLE
from tests.unit.api.segment_workshop import Workshop, profile_id, workshop

ONE = f"/v1/profiles/{profile_id(1)}/corrections"
RIGHT = "zqx.right@canary.org"
REQUEST = {"kind": "rectification", "people": [{"identifiers": [{"type": "profile", "value": profile_id(1)}]}]}


@pytest.fixture
def shop(world: tuple[Any, Path], tmp_path: Path) -> Iterator[Workshop]:
    shutil.copytree(world[1] / "serving", tmp_path / "serving")
    with workshop(tmp_path) as found:
        yield found


@pytest.fixture
def caller(shop: Workshop) -> Client:
    return shop.caller()


def correct(
    caller: Client, url: str = ONE, value: str | None = RIGHT, field: str = "email", **more: Any
) -> httpx.Response:
    return caller.post(url, json={"values": [{"field": field, "value": value}], **more})


def test_a_correction_from_writing_to_withdrawal(shop: Workshop, caller: Client) -> None:
    made = correct(caller)
    assert made.status_code == 202, made.text
    facts = made.json()
    assert (facts["fields"], facts["effective"], facts["lasts"]) == (["email"], "next run", "for_good")
    assert [(one["source"], one["value"], one["standing"]) for one in facts["where"]] == [
        ("sales", RIGHT, None), ("web", RIGHT, None),
    ]  # fmt: skip
    assert caller.get(ONE).json() == {"profile_id": profile_id(1), "data": [facts], "next_cursor": None}
    assert caller.get(f"/v1/profiles/{profile_id(2)}/corrections").json()["data"] == []
    url = f"{ONE}/{facts['correction']}/withdraw"
    assert caller.post(url.replace(profile_id(1), profile_id(2))).status_code == 404
    withdrawn = caller.post(url)
    assert withdrawn.status_code == 202 and withdrawn.json()["effective"] == "no more"
    assert withdrawn.json()["withdrawn_by"] == facts["recorded_by"]
    assert caller.post(url).status_code == 409
    shop.client.app.state.services.audit.flush()
    rows = [row.entry for row in shop.store.audit_rows(limit=1000) if "correct" in row.entry.action]
    assert [row.action for row in rows[:2]] == ["privacy.corrected", "corrections.read"]
    assert {row.object for row in rows} == {profile_id(1), profile_id(2)} and RIGHT not in repr(rows)


def test_who_may(shop: Workshop) -> None:
    assert correct(shop.caller("privacy:read", "pii:read")).status_code == 403
    masked = shop.caller("privacy:read", "privacy:write")
    answer = correct(masked, records=["web:web1"])
    assert answer.status_code == 202
    (place,) = answer.json()["where"]
    assert (place["value"], place["source_record_id"]) == ("***", "***")
    assert RIGHT not in masked.get(ONE).text
    assert shop.caller("consent:read").get(ONE).status_code == 403


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"values": [{"field": "emial", "value": "zqx"}]}, "did you mean email"),
        ({"values": [{"field": "zqx@x.org", "value": "zqx"}]}, "no field that could be corrected"),
        ({"values": [{"field": "email", "value": "zqx"}]}, "no mail address"),
        ({"values": [{"field": "phone", "value": "zqx"}]}, "no telephone number"),
        ({"values": [{"field": "birth_date", "value": "zqx"}]}, "YYYY-MM-DD"),
        ({"values": [{"field": "city", "value": "zqx" * 101}]}, "body.values.0.value"),
        ({"values": [{"field": "city"}]}, "body.values.0.value"),
        ({"values": [{"field": "city", "value": "Bern"}] * 2}, "named twice"),
        ({"values": []}, "body.values"),
        ({"values": [{"field": "city", "value": "Bern"}], "lasts": "zqx"}, "body.lasts"),
        ({"values": [{"field": "city", "value": "Bern"}], "records": ["web:zqx"]}, "not of this profile"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_not_repeated(shop: Workshop, caller: Client, body: Any, told: str) -> None:
    answer = caller.post(ONE, json=body)
    assert answer.status_code == 422 and told in answer.json()["detail"], answer.text
    assert "zqx" not in answer.text and shop.store.corrections.listed() == []


def test_profiles_that_do_not_live(shop: Workshop, caller: Client) -> None:
    redirects = [Redirect(profile_id(901), "merged", profile_id(1)), Redirect(profile_id(902), "retired")]
    publish(shop.store, range(1, PEOPLE + 1), run="run-1", redirects=redirects)
    moved = caller.request(
        "POST", ONE.replace(profile_id(1), profile_id(901)), json={"values": []}, follow_redirects=False
    )
    assert moved.status_code == 422, "what is wrong with it comes first"
    answer = correct(caller, ONE.replace(profile_id(1), profile_id(901)))
    assert answer.status_code == 301 and answer.headers["Location"] == ONE
    assert correct(caller, ONE.replace(profile_id(1), profile_id(902))).status_code == 410
    assert correct(caller, ONE.replace(profile_id(1), profile_id(999))).status_code == 404
    assert shop.store.corrections.listed() == []


def test_a_request_is_under_way_and_is_completed_when_nothing_waits(
    shop: Workshop, caller: Client, tmp_path: Path
) -> None:
    name = caller.post("/v1/privacy/requests", json=REQUEST).json()["request"]
    refused = correct(caller, request=name)
    assert refused.status_code == 409 and "identity of the person" in refused.json()["detail"]
    for action, body in (("verify", {"how": "document"}), ("approve", {})):
        assert caller.post(f"/v1/privacy/requests/{name}/{action}", json=body).status_code == 200
    other = correct(caller, ONE.replace(profile_id(1), profile_id(2)), request=name)
    assert other.status_code == 409 and "is not about this profile" in other.json()["detail"]
    assert shop.store.corrections.listed() == [] and Register(tmp_path / "privacy").read(name).status == "approved"
    made = correct(caller, request=name).json()
    assert made["request"] == name and Register(tmp_path / "privacy").read(name).status == "executing"
    waiting = caller.post(f"/v1/privacy/requests/{name}/complete")
    assert waiting.status_code == 409 and "waits for the next run" in waiting.json()["detail"]
    caller.post(f"{ONE}/{made['correction']}/withdraw")
    assert caller.post(f"/v1/privacy/requests/{name}/complete").json()["status"] == "completed"
    assert correct(caller, request=name).status_code == 409
    other = caller.post("/v1/privacy/requests", json={**REQUEST, "kind": "objection"}).json()["request"]
    assert "not for a rectification" in correct(caller, request=other).json()["detail"]
    assert correct(caller, request="rc-20260101-000000000000").status_code == 404


def test_a_restriction_answers_the_request_about_this_person_only(
    shop: Workshop, caller: Client, tmp_path: Path
) -> None:
    name = caller.post("/v1/privacy/requests", json={**REQUEST, "kind": "restriction"}).json()["request"]
    url, said = f"/v1/profiles/{profile_id(1)}/restriction", {"channel": "letter", "request": name}
    assert caller.post(url, json=said).status_code == 409
    for action, body in (("verify", {"how": "document"}), ("approve", {})):
        assert caller.post(f"/v1/privacy/requests/{name}/{action}", json=body).status_code == 200
    other = caller.post(url.replace(profile_id(1), profile_id(2)), json=said)
    assert other.status_code == 409 and "is not about this profile" in other.json()["detail"]
    assert "not for a rectification" in correct(caller, request=name).json()["detail"]
    assert shop.store.consents.entries() == []
    made = caller.post(url, json=said)
    assert made.status_code == 201 and made.json()["entries"][0]["request"] == name
    assert Register(tmp_path / "privacy").read(name).status == "executing"
    assert caller.post(f"{url}/lift", json=said).status_code == 422
    assert caller.post(f"{url}/lift", json={"channel": "letter"}).status_code == 201


def test_corrections_come_in_pages(caller: Client) -> None:
    made = [correct(caller, value=f"zqx{number}@canary.org").json()["correction"] for number in range(5)]
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = caller.get(f"{ONE}?limit=2{cursor and '&cursor='}{cursor}").json()
        assert len(page["data"]) <= 2
        seen += [one["correction"] for one in page["data"]]
        cursor = page["next_cursor"]
    assert seen == made[::-1]
    assert caller.get(f"{ONE}?limit=0").status_code == 422
    assert caller.get(ONE.replace(profile_id(1), profile_id(2))).json()["next_cursor"] is None
    assert [one["effective"] for one in caller.get(ONE).json()["data"]] == ["next run", *["no more"] * 4]
