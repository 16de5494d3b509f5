"""The journey map over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from api.journeys.service import MapShelf
from cdp.errors import InputError
from tests.support.client import Client
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

    def test_of_a_segment(self, masked: Client) -> None:
        found = masked.get(MAP, params={"segment": "new"}).json()
        assert found["segment"] == "new"
        assert masked.get(MAP, params={"segment": "no-such"}).status_code == 404

    @pytest.mark.parametrize("wrong", ["format=exe", "lang=xx", "format=", f"segment={'x' * 300}"])
    def test_wrong_choices(self, masked: Client, wrong: str) -> None:
        assert masked.get(f"{MAP}?{wrong}").status_code == 422


class TestShelf:
    async def _check(self) -> None:
        import asyncio

        shelf, built = MapShelf(size=2), []

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
