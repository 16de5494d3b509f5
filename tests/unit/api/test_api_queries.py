"""Query parameters that an address does not know are refused, at every address of the native API."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.publications import profile_id

MAP = "/v1/journeys/map"


def operations(client: Client) -> list[tuple[str, str, dict[str, Any]]]:
    document = client.app.openapi()
    return [
        (method.upper(), re.sub(r"\{.*?\}", profile_id(1), address), operation)
        for address, methods in document["paths"].items()
        if address.startswith("/v1/")
        for method, operation in methods.items()
        # Version 1.0 of another specification, not of the native API.
        if operation["tags"] != ["opendsr"]
    ]


def test_a_mistyped_name_is_named_with_the_nearest_known_one(masked: Client) -> None:
    answer = masked.get(f"{MAP}?segmnt=new")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["detail"] == "There is no query parameter `segmnt` here; did you mean `segment`?"
    assert found["errors"][0]["field"] == "query.segmnt" and "segment" in found["errors"][0]["allowed"]


def test_every_address_refuses_and_says_so_in_its_description(reader: Client) -> None:
    for method, address, operation in operations(reader):
        answer = reader.request(method, f"{address}?zqxunknown=1")
        assert answer.status_code == 422 and "`zqxunknown`" in answer.json()["detail"], (method, address)
        assert "422" in operation["responses"], (method, address)


def test_what_is_allowed_is_what_the_description_says(reader: Client) -> None:
    for method, address, operation in operations(reader):
        described = sorted(p["name"] for p in operation.get("parameters", []) if p["in"] == "query")
        allowed = reader.request(method, f"{address}?zqxunknown=1").json()["errors"][0]["allowed"]
        assert allowed == described, (method, address)


@pytest.mark.parametrize("query", ["person@example.org", "q%00=1", "=1", "a" * 300])
def test_what_is_no_name_is_not_repeated(masked: Client, query: str) -> None:
    answer = masked.get(f"{MAP}?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "query"
    assert "example" not in answer.text and "aaaa" not in answer.text


def test_nobody_is_told_before_it_is_known_who_calls(client: Client, key: Callable[..., str]) -> None:
    assert client.get(f"{MAP}?segmnt=new").status_code == 401
    assert client.by(key("profiles:read")).get(f"{MAP}?segmnt=new").status_code == 403
