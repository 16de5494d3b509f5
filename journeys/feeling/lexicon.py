"""English text by VADER (Hutto & Gilbert 2014): a word list with rules, no training, offline."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

# VADER's own limits for "neutral".
NEUTRAL = 0.05


@dataclass(frozen=True)
class Verdict:
    """A score from -1 to 1; null when the text gives no verdict."""

    score: float | None

    @property
    def abstains(self) -> bool:
        """Whether there is no verdict."""
        return self.score is None


@cache
def _analyzer() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()


def score(text: str) -> Verdict:
    """The verdict on an English text."""
    compound = float(_analyzer().polarity_scores(text)["compound"])
    return Verdict(None if abs(compound) < NEUTRAL else compound)
