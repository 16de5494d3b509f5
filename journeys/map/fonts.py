"""Widths of text before it is drawn, and which glyphs the page's fonts have.

Latin, Greek and Cyrillic text is set in Liberation Sans, whose widths equal Arial's and Helvetica's: the page keeps its
layout on machines that have only those. The widths ship as a table (`widths.json`), so measuring needs no font file.
Chinese is set in Noto Sans SC, one em a character, from a font package that is needed for PNG and PDF only.
"""

from __future__ import annotations

import importlib.util
import json
import re
from functools import cache
from itertools import groupby
from pathlib import Path

from cdp.errors import ConfigurationError

LATIN_FAMILY = "'Liberation Sans', Arial, Helvetica, sans-serif"
CJK_FAMILY = "'Noto Sans SC', 'PingFang SC', 'Microsoft YaHei', 'Source Han Sans SC', sans-serif"
CJK_PACKAGE = "pylopdf-fonts-zh-cn"
# Spaces at which a line must not break: before a percent sign, around an equals sign.
_TIED = re.compile(r" (?=[%=])|(?<==) ")
_CJK_MODULE = "pylopdf_fonts_zh_cn"
# Ranges that Noto Sans SC covers whole: CJK punctuation in use, ideographs, full-width forms.
_CJK_RANGES = ((0x3001, 0x3003), (0x3008, 0x3011), (0x4E00, 0x9FA5), (0xFF01, 0xFF5E))


@cache
def _widths(bold: bool) -> dict[int, float]:
    """Advance width in em by code point."""
    table = json.loads(Path(__file__).with_name("widths.json").read_text(encoding="utf-8"))
    runs: dict[str, list[int]] = table["bold" if bold else "regular"]
    unit = float(table["units_per_em"])
    return {int(start, 16) + index: width / unit for start, run in runs.items() for index, width in enumerate(run)}


def is_cjk(character: str) -> bool:
    """Whether the character is set in the Chinese font."""
    code = ord(character)
    return any(low <= code <= high for low, high in _CJK_RANGES)


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Width of one line of text in the units of `size`."""
    widths = _widths(bold)
    return size * sum(1.0 if is_cjk(character) else widths.get(ord(character), 1.0) for character in text)


def runs(text: str) -> list[tuple[bool, str]]:
    """The text cut where the font changes: (is Chinese, part)."""
    return [(cjk, "".join(part)) for cjk, part in groupby(text, is_cjk)]


def missing(text: str) -> set[str]:
    """Characters that neither font can draw."""
    widths = _widths(bold=False)
    return {character for character in text if not is_cjk(character) and ord(character) not in widths}


def fold(text: str) -> str:
    """One printable line: control characters and line breaks become spaces."""
    return "".join(character if character.isprintable() else " " for character in text)


def wrap(text: str, size: float, limit: float, *, bold: bool = False) -> list[str]:
    """Lines no wider than `limit`; breaks at spaces and between Chinese characters, inside a word only when it must."""
    lines: list[str] = []
    line = ""
    for piece in _pieces(_TIED.sub("\u00a0", text)):
        if width((line + piece).rstrip(), size, bold=bold) <= limit or not line:
            line += piece
        else:
            lines.append(line.rstrip())
            line = piece.lstrip()
        while width(line.rstrip(), size, bold=bold) > limit and len(line) > 1:
            head = next(n for n in range(len(line) - 1, 0, -1) if n == 1 or width(line[:n], size, bold=bold) <= limit)
            lines.append(line[:head])
            line = line[head:]
    return [*lines, line.rstrip()] if line.strip() else lines


def shorten(text: str, size: float, limit: float, *, bold: bool = False) -> str:
    """The text, or its beginning with an ellipsis where it is wider than `limit`."""
    if width(text, size, bold=bold) <= limit:
        return text
    cut = text
    while cut and width(cut.rstrip() + "…", size, bold=bold) > limit:
        cut = cut[:-1]
    return cut.rstrip() + "…"


def cjk_font_folder() -> Path:
    """Folder of the Chinese font; ConfigurationError naming the package when it is not installed."""
    spec = importlib.util.find_spec(_CJK_MODULE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(
            f"Chinese text in PNG and PDF needs a font: install it with `pip install {CJK_PACKAGE}`, or write SVG or "
            "HTML, which use the reader's fonts."
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _pieces(text: str) -> list[str]:
    """Unbreakable pieces: words with the space that follows, Chinese characters with the punctuation around them."""
    pieces: list[str] = []
    for character in text:
        opened = bool(pieces) and pieces[-1][-1] in "（《“"
        clings = opened or character in " ，。、：；！？）》”…"
        if pieces and (
            clings or not (character in "（《“" or is_cjk(character) or is_cjk(pieces[-1][-1]) or pieces[-1][-1] == " ")
        ):
            pieces[-1] += character
        else:
            pieces.append(character)
    return pieces
