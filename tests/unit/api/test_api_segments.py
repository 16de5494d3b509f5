"""Segments over HTTP."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cdp.store.memory import InMemoryStore
from tests.support.client import Client
from tests.support.publications import profile_id
from tests.unit.api.test_api_profiles import pages

MEMBERS = "/v1/segments/new/members"


@pytest.mark.parametrize("url", ["/v1/segments", MEMBERS])
class TestAccess:
    def test_anonymous(self, client: Client, url: str) -> None:
        assert client.get(url).status_code == 401

    def test_missing_scope(self, client: Client, key: Callable[..., str], url: str) -> None:
        answer = client.by(key("profiles:read", "admin")).get(url)
        assert answer.status_code == 403 and "segments:read" in answer.json()["detail"]


class TestListing:
    def test_whole_and_paged(self, reader: Client) -> None:
        whole = reader.get("/v1/segments").json()["data"]
        assert [(row["key"], row["size"]) for row in whole] == [("empty", 0), ("new", 40)]
        assert whole[0]["definition"] == {"trait": "empty"}
        assert pages(reader, "/v1/segments?limit=1") == whole


class TestMembers:
    def test_whole_and_paged(self, masked: Client) -> None:
        whole = masked.get(MEMBERS).json()["data"]
        assert [row["profile_id"] for row in whole] == [profile_id(n) for n in range(1, 41)]
        assert whole[0]["since"] == "2026-01-01T00:00:00Z"
        for limit in (1, 7, 40):
            assert pages(masked, f"{MEMBERS}?limit={limit}") == whole

    def test_nobody(self, reader: Client) -> None:
        answer = reader.get("/v1/segments/empty/members").json()
        assert answer["data"] == [] and answer["next_cursor"] is None

    @pytest.mark.parametrize("unknown", ["no-such", "'; drop table segments", "%25", "a%2Fb", "%C3%A9", "%FF", "%00"])
    def test_unknown_segments(self, reader: Client, unknown: str) -> None:
        answer = reader.get(f"/v1/segments/{unknown}/members")
        assert answer.status_code in (404, 422)
        assert answer.headers["content-type"] == "application/problem+json"

    def test_limits(self, reader: Client) -> None:
        assert reader.get(f"{MEMBERS}?limit=5000").status_code == 200
        assert reader.get(f"{MEMBERS}?limit=5001").status_code == 422

    def test_reading_is_audited(self, reader: Client, client: Client, world: tuple[InMemoryStore, object]) -> None:
        reader.get(MEMBERS)
        client.app.state.services.audit.flush()
        last = world[0].audit_rows(action="segment.members", limit=10_000)[-1]
        assert (last.entry.object, last.entry.detail) == (
            "new",
            {"rows": 40, "exportable": None, "after": "", "last": profile_id(40)},
        )
