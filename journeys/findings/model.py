"""What a finding is: an effect on an outcome, how sure it is, and whether it may be called a cause."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from journeys.measures import Effect, Frozen, Query

Basis = Literal["randomised", "association"]


class Finding(Frozen):
    """One tested hypothesis. `effect` is crude (share exposed minus share compared); `adjusted` holds context equal.

    `orders` is the gap in purchases per person within the following 180 days, exposed minus compared, so that findings
    with different outcomes can be weighed against each other; `people` is how many persons were exposed (for an
    experiment: how many went without). `q_value` is the Benjamini-Hochberg adjusted p value over everything tested in
    the same search; `discovered` says whether it lies within the false discovery rate. `reason` says why a hypothesis
    could not be tested.
    """

    key: str
    kind: Literal["inflection", "acquisition", "experiment"]
    subject: str
    outcome: str
    stage: str
    basis: Basis
    sentence: str = ""
    effect: Effect | None
    adjusted: Effect | None = None
    orders: Effect | None = None
    people: int = 0
    q_value: float | None = None
    discovered: bool = False
    reason: str | None = None
    details: dict[str, str | int | float | None] = Field(default_factory=dict)
    query: str = ""

    @property
    def best(self) -> Effect | None:
        """The effect to act on: adjusted where it could be, else crude."""
        return self.adjusted or self.effect

    @property
    def sureness(self) -> float:
        """The end of the best effect's interval that lies nearer to zero, as a distance; 0 when it covers zero."""
        best = self.best
        return max(best.low, -best.high, 0.0) if best else 0.0


class Findings(Frozen):
    """The answer of a search.

    `findings` passed the correction for many tests, surest and largest first; `not_found` did not, or had too little
    data to be tested.
    """

    false_discovery_rate: float
    tested: int
    findings: tuple[Finding, ...]
    not_found: tuple[Finding, ...]
    queries: dict[str, Query]

    def to_json(self) -> dict[str, Any]:
        """`{"findings": [...], ...}` in plain JSON types."""
        return self.model_dump(mode="json")
