"""Writes a journey map in every format, offline.

PNG and PDF are rendered from the SVG with the fonts that `fonts` measured with; text that no font can draw is refused
with the name of what is missing, never drawn as boxes. Files are written beside their place and moved there whole.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, get_args

from cdp.errors import ConfigurationError, InputError
from journeys.map import fonts, interactive, mermaid, sheet, svg
from journeys.map.content import JourneyMap
from journeys.map.interactive import People

Format = Literal["svg", "png", "pdf", "json", "html", "mermaid", "xlsx"]
FORMATS: tuple[str, ...] = get_args(Format)
MEDIA_TYPES = {
    "svg": "image/svg+xml",
    "png": "image/png",
    "pdf": "application/pdf",
    "json": "application/json",
    "html": "text/html; charset=utf-8",
    "mermaid": "text/vnd.mermaid; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
# Two pixels per unit: sharp on a screen, about 170 dots per inch on A3.
PNG_SCALE = 2.0
# Points: as wide as A3 landscape.
PDF_WIDTH = 1190.0


def write(
    journey_map: JourneyMap,
    format: str,
    out: Path,
    *,
    people: People | None = None,
    compare: JourneyMap | None = None,
) -> Path:
    """The map as a file; returns its path. InputError for an unknown format, ConfigurationError without a font."""
    content = to_bytes(journey_map, format, people=people, compare=compare)
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(out.name + ".draft")
    draft.write_bytes(content)
    draft.replace(out)
    return out


def to_bytes(
    journey_map: JourneyMap,
    format: str,
    *,
    people: People | None = None,
    compare: JourneyMap | None = None,
) -> bytes:
    """The map in one of FORMATS; `compare` puts a second map beside it.

    `people` tells in HTML how to get the people behind a number of a map, by its key.
    """
    require(format)
    if format in ("png", "pdf"):
        return _rendered(journey_map, format, compare)
    if format == "svg":
        return svg.render(journey_map, compare).encode()
    if format == "html":
        return interactive.document(journey_map, people=people, compare=compare).encode()
    if format == "mermaid":
        return mermaid.chart(journey_map, compare).encode()
    if format == "xlsx":
        return sheet.workbook(journey_map, compare)
    content = journey_map.to_json()
    if compare is not None:
        content = {"map": content, "compare": compare.to_json()}
    return json.dumps(content, ensure_ascii=False, indent=2).encode()


def require(format: str) -> str:
    """The format itself; InputError naming all when there is no such one."""
    if format not in FORMATS:
        raise InputError(f"There is no format `{format[:40]}`; choose one of {', '.join(FORMATS)}.")
    return format


def _rendered(journey_map: JourneyMap, format: str, compare: JourneyMap | None) -> bytes:
    import vl_convert

    page, height = svg.compose(journey_map, compare)
    texts = [box.text for box in page.boxes]
    missing = sorted({character for text in texts for character in fonts.missing(text)})
    if missing:
        raise ConfigurationError(
            f"The fonts of the page have no glyph for {missing[0]!r} (U+{ord(missing[0]):04X}); rename what "
            "carries it, or write SVG or HTML, which use the reader's fonts."
        )
    if any(fonts.is_cjk(character) for text in texts for character in text):
        vl_convert.register_font_directory(str(fonts.cjk_font_folder()))
    wide = PDF_WIDTH if format == "pdf" else page.width
    document = page.svg(height, title=journey_map.headline.sentence, lang=journey_map.lang, wide=wide)
    if format == "png":
        return bytes(vl_convert.svg_to_png(document, scale=PNG_SCALE))
    return bytes(vl_convert.svg_to_pdf(document))
