"""Journey maps over the wire: the content of the page as JSON, or the page itself as SVG."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import Query


class MapFormat(StrEnum):
    """How the map is answered."""

    JSON = "json"
    SVG = "svg"


class Language(StrEnum):
    """Languages of the page."""

    EN = "en"
    ZH = "zh"


SegmentChoice = Annotated[str | None, Query(max_length=200, description="Only people of this segment, by key.")]
FormatChoice = Annotated[MapFormat, Query(alias="format")]
LanguageChoice = Annotated[Language, Query()]
