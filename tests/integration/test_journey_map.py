"""The map of a whole run, for many audiences: drawn in every format, nothing collides, every number counted again."""

from __future__ import annotations

import importlib.util
import itertools
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdp.settings import load_settings
from journeys.audience import choose
from journeys.map import export, svg
from journeys.map.content import JourneyMap
from journeys.questions import composed, journey_map
from pipelines.journeys import answer
from tests.support.home import NOW, Home

AUDIENCES: dict[str, dict[str, str]] = {
    "everybody": {},
    "segment": {"segment": "repeat_buyers"},
    "persona": {"persona": "regular"},
    "period": {"period": "2025-01..2025-06"},
    "new people": {"who": "new", "period": "2025-01.."},
    "evenings": {"hours": "18..23"},
}
FIRST = {
    "svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF", "html": b"<!doctype html>", "json": b"{", "xlsx": b"PK",
    "mermaid": b"---",
}  # fmt: skip


@pytest.fixture(scope="module")
def maps(demo_home: Home) -> dict[tuple[str, str], JourneyMap]:
    settings = load_settings(home=demo_home.path, as_of=datetime.fromisoformat(NOW))
    found = {}
    for name, chosen in AUDIENCES.items():
        measured = answer(settings, journey_map(), choose(**chosen))
        for lang in ("en", "zh"):
            found[name, lang] = composed(measured, lang=lang).result
    return found


@pytest.mark.parametrize(("name", "lang"), list(itertools.product(AUDIENCES, ("en", "zh"))))
def test_no_label_collides_or_leaves_the_page(maps: dict[Any, JourneyMap], name: str, lang: str) -> None:
    page, height = svg.compose(maps[name, lang])
    assert page.overlaps() == []
    assert all(box.left >= 0 and box.right <= page.width and box.bottom <= height for box in page.boxes)


def test_two_on_one_page(maps: dict[Any, JourneyMap]) -> None:
    for lang in ("en", "zh"):
        page, _ = svg.compose(maps["persona", lang], maps["everybody", lang])
        assert page.overlaps() == []
        assert page.boxes[0].text in maps["persona", lang].headline.sentence


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("file_format", export.FORMATS)
def test_every_format(maps: dict[Any, JourneyMap], file_format: str, lang: str, tmp_path: Path) -> None:
    if lang == "zh" and importlib.util.find_spec("pylopdf_fonts_zh_cn") is None:
        pytest.skip("the Chinese font is not installed")
    out = export.write(
        maps["persona", lang], file_format, tmp_path / "map", compare=maps["everybody", lang], people=lambda _, key: key
    )
    assert out.read_bytes().startswith(FIRST[file_format])


@pytest.mark.parametrize("name", [name for name in AUDIENCES if name != "segment"])
def test_every_number_is_counted_again_from_the_snapshot(
    demo_home: Home, maps: dict[Any, JourneyMap], name: str
) -> None:
    shown = maps[name, "en"]
    counted = 0
    with duckdb.connect() as connection:
        connection.execute(f"attach '{demo_home.path / 'serving' / demo_home.snapshot().name}' as served (read_only)")
        connection.execute("use served")
        if "audience" in shown.queries:
            connection.execute(f"create temp table audience as {shown.queries['audience'].statement}")
        for key, number in shown.traced_numbers().items():
            sql = shown.sql(key)
            if sql is None:
                assert number["value"] is None or key.startswith("intervention."), key
                continue
            value, n = connection.execute(sql).fetchall()[0]
            assert (value is None) == (number["value"] is None), key
            assert value is None or float(value) == pytest.approx(number["value"]), key
            assert (n or 0) == number["n"], key
            counted += 1
    assert counted > 100


def test_feeling_of_the_demo_world_rests_on_ratings_and_texts(maps: dict[Any, JourneyMap]) -> None:
    for column in maps["everybody", "en"].stages:
        basis = column.feeling_from
        parts = (basis.rated.value, basis.from_text.value, basis.no_verdict.value)
        assert sum(part or 0 for part in parts) == basis.tickets.value
    texts = sum(column.feeling_from.from_text.value or 0 for column in maps["everybody", "en"].stages)
    assert texts > 0
