"""What became of one attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Outcome:
    """`taken`; `retry` after a back-off, or after `wait` seconds as the receiver asks; or `dead`. `code` says why."""

    result: Literal["taken", "retry", "dead"]
    code: str = ""
    wait: float | None = None
