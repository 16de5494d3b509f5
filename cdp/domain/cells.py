"""Cells of CSV files that people open in a spreadsheet, which takes some texts for formulas and runs them.

One rule for everything that is exported: a text that begins like a formula is led by an apostrophe, so that phone
numbers with `+` are too.
"""

from __future__ import annotations

import re

# Understood alike by Python and by the engine's regular expressions.
FORMULA = "^[=+@\t\r\n\\x2D]"
_FORMULA = re.compile(FORMULA)


def safe(text: str) -> str:
    """The text as a cell in which no spreadsheet sees a formula."""
    return f"'{text}" if _FORMULA.match(text) else text
